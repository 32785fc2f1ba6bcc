//! How brokers are reached: what every client of one journal is told, and the tokens that it shows.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::admin::AdminClient;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};

use super::produce;
use super::properties;
use super::token::Tokens;

/// How long one question waits, at first, before it is seen what librdkafka says meanwhile.
const ROUND: Duration = Duration::from_millis(250);
/// How long other brokers have once one has turned us away.
const OTHERS: Duration = Duration::from_secs(1);

/// What clients that write and read nothing are told.
const OURS: [(&str, &str); 1] = [("client.id", "godwit-probe")];

/// Brokers, what an operator wants librdkafka to be told, and tokens if they are wanted.
#[derive(Clone)]
pub(super) struct Access {
    brokers: String,
    properties: Vec<(String, String)>,
    tokens: Option<Tokens>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Access { brokers, tokens, .. } = self;
        f.debug_struct("Access")
            .field("brokers", brokers)
            .field("tokens", tokens)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// Reads secrets, and fetches the first token; without one, whatever asks brokers says why. Blocks.
    pub(super) fn new(brokers: &str, given: &[(String, String)]) -> Result<Access, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (properties, tokens) = properties::resolve(brokers, given, variable)?;
        let tokens = tokens.map(Tokens::start).transpose()?;
        Ok(Access { brokers: brokers.to_owned(), properties, tokens })
    }

    /// `ours`, and what an operator gave, which wins.
    pub(super) fn config(&self, ours: &[(&str, String)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        for (name, value) in ours {
            config.set(*name, value);
        }
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
    }

    /// What an operator gave for `name`.
    pub(super) fn property(&self, name: &str) -> Option<&str> {
        let last = self.properties.iter().rev().find(|(known, _)| known == name);
        last.map(|(_, value)| value.as_str())
    }

    pub(super) fn tokens(&self) -> Option<&Tokens> {
        self.tokens.as_ref()
    }

    /// What a client says goes here.
    pub(super) fn voice(&self) -> Voice {
        Voice { tokens: self.tokens.clone(), refusal: Mutex::default(), last: Mutex::default() }
    }

    /// A client that asks and writes nothing.
    pub(super) fn probe(&self) -> Result<Probe, String> {
        let mut config = self.config(&OURS.map(|(name, value)| (name, value.to_owned())));
        config.set_log_level(RDKafkaLogLevel::Info);
        let client = BaseProducer::from_config_and_context(&config, self.voice());
        let client = client.map_err(|error| told(&error))?;
        produce::show(client.client(), self.tokens.as_ref())?;
        Ok(Probe(client))
    }

    /// A client that makes topics and reads their settings.
    pub(super) fn admin(&self) -> Result<AdminClient<Voice>, String> {
        let config = self.config(&OURS.map(|(name, value)| (name, value.to_owned())));
        let client = AdminClient::from_config_and_context(&config, self.voice());
        let client = client.map_err(|error| told(&error))?;
        produce::show(client.inner(), self.tokens.as_ref())?;
        Ok(client)
    }
}

/// What is wrong with a configuration, or with something else, without the value: it may be a secret.
pub(super) fn told(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, reason, name, _) => {
            format!("the Kafka property {name}: {reason}")
        }
        other => other.to_string(),
    }
}

/// Asks brokers, and hears why they don't answer.
pub(super) struct Probe(BaseProducer<Voice>);

impl Probe {
    /// What there is in the cluster. `Err` comes early when a broker turns us away.
    pub(super) fn metadata(&self, patience: Duration) -> Result<Metadata, String> {
        let until = Instant::now() + patience;
        let mut round = ROUND;
        let mut refused: Option<Instant> = None;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // All topics: to ask for one would make it, with as many partitions as the broker likes.
            let error = match self.0.client().fetch_metadata(None, round.min(left)) {
                Ok(metadata) => return Ok(metadata),
                Err(error) => error,
            };
            self.0.poll(Duration::from_millis(5));
            let voice = self.0.context();
            if let Some(reason) = voice.refusal.lock().clone() {
                let since = *refused.get_or_insert_with(Instant::now);
                if since.elapsed() >= OTHERS || Instant::now() >= until {
                    return Err(format!(
                        "the brokers turn us away: {reason}; see docs/capture-proxy.md, Kafka with TLS and passwords"
                    ));
                }
            }
            if Instant::now() >= until {
                let reason = voice.last.lock().take().unwrap_or_else(|| error.to_string());
                return Err(format!(
                    "no broker answered within {patience:?}: {reason}; is the address right, and security.protocol?"
                ));
            }
            round = (round * 2).min(patience);
            if refused.is_some() {
                round = ROUND;
            }
        }
    }

    /// Waits a little for what librdkafka has to say.
    pub(super) fn pause(&self) {
        self.0.poll(Duration::from_millis(50));
    }
}

/// Hears what librdkafka says to a client, and gives it tokens.
#[derive(Debug)]
pub(super) struct Voice {
    tokens: Option<Tokens>,
    /// Why a broker turned us away, which doesn't pass by itself.
    refusal: Mutex<Option<String>>,
    last: Mutex<Option<String>>,
}

impl Voice {
    /// What was said last about brokers that turn us away.
    pub(super) fn refusal(&self) -> Option<String> {
        self.refusal.lock().clone()
    }

    pub(super) fn has_tokens(&self) -> bool {
        self.tokens.is_some()
    }
}

/// Whether it is about who we are. A certificate that is missing is said by an alert behind the handshake of TLS 1.3, and that
/// comes as an error of the connection.
fn is_refusal(error: &KafkaError, reason: &str) -> bool {
    let code = error.rdkafka_error_code();
    matches!(
        code,
        Some(
            RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SSL
                | RDKafkaErrorCode::SaslAuthenticationFailed
        )
    ) || (reason.contains("SSL routines") && reason.contains("alert"))
}

impl ClientContext for Voice {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(?level, facility, "{line}");
        // A connection that is closed is no error to librdkafka, but it may know why.
        if facility == "FAIL" {
            *self.last.lock() = Some(line.to_owned());
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka has trouble");
        let place = if is_refusal(&error, reason) { &self.refusal } else { &self.last };
        let mut place = place.lock();
        // That all are down follows from what was said of each.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) || place.is_none() {
            *place = Some(reason.to_owned());
        }
    }

    fn generate_oauth_token(
        &self,
        _: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let tokens = self
            .tokens
            .as_ref()
            .ok_or("give sasl.mechanism=AWS_MSK_IAM, or sasl.oauthbearer.token-file=PATH")?;
        let token = tokens.now()?;
        let lifetime_ms = token.until_milliseconds();
        Ok(OAuthToken { token: token.text, principal_name: PRINCIPAL.into(), lifetime_ms })
    }
}

impl ProducerContext for Voice {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &rdkafka::message::DeliveryResult<'_>, _: ()) {}
}

/// Whose tokens are: the brokers take it from the token itself.
pub(super) const PRINCIPAL: &str = "godwit";
