//! Counts complete HTTP/1.1 requests, for scripts that answer one each. Deliberately simple and
//! independent of the project's own framer, which it helps to test.

/// How many complete requests `bytes` begin with.
pub(super) fn complete_requests(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    let mut complete = 0;
    while let Some(after) = after_request(rest) {
        complete += 1;
        rest = after;
    }
    complete
}

fn after_request(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let (head, body) = bytes.split_at(end);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let field = |name: &str| {
        head.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name)
    };
    if field("transfer-encoding").is_some_and(|(_, value)| value.contains("chunked")) {
        return after_chunks(body);
    }
    let length = field("content-length").and_then(|(_, value)| value.trim().parse().ok());
    body.get(length.unwrap_or(0)..)
}

fn after_chunks(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (size, rest) = line(bytes)?;
        let size = size.split(|byte| *byte == b';').next()?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?.trim(), 16).ok()?;
        if size > 0 {
            bytes = rest.get(size.checked_add(2)?..)?;
            continue;
        }
        bytes = rest;
        loop {
            let (trailer, rest) = line(bytes)?;
            bytes = rest;
            if trailer.is_empty() {
                return Some(bytes);
            }
        }
    }
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    Some((&bytes[..end], &bytes[end + 2..]))
}

#[cfg(test)]
mod tests {
    use super::complete_requests;

    #[test]
    fn requests_are_counted_when_whole() {
        let three = b"GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nabPOST / HTTP/1.1\r\n\
            transfer-encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\nt: v\r\n\r\n";
        assert_eq!(complete_requests(three), 3);
        assert_eq!(complete_requests(&three[..three.len() - 1]), 2);
        assert_eq!(complete_requests(&three[..57]), 1);
        assert_eq!(complete_requests(b"GET / HT"), 0);
    }
}
