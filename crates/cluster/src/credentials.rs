//! What a request says of who sends it.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Url, header::HeaderValue};

use crate::{Auth, ClusterError, Settings, sigv4::Signer};

/// How the requests to one cluster are authenticated. Cheap to clone; all clones share the keys.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// None, or what the connection has shown.
    None,
    /// The same `Authorization` on each.
    Header(HeaderValue),
    Signer(Arc<Signer>),
}

impl Credentials {
    pub(crate) async fn of(settings: &Settings) -> Result<Self, ClusterError> {
        let text = match &settings.auth {
            Auth::None | Auth::Mtls => return Ok(Self::None),
            Auth::Basic { user, password } => {
                format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal())))
            }
            Auth::ApiKey(key) => format!("ApiKey {}", key.reveal()),
            Auth::SigV4 { scope, keys } => {
                let url = parse(&settings.url)?;
                // Large, and only here: all that look for keys are in it.
                let signer = Box::pin(Signer::start(&url, scope.clone(), keys)).await?;
                return Ok(Self::Signer(Arc::new(signer)));
            }
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            ClusterError::Settings("the api key holds characters no header may hold".into())
        })?;
        value.set_sensitive(true);
        Ok(Self::Header(value))
    }
}

/// A cluster's url.
pub(crate) fn parse(url: &str) -> Result<Url, ClusterError> {
    Url::parse(url).map_err(|error| ClusterError::Settings(format!("cluster url `{url}`: {error}")))
}

/// As a request's `Host` has it.
pub(crate) fn host(url: &Url) -> String {
    match (url.host_str().unwrap_or_default(), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    }
}
