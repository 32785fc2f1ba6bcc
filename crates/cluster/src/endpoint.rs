//! Where a cluster is and how to talk to it.

use std::{path::PathBuf, time::Duration};

use settings::Secret;

use crate::{ClusterError, Retry};

/// How requests to a cluster are authenticated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    #[default]
    None,
    Basic {
        user: String,
        password: Secret,
    },
    /// The encoded form, as the cluster hands it out (`base64(id:key)`).
    ApiKey(Secret),
}

impl Auth {
    /// Parses `none`, `basic:USER` or `api-key`; the secret comes from a file or the environment, never from
    /// the text itself, because command lines are visible to others.
    pub fn parse(text: &str, secret: Option<Secret>) -> Result<Self, ClusterError> {
        let refuse =
            |what: &str| ClusterError::Settings(format!("authentication `{text}`: {what}"));
        let secret =
            secret.ok_or_else(|| refuse("the secret is missing; give its file or variable"));
        match text {
            "none" => Ok(Self::None),
            "api-key" => Ok(Self::ApiKey(secret?)),
            _ => match text.strip_prefix("basic:") {
                Some(user) if !user.is_empty() => {
                    Ok(Self::Basic { user: user.to_owned(), password: secret? })
                }
                _ => Err(refuse("expected `none`, `basic:USER` or `api-key`")),
            },
        }
    }
}

/// One cluster's address, credentials and bounds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `http://host:9200` or `https://…`, optionally with a path prefix.
    pub url: String,
    pub auth: Auth,
    /// PEM file of a certificate authority to trust besides the system's.
    pub ca: Option<PathBuf>,
    pub danger_accept_invalid_certs: bool,
    pub connect_timeout: Duration,
    /// From the first byte sent to the last byte read.
    pub request_timeout: Duration,
    /// For the calls that the client makes on its own behalf (sniff, `_mget`, sweeps, definitions).
    pub retry: Retry,
    /// Idle connections kept; connections in use are bounded by the caller.
    pub idle_connections: usize,
    /// How long a connection that has nothing to do is kept (by a [`crate::Pool`]).
    pub idle_timeout: Duration,
    /// Longest answer that is read; a longer one is an error.
    pub response_limit: usize,
}

impl Settings {
    /// The defaults for `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            auth: Auth::None,
            ca: None,
            danger_accept_invalid_certs: false,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(150),
            retry: Retry::for_at_most(Duration::from_secs(60)),
            idle_connections: 64,
            idle_timeout: Duration::from_secs(30),
            response_limit: 1 << 30,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authentication_is_parsed_and_secrets_are_not_printed() {
        assert_eq!(Auth::parse("none", None).unwrap(), Auth::None);
        let basic = Auth::parse("basic:ann", Some(Secret::new("xyzzy"))).unwrap();
        assert!(!format!("{basic:?}").contains("xyzzy"));
        assert!(Auth::parse("basic:ann", None).is_err());
        assert!(Auth::parse("basic:", Some(Secret::new("x"))).is_err());
        assert!(Auth::parse("kerberos", Some(Secret::new("x"))).is_err());
    }
}
