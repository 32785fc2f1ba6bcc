//! Properties of the Kafka client as an operator gives them, for every program that opens a topic.
//!
//! All of librdkafka's, and four of ours:
//!
//! | property | |
//! |---|---|
//! | `NAME-file=PATH` | the value of `NAME` is the first line of that file |
//! | `sasl.mechanism=AWS_MSK_IAM` | tokens for Amazon MSK, made of AWS's own credentials |
//! | `aws.region=REGION` | for these, where the brokers' names don't say it |
//! | `sasl.oauthbearer.token-file=PATH` | a file with a token that somebody else renews |

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The variable that has `sasl.password` when no property does.
const SECRET: &str = "GODWIT_KAFKA_SECRET";
/// What stands at the end of a property's name whose value is in a file.
const IN_FILE: &str = "-file";
const TOKEN_FILE: &str = "sasl.oauthbearer.token-file";
const REGION: &str = "aws.region";
const MECHANISM: &str = "sasl.mechanism";
const MSK: &str = "AWS_MSK_IAM";

/// What of a name says that its value is nobody's business.
const SECRETS: [&str; 5] = ["password", "secret", "token", "jaas", "pem"];

/// `NAME=VALUE` pairs. Values that are secret show as `***`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaProperties(Vec<(String, String)>);

/// What is wrong with a property; its value isn't shown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a Kafka property is NAME=VALUE, as in compression.type=lz4; `{0}…` is none")]
pub struct WrongProperty(String);

impl KafkaProperties {
    /// Parses what a flag or a file gives.
    ///
    /// # Errors
    /// [`WrongProperty`] with the beginning of it.
    pub fn parse<T: AsRef<str>>(
        texts: impl IntoIterator<Item = T>,
    ) -> Result<KafkaProperties, WrongProperty> {
        let pair = |text: T| {
            let text = text.as_ref();
            let pair = text.split_once('=').filter(|(name, _)| !name.trim().is_empty());
            let pair = pair.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
            pair.ok_or_else(|| {
                let is_named = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '.';
                WrongProperty(text.chars().take_while(is_named).take(40).collect())
            })
        };
        Ok(KafkaProperties(texts.into_iter().map(pair).collect::<Result<_, _>>()?))
    }
}

impl From<Vec<(String, String)>> for KafkaProperties {
    fn from(pairs: Vec<(String, String)>) -> KafkaProperties {
        KafkaProperties(pairs)
    }
}

impl Deref for KafkaProperties {
    type Target = [(String, String)];

    fn deref(&self) -> &[(String, String)] {
        &self.0
    }
}

impl fmt::Debug for KafkaProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| {
            let hidden = is_secret(name) && !name.ends_with(IN_FILE);
            (name, if hidden { "***" } else { value.as_str() })
        });
        f.debug_map().entries(shown).finish()
    }
}

fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|word| name.contains(word))
}

/// Where tokens come from, for clients that show some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokensOf {
    Msk { region: String },
    File(PathBuf),
}

/// What librdkafka is told, and where tokens come from.
pub(super) type Resolved = (Vec<(String, String)>, Option<TokensOf>);

