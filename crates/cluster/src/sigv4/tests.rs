use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aws_credential_types::provider::{
    self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
};
use reqwest::Method;

use super::*;

fn example_keys(token: Option<&str>) -> Credentials {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned), None, "test")
}

fn example() -> Cluster {
    Cluster {
        url: "https://example.amazonaws.com".into(),
        host: "example.amazonaws.com".into(),
        prefix: String::new(),
        scope: Scope { service: "service".into(), region: "us-east-1".into() },
    }
}

/// 2015-08-30T12:36:00Z
fn example_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

fn header<'a>(signed: &'a Signed, name: &str) -> &'a str {
    let mut all = signed.headers.iter();
    all.find(|(known, _)| known == name).map_or("", |(_, value)| value.to_str().unwrap())
}

/// AWS's published examples (its signing test suite, `v4`), as far as they don't encode paths once, which these
/// services don't.
#[test]
fn published_examples_have_their_published_signatures() {
    let token = Some("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267");
    let get = Method::GET;
    for (method, target, token, expected) in [
        (&get, "/", None, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            &Method::POST,
            "/",
            None,
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (&get, "/", token, "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"),
        (
            &get,
            "/?Param2=value2&Param1=value1",
            None,
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            &get,
            "/?Param-3=Value3&Param=Value2&ሴ=Value1",
            None,
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        (
            &get,
            "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            None,
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        (
            &get,
            "//example//",
            None,
            "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
        ),
    ] {
        let request = Request::new(method.clone(), target);
        let settings = SigningSettings::default();
        let signed =
            example().sign_as(settings, &example_keys(token), &request, example_time()).unwrap();
        let authorization = header(&signed, "authorization");
        assert!(
            authorization.ends_with(&format!("Signature={expected}")),
            "{target}: {authorization}"
        );
        assert_eq!(header(&signed, "x-amz-date"), "20150830T123600Z");
    }
}

#[test]
fn what_another_signature_left_behind_is_not_signed() {
    let mut request = Request::json(Method::POST, "/i/_search", "{}");
    for (name, value) in [
        ("authorization", "AWS4-HMAC-SHA256 Credential=old"),
        ("x-amz-date", "20140101T000000Z"),
        ("x-amz-security-token", "old"),
        ("x-amz-meta", "stays"),
        ("user-agent", "stays, unsigned"),
    ] {
        request.headers.insert(name, HeaderValue::from_static(value));
    }
    let signed = example().sign(&example_keys(None), &request, example_time()).unwrap();
    let authorization = header(&signed, "authorization");
    assert!(
        authorization.contains(
            "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta,"
        ),
        "{authorization}"
    );
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(header(&signed, "x-amz-content-sha256"), hash);
    let sent = signed.put_into(request);
    assert_eq!(sent.headers["x-amz-date"], "20150830T123600Z");
    assert!(!sent.headers.contains_key("x-amz-security-token"));
    assert_eq!((&sent.headers["x-amz-meta"], sent.headers.len()), (&"stays".parse().unwrap(), 6));
}

/// Hands out keys that hold for a moment, and after the third nothing.
#[derive(Debug)]
struct Brief(AtomicU64);

impl ProvideCredentials for Brief {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let count = self.0.fetch_add(1, Ordering::SeqCst);
        let result: provider::Result = match count {
            0..3 => {
                let expiry = SystemTime::now() + Duration::from_millis(1500);
                Ok(Credentials::new(format!("K{count}"), "s", None, Some(expiry), "test"))
            }
            _ => Err(CredentialsError::not_loaded("the service is away")),
        };
        future::ProvideCredentials::ready(result)
    }
}

#[tokio::test]
async fn keys_are_fetched_again_before_they_run_out_and_not_used_after() {
    let provider = SharedCredentialsProvider::new(Brief(AtomicU64::new(0)));
    let keys = FreshKeys::start(provider).await.unwrap();
    let mut seen: Vec<String> = Vec::new();
    let mut failed = None;
    let began = tokio::time::Instant::now();
    while failed.is_none() && began.elapsed() < Duration::from_secs(20) {
        match keys.now() {
            Ok(keys) => seen.push(keys.access_key_id().to_owned()),
            Err(reason) => failed = Some(reason),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    seen.dedup();
    assert_eq!(seen, ["K0", "K1", "K2"]);
    assert!(failed.unwrap().contains("run out"));
}

#[tokio::test]
async fn no_keys_at_all_is_said_at_once() {
    let provider = SharedCredentialsProvider::new(Brief(AtomicU64::new(9)));
    let error = FreshKeys::start(provider).await.unwrap_err();
    assert!(error.contains("the service is away"), "{error}");
}
