//! First lines, and what stands in front of them or where a body is not expected.

use super::{Made, content_length, head};

/// First lines; `{}` is the path of a search. The write follows, without a body between.
const LINES: &[(&str, &str)] = &[
    ("as it should be", "GET {} HTTP/1.1"),
    ("small letters", "get {} HTTP/1.1"),
    ("an empty line in front", "\r\nGET {} HTTP/1.1"),
    ("two empty lines in front", "\r\n\r\nGET {} HTTP/1.1"),
    ("a LF in front", "\nGET {} HTTP/1.1"),
    ("a CR in front", "\rGET {} HTTP/1.1"),
    ("a blank in front", " GET {} HTTP/1.1"),
    ("a NUL in front", "\0GET {} HTTP/1.1"),
    ("two blanks", "GET  {} HTTP/1.1"),
    ("two blanks behind the target", "GET {}  HTTP/1.1"),
    ("a blank at the end", "GET {} HTTP/1.1 "),
    ("a tab", "GET\t{} HTTP/1.1"),
    ("a vertical tab", "GET\x0b{} HTTP/1.1"),
    ("a blank in the target", "GET {}?a b HTTP/1.1"),
    ("a version in the target", "GET {} HTTP/1.1 HTTP/1.1"),
    ("a CR in the target", "GET {}?\r HTTP/1.1"),
    ("a NUL in the target", "GET {}?\0 HTTP/1.1"),
    ("high bytes in the target", "GET {}?\u{e9} HTTP/1.1"),
    ("a fragment", "GET {}#x HTTP/1.1"),
    ("an absolute target", "GET http://b{} HTTP/1.1"),
    ("an absolute target of another scheme", "GET ftp://b{} HTTP/1.1"),
    ("an authority", "GET b:80 HTTP/1.1"),
    ("an asterisk", "GET * HTTP/1.1"),
    ("two slashes", "GET /{} HTTP/1.1"),
    ("dots", "GET /x/..{} HTTP/1.1"),
    ("a question mark", "GET ?{} HTTP/1.1"),
    ("no target", "GET HTTP/1.1"),
    ("no version", "GET {}"),
    ("version 0.9", "GET {} HTTP/0.9"),
    ("version 1.0", "GET {} HTTP/1.0"),
    ("version 1.2", "GET {} HTTP/1.2"),
    ("version 2.0", "GET {} HTTP/2.0"),
    ("a version of three digits", "GET {} HTTP/1.10"),
    ("a version with a plus", "GET {} HTTP/+1.1"),
    ("a version in small letters", "GET {} http/1.1"),
    ("another protocol", "GET {} ICE/1.1"),
    ("a letter before the version", "GET {} IHTTP/1.1"),
    ("a LF at the end", "GET {} HTTP/1.1\nX: y"),
    ("two CR at the end", "GET {} HTTP/1.1\r"),
    ("a comma in the version", "GET {} HTTP/1,1"),
    ("a method with odd bytes", "G=\":<>(e),[T];?\" {} HTTP/1.1"),
    ("a method with another inside", "GETPUT {} HTTP/1.1"),
    ("CONNECT", "CONNECT b:443 HTTP/1.1"),
    ("TRACE", "TRACE {} HTTP/1.1"),
    ("OPTIONS", "OPTIONS * HTTP/1.1"),
    ("HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET {} HTTP/1.1"),
];

/// Methods that some servers expect no body of.
const METHODS: [&str; 6] = ["GET", "HEAD", "OPTIONS", "TRACE", "DELETE", "CUSTOM"];

pub(super) fn add(made: &mut Made<'_>) {
    for (name, pattern) in LINES {
        made.add(format!("line: {name}"), |search, write| {
            let line = pattern.replace("{}", search);
            [head(line.as_bytes(), &[]), write.to_vec()].concat()
        });
    }
    for method in METHODS {
        for version in ["1.1", "1.0"] {
            let line = |search: &str| format!("{method} {search} HTTP/{version}").into_bytes();
            made.add(format!("a body of a {method}, {version}"), |search, write| {
                [head(&line(search), &[&content_length(write)]), write.to_vec()].concat()
            });
            made.add(format!("chunks of a {method}, {version}"), |search, write| {
                let encoding = &b"Transfer-Encoding: chunked"[..];
                [&head(&line(search), &[encoding])[..], b"0\r\n\r\n", write].concat()
            });
            made.add(
                format!("a body that isn't announced, of a {method}, {version}"),
                |search, write| [head(&line(search), &[]), write.to_vec()].concat(),
            );
            made.add(format!("kept alive, a {method}, {version}"), |search, write| {
                let fields = [&b"Connection: keep-alive"[..], b"Content-Length: 0"];
                [head(&line(search), &fields), write.to_vec()].concat()
            });
        }
    }
}
