//! The examples that AWS publishes (its signing test suite, `v4`): what this side computes is what they say.

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TIME: &str = "20150830T123600Z";
const SCOPE: &str = "20150830/us-east-1/service/aws4_request";
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn signature(request: &str, signed: &str, hash: &str) -> String {
    let request = format!("{request}\r\nX-Amz-Date:{TIME}\r\n\r\n");
    let (head, _) = Head::parse(request.as_bytes()).unwrap();
    let signed: Vec<&str> = signed.split(';').collect();
    computed(SECRET, TIME, SCOPE, &canonical(&head, &signed, hash, Reading::AsItCame))
}

#[test]
fn published_examples_have_their_published_signatures() {
    let host = "host;x-amz-date";
    for (line, expected) in [
        ("GET /", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST /", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("GET /ሴ", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        ("GET //example//", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
        (
            "GET /example1/example2/../..",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "GET /?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "GET /?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost:example.amazonaws.com");
        assert_eq!(signature(&request, host, NOTHING), expected, "{line}");
    }
    let trimmed = "GET / HTTP/1.1\r\nHost:example.amazonaws.com\r\nMy-Header1: value1\r\nMy-Header2: \"a   b   c\"";
    assert_eq!(
        signature(trimmed, "host;my-header1;my-header2;x-amz-date", NOTHING),
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"
    );
    let lent = "GET / HTTP/1.1\r\nHost:example.amazonaws.com\r\nX-Amz-Security-Token:6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
    assert_eq!(
        signature(lent, "host;x-amz-date;x-amz-security-token", NOTHING),
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
    );
    let hash = hex(&Sha256::digest(b"Param1=value1"));
    let form = format!(
        "POST / HTTP/1.1\r\nContent-Type:application/x-www-form-urlencoded\r\nHost:example.amazonaws.com\r\nContent-Length:13\r\nx-amz-content-sha256:{hash}"
    );
    assert_eq!(
        signature(&form, "content-length;content-type;host;x-amz-content-sha256;x-amz-date", &hash),
        "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"
    );
}

#[test]
fn paths_are_encoded_twice_where_the_examples_do() {
    for (path, expected) in [
        ("/test/@connections/JBDvjfGEIAMCERw%3D", "/test/%40connections/JBDvjfGEIAMCERw%253D"),
        (
            "/2015-03-31/functions/arn%3Aaws%3Alambda",
            "/2015-03-31/functions/arn%253Aaws%253Alambda",
        ),
    ] {
        assert_eq!(canonical_path(path, Reading::AsItCame), expected);
    }
    // Where a path may be read in two ways, the two differ.
    assert_eq!(
        canonical_path("/a%2Cb", Reading::AsItCame),
        canonical_path("/a%2Cb", Reading::Decoded)
    );
    assert_ne!(canonical_path("/a,b", Reading::AsItCame), canonical_path("/a,b", Reading::Decoded));
}
