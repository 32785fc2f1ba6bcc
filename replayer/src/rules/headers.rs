//! Headers of each request that goes to the target.

use cluster::{HeaderName, HeaderValue, Request};
use converge::Exchange;

/// Whose name a request's `Host` has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Host {
    /// The target's, as its url has it.
    #[default]
    Target,
    /// The one that the client sent.
    Source,
    Named(HeaderValue),
}

/// What is changed in the headers of each request.
#[derive(Clone, Debug, Default)]
pub struct HeaderChanges {
    pub host: Host,
    /// Appended to the client's own.
    pub user_agent: Option<String>,
    /// Taken out, before others are set.
    pub removed: Vec<HeaderName>,
    /// In the client's place.
    pub set: Vec<(HeaderName, HeaderValue)>,
}

/// What the connection itself says, and no header of a request may.
const OF_THE_CONNECTION: [&str; 8] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "content-encoding",
];

impl HeaderChanges {
    /// Reads a name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn name(text: &str) -> Result<HeaderName, String> {
        let name = HeaderName::from_bytes(text.trim().as_bytes());
        let name = name.map_err(|_| "no header's name".to_owned())?;
        match OF_THE_CONNECTION.contains(&name.as_str()) {
            true => Err("it is the connection's own".into()),
            false => Ok(name),
        }
    }

    /// Reads `NAME: VALUE`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn pair(text: &str) -> Result<(HeaderName, HeaderValue), String> {
        let (name, value) = text.split_once(':').ok_or("write it NAME: VALUE")?;
        let value = HeaderValue::from_str(value.trim());
        Ok((Self::name(name)?, value.map_err(|_| "a value that can't be sent".to_owned())?))
    }

    pub(super) fn apply(&self, request: &mut Request, exchange: Option<&Exchange>) {
        let host = match &self.host {
            Host::Target => None,
            Host::Named(name) => Some(name.clone()),
            Host::Source => exchange.and_then(|exchange| {
                let mut headers = exchange.headers.iter();
                let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case(b"host"))?;
                HeaderValue::from_bytes(value).ok()
            }),
        };
        if let Some(host) = host {
            request.headers.insert("host", host);
        }
        for name in &self.removed {
            request.headers.remove(name);
        }
        for (name, value) in &self.set {
            request.headers.insert(name, value.clone());
        }
        if let Some(suffix) = &self.user_agent {
            let own = request.headers.get("user-agent").and_then(|value| value.to_str().ok());
            let agent = match own {
                Some(own) => format!("{own}; {suffix}"),
                None => suffix.clone(),
            };
            if let Ok(agent) = HeaderValue::from_str(&agent) {
                request.headers.insert("user-agent", agent);
            }
        }
    }
}
