//! Tokens that clients show to brokers (SASL/OAUTHBEARER), fetched by a thread before they run out.
//!
//! librdkafka asks for one from within a call that polls, and must not be kept waiting: what it gets is what the thread
//! fetched last. A token that can't be renewed stays as it is and is asked for again and again; brokers say when it is over.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::watch;

use super::msk::Signer;
use super::properties::TokensOf;

/// How long the first may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between attempts to get another.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// For a token that doesn't say when it ends.
const UNKNOWN_LIFE: Duration = Duration::from_secs(900);

/// What is shown to a broker.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) until: SystemTime,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Token {
    /// When it ends, as librdkafka counts.
    pub(super) fn until_milliseconds(&self) -> i64 {
        self.until.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
    }

    /// When a fifth of its life is left.
    fn wait(&self) -> Duration {
        let left = self.until.duration_since(SystemTime::now()).unwrap_or_default();
        (left / 5 * 4).max(FIRST_WAIT)
    }
}

/// The token of the moment, or why there is none. Clones are of one thread, which ends with the last of them.
#[derive(Debug, Clone)]
pub(super) struct Tokens(watch::Receiver<Result<Token, String>>);

impl Tokens {
    /// Begins to fetch them. Blocks until there is one, or it is known why not.
    pub(super) fn start(of: TokensOf) -> Result<Tokens, String> {
        let (sender, tokens) = watch::channel(Err(format!("no token came within {PATIENCE:?}")));
        let (tried, first) = mpsc::sync_channel(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let thread = std::thread::Builder::new().name("kafka-token".into());
        thread
            .spawn(move || runtime.block_on(renew(of, &sender, &tried)))
            .map_err(|error| error.to_string())?;
        // Whether it came or not: the receiver knows.
        let _ = first.recv_timeout(PATIENCE);
        Ok(Tokens(tokens))
    }

    pub(super) fn now(&self) -> Result<Token, String> {
        self.0.borrow().clone()
    }

    /// The token, if it is another than the last that this clone was asked for.
    pub(super) fn newer(&mut self) -> Option<Token> {
        let is_newer = self.0.has_changed().unwrap_or(false);
        is_newer.then(|| self.0.borrow_and_update().clone().ok()).flatten()
    }
}

/// The thread.
async fn renew(
    of: TokensOf,
    tokens: &watch::Sender<Result<Token, String>>,
    tried: &mpsc::SyncSender<()>,
) {
    let source = match of {
        TokensOf::Msk { region } => Source::Msk(Signer::new(&region).await),
        TokensOf::File(path) => Source::File(path),
    };
    let mut wait = FIRST_WAIT;
    loop {
        match source.token().await {
            Ok(next) => {
                wait = FIRST_WAIT;
                // A file may be read before there is another in it.
                tokens.send_if_modified(|token| {
                    let is_another = token.as_ref() != Ok(&next);
                    *token = Ok(next);
                    is_another
                });
            }
            Err(error) => {
                tracing::warn!(error, "no new token for Kafka; trying again");
                wait = (wait * 2).min(LONGEST_WAIT);
                // One that there is stays.
                tokens.send_if_modified(|token| {
                    let is_none = token.is_err();
                    if is_none {
                        *token = Err(error);
                    }
                    is_none
                });
            }
        }
        let _ = tried.try_send(());
        let pause = tokens.borrow().as_ref().map_or(wait, |token| token.wait().max(wait));
        tokio::select! {
            () = tokens.closed() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[derive(Debug)]
enum Source {
    Msk(Signer),
    File(PathBuf),
}

impl Source {
    async fn token(&self) -> Result<Token, String> {
        match self {
            Source::Msk(signer) => signer.token().await,
            Source::File(path) => read(path),
        }
    }
}

fn read(path: &Path) -> Result<Token, String> {
    let failed = |why: &dyn fmt::Display| format!("the token in {}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let text = text.trim().to_owned();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_plain) {
        return Err(failed(&"it is none: letters, digits, `-._~+/` and `=` at its end"));
    }
    let until = end_of(&text).unwrap_or_else(|| SystemTime::now() + UNKNOWN_LIFE);
    match until > SystemTime::now() {
        true => Ok(Token { text, until }),
        false => Err(failed(&"it has run out")),
    }
}

/// When a token ends that says so, as a JWT does.
fn end_of(token: &str) -> Option<SystemTime> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    let seconds = claims.get("exp")?.as_f64().filter(|seconds| (0.0..1e12).contains(seconds))?;
    Some(UNIX_EPOCH + Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(seconds: u64) -> String {
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let (head, claims) = (r#"{"alg":"none"}"#.to_owned(), format!(r#"{{"exp":{seconds}}}"#));
        format!("{}.{}.", part(head), part(claims))
    }

    #[test]
    fn a_token_says_when_it_ends() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("token");
        let of = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read(&file)
        };
        let token = of(&format!("{}\n", jwt(4_000_000_000))).unwrap();
        assert_eq!(
            (token.text.as_str(), token.until_milliseconds()),
            (&*jwt(4_000_000_000), 4_000_000_000_000)
        );
        assert!(of(&jwt(1_000_000_000)).unwrap_err().contains("it has run out"));
        let opaque = of("abc").unwrap();
        assert!(opaque.wait() < UNKNOWN_LIFE && opaque.wait() > UNKNOWN_LIFE / 2);
        assert!(of("a b").is_err() && of("").is_err());
        std::fs::remove_file(&file).unwrap();
        let gone = Tokens::start(TokensOf::File(file.clone())).unwrap().now().unwrap_err();
        assert!(gone.contains("/token: "), "{gone}");
        assert!(!format!("{token:?}").contains(&jwt(4_000_000_000)), "{token:?}");
    }

    #[tokio::test]
    async fn a_token_is_renewed_before_it_ends() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("token");
        let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3;
        std::fs::write(&file, jwt(soon)).unwrap();
        let of = TokensOf::File(file.clone());
        let starting = tokio::task::spawn_blocking(move || Tokens::start(of)).await.unwrap();
        let mut tokens = starting.unwrap();
        assert_eq!(
            (tokens.now().unwrap().text, tokens.newer().unwrap().text),
            (jwt(soon), jwt(soon))
        );
        assert_eq!(tokens.newer(), None);
        std::fs::write(&file, jwt(soon + 1000)).unwrap();
        tokio::time::timeout(Duration::from_secs(60), tokens.0.changed()).await.unwrap().unwrap();
        assert_eq!(tokens.now().unwrap().text, jwt(soon + 1000));
    }
}
