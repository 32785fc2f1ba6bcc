//! TLS in front of a real server that has none, and authorities that make certificates.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tokio::{
    io::{AsyncWriteExt, copy, copy_bidirectional, sink},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
};

/// Makes certificates.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, PEM.
#[derive(Debug, Clone)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    /// One of its own.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, name);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Its own certificate, PEM.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A server's, for these names or addresses.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn server(&self, names: &[&str]) -> anyhow::Result<Issued> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.issue(CertificateParams::new(names)?, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// As [`Authority::server`], valid no more.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn expired_server(&self, names: &[&str]) -> anyhow::Result<Issued> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.not_after = date_time_ymd(2020, 1, 1);
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn client(&self, name: &str) -> anyhow::Result<Issued> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        self.issue(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        purpose: ExtendedKeyUsagePurpose,
    ) -> anyhow::Result<Issued> {
        params.extended_key_usages = vec![purpose];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// Ends TLS and hands the bytes on. Dropping it closes everything.
#[derive(Debug)]
pub struct TlsFront {
    addr: SocketAddr,
    accepting: JoinHandle<()>,
}

impl TlsFront {
    /// In front of `target`, with a certificate of `authority` for 127.0.0.1; with `clients`, only clients that have a
    /// certificate of that authority get in.
    ///
    /// # Errors
    /// When no port or key can be had.
    pub async fn in_front_of(
        target: SocketAddr,
        authority: &Authority,
        clients: Option<&Authority>,
    ) -> anyhow::Result<Self> {
        let Issued { certificate, key } = authority.server(&["127.0.0.1"])?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let config = match clients {
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(clients.certificate().as_bytes())?)?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(verifier.build()?)
            }
            None => config.with_no_client_auth(),
        };
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
        let config = config.with_single_cert(vec![certificate], key).context("certificate")?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, acceptor, target));
        Ok(Self { addr, accepting })
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.addr)
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, target: SocketAddr) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        let acceptor = acceptor.clone();
        connections.spawn(async move { drop(carry(client, acceptor, target).await) });
    }
}

async fn carry(
    client: TcpStream,
    acceptor: TlsAcceptor,
    target: SocketAddr,
) -> std::io::Result<()> {
    match acceptor.accept(client).into_fallible().await {
        Ok(mut client) => {
            let mut server = TcpStream::connect(target).await?;
            copy_bidirectional(&mut client, &mut server).await?;
        }
        Err((_, mut client)) => {
            // Closed with bytes unread it would be reset, and the reason with it.
            client.shutdown().await?;
            copy(&mut client, &mut sink()).await?;
        }
    }
    Ok(())
}
