//! Requests that two servers may read in two ways: what smuggling is made of.
//!
//! The classes are those of public collections (smuggler's lists, the permutations of Burp's request
//! smuggler, llhttp's test cases, the findings of the HTTP Garden, "funky chunks", pingora's
//! advisories); the bytes are put together here. Each stream looks like a search, carries a write
//! that one of the readings executes, and ends with a read that closes the connection.

mod chunks;
mod fields;
mod lines;

/// A stream that a client sends on a connection of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguous {
    /// What is odd about it.
    pub name: String,
    /// The id of the document that it writes where it is read in a certain way; no other stream's.
    pub id: String,
    pub bytes: Vec<u8>,
}

impl Ambiguous {
    /// All of them: some 1,300. They write to `index`, if at all.
    #[must_use]
    pub fn all(index: &str) -> Vec<Self> {
        let mut made = Made { index, streams: Vec::new() };
        lines::add(&mut made);
        fields::add(&mut made);
        chunks::add(&mut made);
        made.streams
    }

    /// How every stream ends.
    #[must_use]
    pub fn last_request(index: &str) -> Vec<u8> {
        format!("GET /{index}/_doc/last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .into_bytes()
    }
}

/// What the parts add to.
struct Made<'a> {
    index: &'a str,
    streams: Vec<Ambiguous>,
}

impl Made<'_> {
    /// Adds the stream that `bytes` makes of the path of a search and of a whole request that writes.
    fn add(&mut self, name: impl Into<String>, bytes: impl FnOnce(&str, &[u8]) -> Vec<u8>) {
        let id = format!("s{}", self.streams.len());
        let search = format!("/{}/_search", self.index);
        let mut bytes = bytes(&search, &write(self.index, &id));
        bytes.extend(Ambiguous::last_request(self.index));
        self.streams.push(Ambiguous { name: name.into(), id, bytes });
    }
}

/// The request that somebody wants to get through.
fn write(index: &str, id: &str) -> Vec<u8> {
    format!(
        "PUT /{index}/_doc/{id} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: 7\r\n\r\n{{\"n\":1}}"
    )
    .into_bytes()
}

/// A request's head, from its parts; `fields` are whole lines without the last line end.
fn head(line: &[u8], fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = [line, b"\r\nhost: a\r\ncontent-type: application/json"].concat();
    for field in fields {
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(field);
    }
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes
}

fn post(search: &str) -> Vec<u8> {
    format!("POST {search} HTTP/1.1").into_bytes()
}

/// `inner` as one chunk, and the last.
fn in_chunks(inner: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", inner.len()).as_bytes(), inner, b"\r\n0\r\n\r\n"].concat()
}

fn content_length(bytes: &[u8]) -> Vec<u8> {
    format!("Content-Length: {}", bytes.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_and_ends_as_all_do() {
        let all = Ambiguous::all("i");
        assert!(all.len() > 1_000, "{}", all.len());
        let mut bytes: Vec<_> = all.iter().map(|stream| &stream.bytes).collect();
        bytes.sort_unstable();
        bytes.dedup();
        assert_eq!(bytes.len(), all.len());
        for stream in &all {
            assert!(stream.bytes.ends_with(&Ambiguous::last_request("i")), "{}", stream.name);
            let write = write("i", &stream.id);
            assert!(
                stream.bytes.windows(write.len()).any(|window| window == write),
                "{}",
                stream.name
            );
        }
    }
}
