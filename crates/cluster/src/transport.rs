//! The general client: its settings, and what its errors mean.

use std::{error::Error, io, path::Path};

use reqwest::Client;
use rustls::{AlertDescription as Alert, CertificateError};

use crate::{Auth, ClusterError, Identity, Settings};

/// A client for one cluster.
pub(crate) fn build(settings: &Settings) -> Result<Client, ClusterError> {
    let refuse =
        |what: &str| ClusterError::Settings(format!("cluster url `{}`: {what}", settings.url));
    let over_tls = settings.url.starts_with("https://");
    if !over_tls && !settings.url.starts_with("http://") {
        return Err(refuse("begin it with http:// or https://"));
    }
    if settings.auth == Auth::Mtls && settings.identity.is_none() {
        return Err(refuse("`mtls` needs the client's certificate and its key"));
    }
    if settings.identity.is_some() && !over_tls {
        return Err(refuse("a client certificate is shown over https:// only"));
    }
    let mut builder = Client::builder()
        .no_proxy()
        .http1_only()
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.connect_timeout)
        .timeout(settings.request_timeout)
        .pool_max_idle_per_host(settings.idle_connections)
        .tls_danger_accept_invalid_certs(settings.danger_accept_invalid_certs);
    if let Some(path) = &settings.ca {
        let unfit = |e: reqwest::Error| bad_file("certificate authority", path, &causes(&e));
        let pem = read("certificate authority", path)?;
        for certificate in reqwest::Certificate::from_pem_bundle(&pem).map_err(unfit)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    if let Some(identity) = &settings.identity {
        builder = builder.identity(certified(identity)?);
    }
    builder.build().map_err(|error| match (&settings.identity, tls(&error)) {
        (Some(Identity { certificate, .. }), Some(_)) => {
            bad_file("client certificate", certificate, &causes(&error))
        }
        _ => refuse(&causes(&error)),
    })
}

fn certified(identity: &Identity) -> Result<reqwest::Identity, ClusterError> {
    let Identity { certificate, key } = identity;
    let mut pem = read("client certificate", certificate)?;
    pem.push(b'\n');
    pem.extend(read("client key", key)?);
    reqwest::Identity::from_pem(&pem).map_err(|error| {
        let both = format!("with the key {}: {}", key.display(), causes(&error));
        bad_file("client certificate", certificate, &both)
    })
}

fn read(what: &str, path: &Path) -> Result<Vec<u8>, ClusterError> {
    std::fs::read(path).map_err(|error| bad_file(what, path, &error.to_string()))
}

fn bad_file(what: &str, path: &Path, why: &str) -> ClusterError {
    ClusterError::Settings(format!("{what} {}: {why}", path.display()))
}

/// An error of the client as one of ours, for a request to `path`.
pub(crate) fn no_answer(
    error: &reqwest::Error,
    settings: &Known,
    method: &str,
    path: &str,
) -> ClusterError {
    let (url, reason) = (settings.url.clone(), causes(error));
    if let Some(advice) = tls(error).and_then(|error| advice(error, settings.shows_certificate)) {
        return ClusterError::Tls { url, reason, advice };
    }
    if error.is_connect() {
        return ClusterError::Connect { url, reason };
    }
    ClusterError::NoAnswer { url, method: method.to_owned(), path: path.to_owned(), reason }
}

/// What is known of a cluster when an error is told.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) url: String,
    /// We have a certificate to show.
    pub(crate) shows_certificate: bool,
}

/// What to do when one side doesn't accept the other's certificate.
fn advice(error: &rustls::Error, shows_certificate: bool) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some("use a name for it that is in its certificate"),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => Some("renew its certificate, or set this machine's clock right"),
        rustls::Error::InvalidCertificate(_) => {
            Some("give the authority that signed its certificate (the flag that ends in -ca)")
        }
        rustls::Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::DecryptError
            | Alert::AccessDenied
            | Alert::HandshakeFailure,
        ) => Some(if shows_certificate {
            "it doesn't accept the client certificate: give one that its authority signed, and that still holds (the flags that end in -client-cert and -client-key)"
        } else {
            "it asks for a client certificate: give it and its key (the flags that end in -client-cert and -client-key)"
        }),
        _ => None,
    }
}

/// The error of the TLS layer at the bottom of `error`.
fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // What an I/O error is made of is not among its sources.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// An error and what is behind it.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