/// Takes secrets out of their files.
pub(super) fn resolve(
    brokers: &str,
    properties: &[(String, String)],
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Resolved, String> {
    let last = |wanted: &str| properties.iter().rev().find(|(name, _)| name == wanted);
    let value = |wanted: &str| last(wanted).map(|(_, value)| value.as_str());
    let mechanism = value(MECHANISM).or(value("sasl.mechanisms"));
    let is_msk = mechanism == Some(MSK);
    let tokens = match value(TOKEN_FILE) {
        Some(_) if is_msk => {
            return Err(format!(
                "{TOKEN_FILE} and {MECHANISM}={MSK} are two ways to get tokens: give one"
            ));
        }
        Some(path) => Some(TokensOf::File(path.into())),
        None if is_msk => {
            Some(TokensOf::Msk { region: region(brokers, value(REGION), &variable)? })
        }
        None => None,
    };
    let mut told: Vec<(String, String)> = Vec::new();
    let mut tell = |name: &str, value: &str| told.push((name.to_owned(), value.to_owned()));
    if tokens.is_some() {
        tell(MECHANISM, "OAUTHBEARER");
        tell("security.protocol", "SASL_SSL");
    }
    for (name, value) in properties {
        match (name.as_str(), name.strip_suffix(IN_FILE)) {
            (REGION | TOKEN_FILE, _) => {}
            (MECHANISM | "sasl.mechanisms", _) if tokens.is_some() => {}
            (_, Some(of)) => tell(
                of,
                &first_line(Path::new(value))
                    .map_err(|error| format!("{name}={value}: {error}"))?,
            ),
            (name, None) => tell(name, value),
        }
    }
    let needs_password = mechanism.is_some_and(|how| how == "PLAIN" || how.starts_with("SCRAM-"));
    if needs_password && !told.iter().any(|(name, _)| name == "sasl.password") {
        let secret = variable(SECRET).ok_or_else(|| {
            format!("a password is missing: give its file, sasl.password-file=PATH, or the variable {SECRET}")
        })?;
        told.push(("sasl.password".to_owned(), secret));
    }
    Ok((told, tokens))
}

fn first_line(path: &Path) -> std::io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Of MSK's brokers, which have it in their names: `b-1.name.id.c2.kafka.eu-west-1.amazonaws.com`.
fn region(
    brokers: &str,
    given: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let of_name = || {
        let (host, _) = brokers.split(',').next()?.rsplit_once(':')?;
        let of_kafka = host.split_once(".kafka.").or(host.split_once(".kafka-serverless."))?.1;
        let (region, rest) = of_kafka.split_once('.')?;
        rest.starts_with("amazonaws.com").then(|| region.to_owned())
    };
    let region = given.map(str::to_owned).or_else(of_name).or_else(|| variable("AWS_REGION"));
    let is_region = |text: &String| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    region.filter(is_region).ok_or_else(|| {
        format!("{MECHANISM}={MSK} needs a region, which the brokers' names don't say: give {REGION}=REGION, or AWS_REGION")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(texts: &[&str]) -> KafkaProperties {
        KafkaProperties::parse(texts).unwrap()
    }

    fn no_variable(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn secrets_are_not_shown() {
        let all = pairs(&[
            "acks=all",
            "sasl.password=hunter2",
            "ssl.key.password=hunter2",
            "ssl.key.pem=hunter2",
            "sasl.password-file=/run/secrets/kafka",
        ]);
        let shown = format!("{all:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("all") && shown.contains("/run/secrets/kafka"), "{shown}");
        let wrong = KafkaProperties::parse(["sasl.password:hunter2"]).unwrap_err().to_string();
        assert!(wrong.contains("`sasl.password…`") && !wrong.contains("hunter2"), "{wrong}");
        assert!(KafkaProperties::parse(["=x"]).is_err());
    }

    #[test]
    fn a_secret_is_in_a_file_or_a_variable() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "hunter2\n").unwrap();
        let plain = ["sasl.mechanism=PLAIN", "sasl.username=u"];
        let named = format!("sasl.password-file={}", file.display());
        let (told, tokens) =
            resolve("b:1", &pairs(&[plain[0], plain[1], &named]), no_variable).unwrap();
        assert_eq!((told.last().unwrap().1.as_str(), tokens), ("hunter2", None));
        let variable = |name: &str| (name == SECRET).then(|| "of a variable".to_owned());
        let (told, _) = resolve("b:1", &pairs(&plain), variable).unwrap();
        assert_eq!(told.last().unwrap(), &("sasl.password".into(), "of a variable".into()));

        let none = resolve("b:1", &pairs(&plain), no_variable).unwrap_err();
        assert!(none.contains("sasl.password-file=PATH"), "{none}");
        let gone = resolve("b:1", &pairs(&["ssl.key.password-file=/no/such"]), no_variable);
        assert!(gone.unwrap_err().contains("/no/such"), "it names the file");
    }

    #[test]
    fn msk_is_known_by_its_brokers_names() {
        let msk = pairs(&["sasl.mechanism=AWS_MSK_IAM"]);
        let region = |brokers: &str, more: &[&str]| {
            let all: Vec<_> = msk.iter().chain(pairs(more).iter()).cloned().collect();
            let (told, tokens) = resolve(brokers, &all, no_variable)?;
            assert_eq!(told[0], ("sasl.mechanism".into(), "OAUTHBEARER".into()));
            assert_eq!(told[1], ("security.protocol".into(), "SASL_SSL".into()));
            let Some(TokensOf::Msk { region }) = tokens else { panic!("{tokens:?}") };
            Ok::<_, String>(region)
        };
        let broker = "b-1.traffic.x1y2z3.c2.kafka.eu-west-1.amazonaws.com:9098";
        assert_eq!(region(broker, &[]).unwrap(), "eu-west-1");
        let serverless = "boot-abc.c1.kafka-serverless.us-east-2.amazonaws.com:9098";
        assert_eq!(region(serverless, &[]).unwrap(), "us-east-2");
        assert_eq!(region("kafka.internal:9098", &["aws.region=us-west-2"]).unwrap(), "us-west-2");
        assert!(region("kafka.internal:9098", &[]).unwrap_err().contains("aws.region=REGION"));
        let both = [&msk[..], &pairs(&["sasl.oauthbearer.token-file=/t"])[..]].concat();
        assert!(resolve(broker, &both, no_variable).is_err());
    }
}
