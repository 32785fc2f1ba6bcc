//! TLS of clients.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;

use super::{ClientAuth, Dates, ListenerTls, authorities, certificates, key, provider};
use crate::watched::{FileError, Watched};

/// What a new connection of a client begins with.
pub(crate) struct Listening {
    pub config: Arc<ServerConfig>,
    /// When the certificate ends, in seconds since 1970.
    pub until: i64,
}

/// Reads the files.
pub(crate) fn listening(tls: &ListenerTls) -> Result<Watched<Listening>, FileError> {
    let mut files = vec![tls.certificate.clone(), tls.key.clone()];
    files.extend(tls.clients.iter().map(|(ca, _)| ca.clone()));
    let (tls, dates) = (tls.clone(), Dates::at_start());
    Watched::open(files, move |contents| config(&tls, contents, &dates))
}

fn config(tls: &ListenerTls, contents: &[Vec<u8>], dates: &Dates) -> Result<Listening, FileError> {
    let content = |at: usize| contents.get(at).map(Vec::as_slice).unwrap_or_default();
    let chain = certificates(&tls.certificate, content(0))?;
    let until = dates.check(&tls.certificate, &chain)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| FileError::new(&tls.certificate, &error))?;
    let builder = match &tls.clients {
        None => builder.with_no_client_auth(),
        Some((ca, auth)) => {
            let roots = Arc::new(authorities(ca, content(2))?);
            let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            if *auth == ClientAuth::Optional {
                verifier = verifier.allow_unauthenticated();
            }
            let verifier = verifier.build().map_err(|error| FileError::new(ca, &error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let made = builder.with_single_cert(chain, key(&tls.key, content(1))?);
    // Also when the two don't belong together: one of them has been replaced, and the other not yet.
    let mut config = made.map_err(|error| FileError::new(&tls.key, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Listening { config: Arc::new(config), until })
}
