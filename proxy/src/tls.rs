//! TLS on both sides: what is made of certificates, keys and authorities, and what of them is refused.
//!
//! Of a [`Watched`](crate::watched::Watched) file a whole configuration is made, so that certificate, key and authority
//! change together; a connection keeps the one that it began with.

mod listener;
mod source;

pub(crate) use listener::{Listening, listening};
pub(crate) use source::{Reaching, reaching};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::watched::FileError;

/// Whether clients have to show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    Required,
    /// One that is shown has to be of the authority.
    Optional,
}

/// TLS on the listener; PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Whose certificates clients show, if they have to.
    pub clients: Option<(PathBuf, ClientAuth)>,
}

/// TLS towards the source; PEM files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceTls {
    /// Whose certificate the source has; `None`: of an authority that this host trusts.
    pub ca: Option<PathBuf>,
    /// The proxy's own certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name in the source's certificate, if it isn't the host of its address.
    pub server_name: Option<String>,
    /// Any certificate will do: whoever is in between reads and writes all.
    pub danger_accept_invalid_certs: bool,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| FileError::new(file, &error))?;
    match found.is_empty() {
        true => Err(FileError::new(file, &"no certificate is in it; it should be PEM")),
        false => Ok(found),
    }
}

fn key(file: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, FileError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        let reason = format!("no private key: {error}; it should be PEM, without a password");
        FileError::new(file, &reason)
    })
}

fn authorities(file: &Path, pem: &[u8]) -> Result<RootCertStore, FileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, pem)? {
        roots.add(certificate).map_err(|error| FileError::new(file, &error))?;
    }
    Ok(roots)
}

/// Whether a certificate is in date. One that isn't is taken when the proxy starts, since the alternative is no service at
/// all, and is refused later, when the alternative is the one that is there.
struct Dates(AtomicBool);

impl Dates {
    fn at_start() -> Dates {
        Dates(AtomicBool::new(true))
    }

    /// Until when the first of `chain` is valid, in seconds since 1970.
    fn check(&self, file: &Path, chain: &[CertificateDer<'_>]) -> Result<i64, FileError> {
        let first = chain.first().map(AsRef::as_ref).unwrap_or_default();
        let (_, parsed) =
            X509Certificate::from_der(first).map_err(|error| FileError::new(file, &error))?;
        let validity = parsed.validity();
        let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        let starts = self.0.swap(false, Ordering::Relaxed);
        if (from..=until).contains(&Timestamp::now().as_second()) {
            return Ok(until);
        }
        let reason = format!("valid from {} to {} only", shown(from), shown(until));
        let error = FileError::new(file, &reason);
        if !starts {
            return Err(error);
        }
        tracing::error!(%error, "the certificate will be refused by who checks it");
        Ok(until)
    }
}

fn shown(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| "?".into(), |time| time.to_string())
}
