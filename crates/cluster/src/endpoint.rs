//! Where a cluster is and how to talk to it.

use std::{path::PathBuf, time::Duration};

use settings::Secret;

use crate::{ClusterError, Keys, Retry, Scope};

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
    /// Each request is signed, AWS Signature Version 4.
    SigV4 {
        scope: Scope,
        keys: Keys,
    },
    /// By the certificate of [`Settings::identity`] alone.
    Mtls,
}

impl Auth {
    /// Parses `none`, `basic:USER`, `api-key`, `sigv4:SERVICE[:REGION]` or `mtls`; secrets come from a file or from a
    /// `variable` of the environment, never from the text itself, because command lines are visible to others.
    ///
    /// # Errors
    /// What isn't understood, or is missing.
    pub fn parse(
        text: &str,
        secret: Option<Secret>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ClusterError> {
        let refuse =
            |what: &str| ClusterError::Settings(format!("authentication `{text}`: {what}"));
        let secret =
            secret.ok_or_else(|| refuse("the secret is missing; give its file or variable"));
        let (kind, rest) = match text.split_once(':') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (text, None),
        };
        match (kind, rest) {
            ("none", None) => Ok(Self::None),
            ("mtls", None) => Ok(Self::Mtls),
            ("api-key", None) => Ok(Self::ApiKey(secret?)),
            ("basic", Some(user)) if !user.is_empty() => {
                Ok(Self::Basic { user: user.to_owned(), password: secret? })
            }
            ("sigv4", Some(rest)) => Ok(Self::SigV4 {
                scope: Scope::parse(rest, &variable).map_err(|what| refuse(&what))?,
                keys: Keys::from_variables(&variable),
            }),
            _ => Err(refuse(
                "expected `none`, `basic:USER`, `api-key`, `sigv4:SERVICE[:REGION]` or `mtls`",
            )),
        }
    }
}

/// A certificate that says who we are, and its key; both PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The client's certificate, and those between it and the authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// One cluster's address, credentials and bounds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `http://host:9200` or `https://…`, optionally with a path prefix.
    pub url: String,
    pub auth: Auth,
    /// PEM file of a certificate authority to trust besides the system's.
    pub ca: Option<PathBuf>,
    /// Shown to a cluster that asks for a certificate, whatever `auth` is.
    pub identity: Option<Identity>,
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
            identity: None,
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
        let variables = [
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", "xyzzy"),
        ];
        let variable =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let parse = |text: &str| Auth::parse(text, Some(Secret::new("xyzzy")), variable);
        assert_eq!(Auth::parse("none", None, variable).unwrap(), Auth::None);
        assert_eq!(Auth::parse("mtls", None, variable).unwrap(), Auth::Mtls);
        for (text, shows) in [
            ("basic:ann", "ann"),
            ("api-key", "ApiKey"),
            ("sigv4:es", "eu-west-1"),
            ("sigv4:aoss:us-east-2", "us-east-2"),
        ] {
            let shown = format!("{:?}", parse(text).unwrap());
            assert!(!shown.contains("xyzzy") && shown.contains(shows), "{shown}");
        }
        assert!(Auth::parse("basic:ann", None, variable).is_err());
        for text in ["basic:", "none:", "kerberos", "sigv4", "sigv4:", "sigv4:s3", "mtls:x"] {
            assert!(parse(text).is_err(), "{text}");
        }
        let error = Auth::parse("sigv4:es", None, |_| None).unwrap_err().to_string();
        assert!(error.contains("AWS_REGION"), "{error}");
    }
}
