//! Tokens for Amazon MSK's IAM access control, of the published form that AWS's own signers have: the address of a signed
//! request that is never sent.
//!
//! ```text
//! https://kafka.REGION.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-…&X-Amz-Signature=…&User-Agent=…
//!                                                                                  └─ base64url, no padding ─▶ token
//! ```

use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::token::Token;

/// What such a token is good for; AWS's signers give no other.
const LIFE: Duration = Duration::from_secs(900);
const SERVICE: &str = "kafka-cluster";
/// The action, percent-encoded.
const ACTION: &str = "kafka-cluster%3AConnect";
const USER_AGENT: &str = concat!("godwit%2F", env!("CARGO_PKG_VERSION"));

/// Makes tokens with the credentials that AWS's own tools would find here: variables, a profile, a web identity, the
/// container's and the machine's service.
#[derive(Debug)]
pub(super) struct Signer {
    region: String,
    keys: SharedCredentialsProvider,
}

impl Signer {
    pub(super) async fn new(region: &str) -> Signer {
        let chain = DefaultCredentialsChain::builder().region(Region::new(region.to_owned()));
        let keys = SharedCredentialsProvider::new(chain.build().await);
        Signer { region: region.to_owned(), keys }
    }

    /// A token from now on.
    pub(super) async fn token(&self) -> Result<Token, String> {
        let keys = self.keys.provide_credentials().await;
        let keys = keys.map_err(|error| format!("no AWS credentials: {}", causes(&error)))?;
        token(&self.region, &keys, SystemTime::now())
    }
}

/// What is wrong, down to its cause.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

fn token(region: &str, keys: &Credentials, time: SystemTime) -> Result<Token, String> {
    let address = signed(region, keys, time)?;
    let text = URL_SAFE_NO_PAD.encode(format!("{address}&User-Agent={USER_AGENT}"));
    let end = time + LIFE;
    // Signed with keys that run out earlier, it does too.
    Ok(Token { text, until: keys.expiry().map_or(end, |expiry| expiry.min(end)) })
}

/// The request's address, signed.
fn signed(region: &str, keys: &Credentials, time: SystemTime) -> Result<String, String> {
    let failed = |error: &dyn Error| format!("no token could be signed: {}", causes(error));
    let host = format!("kafka.{region}.amazonaws.com");
    let mut address = format!("https://{host}/?Action={ACTION}");
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFE);
    let identity = keys.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(time)
        .settings(settings)
        .build()
        .map_err(|error| failed(&error))?;
    let headers = [("host", host.as_str())];
    let request = SignableRequest::new(
        "GET",
        address.as_str(),
        headers.into_iter(),
        SignableBody::Bytes(&[]),
    );
    let request = request.map_err(|error| failed(&error))?;
    let made = sign(request, &params.into()).map_err(|error| failed(&error))?;
    let (instructions, _) = made.into_parts();
    for (name, value) in instructions.params() {
        address.push_str(&format!("&{name}={}", encoded(value)));
    }
    Ok(address)
}

/// Percent-encoded as it was signed.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys(session: Option<&str>, expiry: Option<SystemTime>) -> Credentials {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        Credentials::new("AKIDEXAMPLE", secret, session.map(str::to_owned), expiry, "test")
    }

    /// 2023-11-14T22:13:20Z
    fn time() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn address(token: &Token) -> String {
        String::from_utf8(URL_SAFE_NO_PAD.decode(&token.text).unwrap()).unwrap()
    }

    /// The signatures are those that an implementation in another language made of the same input; it is published with
    /// the tests of vectordotdev/vector's Kafka source.
    #[test]
    fn a_token_is_the_published_one() {
        let common = "Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256\
            &X-Amz-Credential=AKIDEXAMPLE%2F20231114%2Fap-southeast-1%2Fkafka-cluster%2Faws4_request\
            &X-Amz-Date=20231114T221320Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host";
        for (session, rest) in [
            (
                None,
                "X-Amz-Signature=12f697bba1fe524b7e9f370e2c56075ea612d9d4d2c7f16c402ffc72520fce5e",
            ),
            (
                Some("IQoJb3Jp"),
                "X-Amz-Security-Token=IQoJb3Jp\
                &X-Amz-Signature=4c02acd7700d674cecd2b27f6a906be056df725db5c7571700fd54a354a31904",
            ),
        ] {
            let made = token("ap-southeast-1", &keys(session, None), time()).unwrap();
            assert_eq!(made.until, time() + LIFE);
            let address = address(&made);
            let (host, query) = address.split_once("/?").unwrap();
            assert_eq!(host, "https://kafka.ap-southeast-1.amazonaws.com");
            let agent = format!("User-Agent={USER_AGENT}");
            // In which order they come says nothing: the broker puts them in its own.
            let expected: BTreeSet<&str> =
                common.split('&').chain(rest.split('&')).chain([agent.as_str()]).collect();
            assert_eq!(query.split('&').collect::<BTreeSet<_>>(), expected);
            assert!(query.ends_with(&agent));
        }
    }

    #[test]
    fn a_token_lives_no_longer_than_its_keys() {
        let soon = time() + Duration::from_secs(60);
        let made = token("eu-west-1", &keys(Some("a/b+c=="), Some(soon)), time()).unwrap();
        assert_eq!(made.until, soon);
        assert!(address(&made).contains("&X-Amz-Security-Token=a%2Fb%2Bc%3D%3D&"));
    }
}
