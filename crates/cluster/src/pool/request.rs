//! A request as bytes.

use reqwest::{
    Method, Url,
    header::{self, HeaderName, HeaderValue},
};

use crate::{
    Request,
    credentials::{self, Credentials},
    sigv4::Signed,
};

/// What every request to a cluster has.
#[derive(Debug)]
pub(super) struct Heading {
    /// In front of every path.
    prefix: String,
    /// `host: …`, in whole.
    host: Vec<u8>,
    /// `authorization: …`, in whole, or nothing where none is the same for all.
    authorization: Vec<u8>,
}

impl Heading {
    pub(super) fn new(url: &Url, credentials: &Credentials) -> Self {
        Self {
            prefix: url.path().trim_end_matches('/').to_owned(),
            host: format!("host: {}\r\n", credentials::host(url)).into_bytes(),
            authorization: match credentials {
                Credentials::Header(value) => {
                    [b"authorization: ", value.as_bytes(), b"\r\n"].concat()
                }
                Credentials::None | Credentials::Signer(_) => Vec::new(),
            },
        }
    }

    /// Writes the head of a request; its body follows.
    pub(super) fn write(&self, request: &Request, signed: Option<&Signed>, out: &mut Vec<u8>) {
        out.extend_from_slice(request.method.as_str().as_bytes());
        out.push(b' ');
        match signed {
            Some(signed) => out.extend_from_slice(signed.target.as_bytes()),
            None => self.target(request, out),
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
        if !request.headers.contains_key(header::HOST) {
            out.extend_from_slice(&self.host);
        }
        out.extend_from_slice(&self.authorization);
        for (name, value) in signed.map(|signed| signed.headers.as_slice()).unwrap_or_default() {
            line(name, value, out);
        }
        for (name, value) in &request.headers {
            let replaced = match signed {
                Some(_) => Signed::replaces(name),
                None => name == header::AUTHORIZATION && !self.authorization.is_empty(),
            };
            if replaced || name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING {
                continue;
            }
            line(name, value, out);
        }
        let bodiless = matches!(request.method, Method::GET | Method::HEAD | Method::DELETE);
        if !(bodiless && request.body.is_empty()) {
            out.extend_from_slice(b"content-length: ");
            let mut digits = [0; 20];
            out.extend_from_slice(decimal(request.body.len(), &mut digits));
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    fn target(&self, request: &Request, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix.as_bytes());
        // What a path must not hold would end the line early.
        let is_plain = |byte: &u8| (0x21..0x7f).contains(byte);
        if request.path.bytes().all(|byte| is_plain(&byte)) {
            out.extend_from_slice(request.path.as_bytes());
        } else {
            for byte in request.path.bytes() {
                match is_plain(&byte) {
                    true => out.push(byte),
                    false => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                }
            }
        }
    }
}

fn line(name: &HeaderName, value: &HeaderValue, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(url: &str, authorization: Option<&str>, request: &Request) -> String {
        let credentials = match authorization {
            Some(text) => Credentials::Header(HeaderValue::from_str(text).unwrap()),
            None => Credentials::None,
        };
        let heading = Heading::new(&Url::parse(url).unwrap(), &credentials);
        let mut out = Vec::new();
        heading.write(request, None, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn heads_are_whole() {
        let mut request = Request::json(Method::POST, "/i/_search?q=ä b", "{}");
        request.headers.insert("authorization", HeaderValue::from_static("Basic x"));
        request.headers.insert("content-length", HeaderValue::from_static("77"));
        assert_eq!(
            written("http://h:9200/at/", Some("ApiKey k"), &request),
            "POST /at/i/_search?q=%C3%A4%20b HTTP/1.1\r\nhost: h:9200\r\nauthorization: ApiKey k\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n"
        );
        let mut get = Request::new(Method::GET, "/");
        get.headers.insert("host", HeaderValue::from_static("other"));
        assert_eq!(written("http://h", None, &get), "GET / HTTP/1.1\r\nhost: other\r\n\r\n");
        let post = Request::new(Method::POST, "/i/_refresh");
        assert!(
            written("http://[::1]:1", None, &post)
                .contains("host: [::1]:1\r\ncontent-length: 0\r\n")
        );
    }
}
