//! TLS towards the source. Its certificate is verified against a name or, when there is none, against its IP address; the
//! one way to go without is named for what it is.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::{Dates, SourceTls, authorities, certificates, key, provider};
use crate::watched::{FileError, Watched};

/// What a new connection to the source begins with.
pub(crate) struct Reaching {
    pub config: Arc<ClientConfig>,
    /// When the proxy's own certificate ends, in seconds since 1970; `None`: it has none.
    pub until: Option<i64>,
}

/// Reads the files.
pub(crate) fn reaching(tls: &SourceTls) -> Result<Watched<Reaching>, FileError> {
    let mut files = Vec::new();
    files.extend(tls.identity.iter().flat_map(|(own, key)| [own.clone(), key.clone()]));
    files.extend(tls.ca.clone());
    let (tls, dates) = (tls.clone(), Dates::at_start());
    Watched::open(files, move |contents| config(&tls, contents, &dates))
}

fn config(tls: &SourceTls, contents: &[Vec<u8>], dates: &Dates) -> Result<Reaching, FileError> {
    let content = |at: usize| contents.get(at).map(Vec::as_slice).unwrap_or_default();
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| FileError::new(Path::new("TLS towards the source"), &error))?;
    let builder = if tls.danger_accept_invalid_certs {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
    } else {
        let roots = match &tls.ca {
            Some(ca) => authorities(ca, content(2 * usize::from(tls.identity.is_some())))?,
            None => of_this_host(),
        };
        builder.with_root_certificates(roots)
    };
    let mut until = None;
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some((own, own_key)) => {
            let chain = certificates(own, content(0))?;
            until = Some(dates.check(own, &chain)?);
            let made = builder.with_client_auth_cert(chain, key(own_key, content(1))?);
            made.map_err(|error| FileError::new(own_key, &error))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Reaching { config: Arc::new(config), until })
}

/// What this host trusts. One that can't be read is as good as none: connections that need it say so.
fn of_this_host() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "an authority of this host can't be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}

/// Takes every certificate. The other side still has to own its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
