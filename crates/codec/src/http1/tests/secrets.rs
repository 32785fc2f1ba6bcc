use super::super::{Event, Method, RequestFramer, ResponseFramer, SecretSearch, secret_ranges};

/// `head` with its secrets blanked.
fn blanked(head: &str) -> String {
    let mut bytes = head.as_bytes().to_vec();
    for range in secret_ranges(head.as_bytes()) {
        bytes[range].fill(b'*');
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn values_are_secret_and_schemes_are_not() {
    let cases = [
        ("Authorization: Basic dTpw\r\n", "Authorization: Basic ****\r\n"),
        ("authorization:ApiKey  abc==  \r\n", "authorization:ApiKey  *****  \r\n"),
        ("AUTHORIZATION: tokenalone\r\n", "AUTHORIZATION: **********\r\n"),
        (
            "Authorization: AWS4-HMAC-SHA256 Credential=A, Signature=b\r\n",
            "Authorization: AWS4-HMAC-SHA256 *************************\r\n",
        ),
        ("Proxy-Authorization: Bearer x.y\r\n", "Proxy-Authorization: Bearer ***\r\n"),
        ("ES-Secondary-Authorization: Bearer xy\r\n", "ES-Secondary-Authorization: Bearer **\r\n"),
        ("Cookie: a=b; c=d\r\n", "Cookie: ********\r\n"),
        ("Set-Cookie: sid=1; Path=/\r\n", "Set-Cookie: *************\r\n"),
        ("X-Api-Key: k\r\n", "X-Api-Key: *\r\n"),
        ("ApiKey: k\r\n", "ApiKey: *\r\n"),
        ("X-Amz-Security-Token: k\r\n", "X-Amz-Security-Token: *\r\n"),
        ("X-Auth-Token: k\r\n", "X-Auth-Token: *\r\n"),
        // What a framer refuses, and servers may accept.
        ("Authorization : Basic dTpw\n", "Authorization : Basic ****\n"),
        ("Authorization:\r\n Basic dTpw\r\n", "Authorization:\r\n **********\r\n"),
        ("Cookie: a\r\n\tb\r\nHost: c\r\n", "Cookie: *\r\n\t*\r\nHost: c\r\n"),
        ("Cookie: cut of", "Cookie: ******"),
        // Nothing to hide.
        ("Authorization:\r\n", "Authorization:\r\n"),
        ("Authorization: \r\n", "Authorization: \r\n"),
        ("Cookie:", "Cookie:"),
        ("X-Cookie: a\r\nX-Authorization: b\r\n", "X-Cookie: a\r\nX-Authorization: b\r\n"),
    ];
    for (line, expected) in cases {
        assert_eq!(blanked(line), expected);
        let head = format!("GET /?Cookie:a HTTP/1.1\r\nHost: h:1\r\n{line}");
        let expected = format!("GET /?Cookie:a HTTP/1.1\r\nHost: h:1\r\n{expected}");
        assert_eq!(blanked(&head), expected);
    }
}

#[test]
fn many_secrets_come_in_order() {
    let head = "GET / HTTP/1.1\r\n".to_string() + &"Cookie: a\r\n".repeat(9) + "\r\n";
    let ranges = secret_ranges(head.as_bytes());
    assert_eq!(ranges.len(), 9);
    assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
    assert!(!secret_ranges(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").spilled());
}

#[test]
fn heads_that_may_hold_secrets_say_so() {
    let names = "authorization proxy-authorization es-secondary-authorization cookie cookie2 \
        set-cookie set-cookie2 apikey api-key api_key x-api-key x-api_key x-apikey x-auth-token \
        x-amz-security-token";
    let says = |field: &str| {
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n");
        let mut requests = RequestFramer::default();
        let (_, Some(Event::Head(head))) = requests.advance(request.as_bytes()) else {
            panic!("{request}");
        };
        let answer = format!("HTTP/1.1 204 N\r\nserver: a\r\n{field}\r\n\r\n");
        let mut framer = ResponseFramer::default();
        let (_, Some(Event::Head(other))) = framer.advance(answer.as_bytes(), Method::Get) else {
            panic!("{answer}");
        };
        assert_eq!(head.may_hold_secrets, other.may_hold_secrets, "{field}");
        head.may_hold_secrets
    };
    for name in names.split_whitespace() {
        for name in [name.to_owned(), name.to_uppercase()] {
            let field = format!("{name}: secret");
            assert!(says(&field) && !secret_ranges(field.as_bytes()).is_empty(), "{name}");
        }
    }
    assert!(!says("content-length: 0") && !says("x-elastic-product: Elasticsearch"));
}

/// What is left readable of `stream` when it comes in these parts.
fn blanked_in_parts(parts: &[&[u8]]) -> Vec<u8> {
    let mut search = SecretSearch::default();
    let mut out = Vec::new();
    for part in parts {
        let mut part = part.to_vec();
        for range in search.next(&part.clone(), &[]) {
            part[range].fill(b'*');
        }
        out.extend(part);
    }
    out
}

#[test]
fn a_secret_stays_one_however_an_opaque_stream_is_cut() {
    let long = "y".repeat(500);
    let stream = format!(
        "GET / HTTP/1.1\nHost: a\nAuthorization: Basic QQQQ\nX-Api-Key:\n QQ\n\tQQQ\nA: b\n\nbody\n\
         cookie: {}\r\nB: {long}\r\n\r\n",
        "Q".repeat(300)
    );
    let stream = stream.as_bytes();
    let whole = blanked_in_parts(&[stream]);
    let check = |parts: &[&[u8]], cuts: &[usize]| {
        let seen = blanked_in_parts(parts);
        assert!(!seen.contains(&b'Q'), "cut at {cuts:?}: {:?}", String::from_utf8_lossy(&seen));
        // No more than secrets is blanked but a scheme that a cut made look like one.
        let more = seen.iter().zip(&whole).filter(|(one, other)| one != other).count();
        assert!(more <= "Basic".len(), "cut at {cuts:?}: {:?}", String::from_utf8_lossy(&seen));
    };
    for one in 0..=stream.len() {
        check(&[&stream[..one], &stream[one..]], &[one]);
        for two in (one..=stream.len()).step_by(23) {
            check(&[&stream[..one], &stream[one..two], &stream[two..]], &[one, two]);
        }
    }
    check(&stream.chunks(1).collect::<Vec<_>>(), &[]);
}
