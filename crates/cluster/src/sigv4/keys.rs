//! Keys to sign with, fresh.

use std::time::{Duration, SystemTime};

use aws_config::{Region, default_provider::credentials::DefaultCredentialsChain};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials as _, SharedCredentialsProvider},
};
use settings::Secret;
use tokio::{sync::watch, task::JoinHandle};

use crate::{Retry, Scope, transport::causes};

/// Where the keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    Given {
        id: String,
        secret: Secret,
        /// Of keys that are lent.
        session_token: Option<Secret>,
    },
    /// Looked for as AWS's own tools do: a profile's file, a web identity, the container's and the machine's service.
    Found,
}

/// Keys are fetched again so long before they run out, or when half of their time is over.
const EARLY: Duration = Duration::from_secs(300);
/// Longest wait for one fetch.
const FETCH: Duration = Duration::from_secs(30);

impl Keys {
    /// `AWS_ACCESS_KEY_ID` and its companions where they are set, else [`Keys::Found`].
    pub(crate) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => Self::Given {
                id,
                secret: Secret::new(secret),
                session_token: variable("AWS_SESSION_TOKEN").map(Secret::new),
            },
            _ => Self::Found,
        }
    }

    pub(super) async fn provider(&self, scope: &Scope) -> SharedCredentialsProvider {
        match self {
            Self::Given { id, secret, session_token } => {
                let token = session_token.as_ref().map(|token| token.reveal().to_owned());
                let keys = Credentials::new(id, secret.reveal(), token, None, "given");
                SharedCredentialsProvider::new(keys)
            }
            Self::Found => {
                let region = Region::new(scope.region.clone());
                let chain = DefaultCredentialsChain::builder().region(region).build().await;
                SharedCredentialsProvider::new(chain)
            }
        }
    }
}

/// Keys that a task fetches again before they run out. The task ends with this.
#[derive(Debug)]
pub(super) struct FreshKeys {
    now: watch::Receiver<Credentials>,
    refreshing: JoinHandle<()>,
}

impl FreshKeys {
    /// Fetches the first.
    pub(super) async fn start(provider: SharedCredentialsProvider) -> Result<Self, String> {
        let (sender, now) = watch::channel(fetch(&provider).await?);
        Ok(Self { now, refreshing: tokio::spawn(refresh(provider, sender)) })
    }

    /// `Err` says why there are none that hold.
    pub(super) fn now(&self) -> Result<Credentials, String> {
        let keys = self.now.borrow().clone();
        match keys.expiry() {
            Some(expiry) if expiry <= SystemTime::now() => {
                Err("they have run out and can't be fetched again".into())
            }
            _ => Ok(keys),
        }
    }
}

impl Drop for FreshKeys {
    fn drop(&mut self) {
        self.refreshing.abort();
    }
}

async fn fetch(provider: &SharedCredentialsProvider) -> Result<Credentials, String> {
    match tokio::time::timeout(FETCH, provider.provide_credentials()).await {
        Ok(Ok(keys)) => Ok(keys),
        Ok(Err(error)) => Err(causes(&error)),
        Err(_) => Err(format!("nothing within {FETCH:?}")),
    }
}

async fn refresh(provider: SharedCredentialsProvider, sender: watch::Sender<Credentials>) {
    let retry = Retry {
        first_wait: Duration::from_millis(500),
        longest_wait: Duration::from_secs(30),
        give_up_after: Duration::MAX,
    };
    loop {
        let expiry = sender.borrow().expiry();
        let Some(expiry) = expiry else { return };
        let left = expiry.duration_since(SystemTime::now()).unwrap_or_default();
        // A provider may hand out again what is about to run out: not in a loop without a pause.
        let wait = left.saturating_sub(EARLY.min(left / 2)).max(retry.first_wait);
        tokio::time::sleep(wait).await;
        let mut attempt = 0;
        loop {
            match fetch(&provider).await {
                Ok(keys) => {
                    sender.send_replace(keys);
                    break;
                }
                Err(reason) => {
                    tracing::warn!(reason, attempt, "no new AWS credentials, trying again");
                    tokio::time::sleep(retry.wait(attempt)).await;
                    attempt += 1;
                }
            }
        }
    }
}
