//! Certificates in files, and clients that speak TLS.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use testbed::{Authority, Issued};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::PATIENCE;

/// Files that a proxy reads.
pub struct Files(TempDir);

impl Files {
    pub fn new() -> Files {
        Files(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// A certificate and its key, as `NAME.pem` and `NAME.key`.
    pub fn issue(&self, name: &str, issued: &Issued) -> (PathBuf, PathBuf) {
        let certificate = self.write(&format!("{name}.pem"), &issued.certificate);
        (certificate, self.write(&format!("{name}.key"), &issued.key))
    }
}

/// A client that trusts `authority`, and shows `identity`.
pub struct SecureClient {
    pub authority: String,
    pub identity: Option<Issued>,
    pub versions: Vec<&'static SupportedProtocolVersion>,
}

impl SecureClient {
    pub fn trusting(authority: &Authority) -> SecureClient {
        let authority = authority.certificate();
        SecureClient { authority, identity: None, versions: rustls::ALL_VERSIONS.to_vec() }
    }

    pub fn showing(self, issued: Issued) -> SecureClient {
        SecureClient { identity: Some(issued), ..self }
    }

    pub async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        self.connect_over(TcpStream::connect(address).await?).await
    }

    pub async fn connect_over(&self, socket: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(Issued { certificate, key }) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await
    }

    /// Sends a request and reads the answer, of a known length, on a new connection.
    pub async fn ask(
        &self,
        address: SocketAddr,
        request: &[u8],
        length: usize,
    ) -> std::io::Result<Vec<u8>> {
        exchange(&mut self.connect(address).await?, request, length).await
    }
}

/// Sends a request and reads the answer, of a known length.
pub async fn exchange(
    stream: &mut TlsStream<TcpStream>,
    request: &[u8],
    length: usize,
) -> std::io::Result<Vec<u8>> {
    stream.write_all(request).await?;
    let mut answer = vec![0; length];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap()?;
    Ok(answer)
}

/// The certificate that the other side showed.
pub fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

pub fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}
