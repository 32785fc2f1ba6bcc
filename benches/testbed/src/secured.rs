//! A Kafka whose clients have to say who they are, in every way that it knows by itself.

use std::fs;
use std::ops::Deref;
use std::path::PathBuf;

use anyhow::Context;

use crate::folder::Folder;
use crate::kafka::Kafka;
use crate::ports::Ports;
use crate::server::Server;
use crate::tls::{Authority, Issued};

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `SASL_PLAINTEXT`: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, and OAUTHBEARER with unsecured tokens.
    Sasl,
    /// `SASL_SSL`: the same, encrypted.
    SaslTls,
    /// `SSL`: a certificate of [`SecuredKafka::authority`].
    Tls,
}

/// One broker; what a [`Kafka`] can, it can through its unsecured door. All doors lead to the same topics.
#[derive(Debug)]
pub struct SecuredKafka {
    kafka: Kafka,
    sasl: Ports,
    tls: Ports,
    folder: Folder,
    authority: Authority,
}

impl SecuredKafka {
    /// Who may come in by name.
    pub const USER: &str = "godwit";
    pub const PASSWORD: &str = "a secret with = in it";

    pub(crate) async fn boot() -> anyhow::Result<Self> {
        let (ports, sasl, tls) = (Ports::take()?, Ports::take()?, Ports::take()?);
        let (folder, authority) = (Folder::new()?, Authority::new("testbed")?);
        let Issued { certificate, key } = authority.server(&["127.0.0.1"])?;
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            anyhow::Ok(path.display().to_string())
        };
        let store = write("broker.pem", format!("{key}{certificate}"))?;
        let trusted = write("ca.pem", authority.certificate())?;
        let listeners = [
            ("PLAINTEXT", "PLAINTEXT", ports.addr()),
            ("SASL", "SASL_PLAINTEXT", sasl.addr()),
            ("SASLTLS", "SASL_SSL", sasl.second_addr()),
            ("TLS", "SSL", tls.addr()),
        ];
        let addresses = listeners.map(|(name, _, addr)| format!("{name}://{addr}")).join(",");
        let protocols = listeners.map(|(name, protocol, _)| format!("{name}:{protocol}")).join(",");
        let controller = ports.second_addr();
        let (user, password) = (Self::USER, Self::PASSWORD);
        let mut lines = format!(
            "listeners={addresses},CONTROLLER://{controller}\n\
            advertised.listeners={addresses}\n\
            listener.security.protocol.map=CONTROLLER:PLAINTEXT,{protocols}\n\
            sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER\n\
            ssl.keystore.type=PEM\nssl.keystore.location={store}\n\
            ssl.truststore.type=PEM\nssl.truststore.location={trusted}\n\
            listener.name.tls.ssl.client.auth=required\n"
        );
        let package = "org.apache.kafka.common.security";
        for listener in ["sasl", "sasltls"] {
            for (mechanism, module) in [
                ("plain", format!("plain.PlainLoginModule required user_{user}=\"{password}\"")),
                ("scram-sha-256", "scram.ScramLoginModule required".to_owned()),
                ("scram-sha-512", "scram.ScramLoginModule required".to_owned()),
                (
                    "oauthbearer",
                    "oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\"".to_owned(),
                ),
            ] {
                let name = format!("listener.name.{listener}.{mechanism}.sasl.jaas.config");
                lines.push_str(&format!("{name}={package}.{module};\n"));
            }
        }
        let scram = |bits: u32| format!("SCRAM-SHA-{bits}=[name={user},password={password}]");
        let env =
            vec![("TESTBED_YML", lines), ("TESTBED_SCRAM", [scram(256), scram(512)].join("\n"))];
        let kafka = Kafka::over(Server::boot_on(ports, "kafka", env).await?);
        Ok(Self { kafka, sasl, tls, folder, authority })
    }

    /// The url of a journal behind a door.
    #[must_use]
    pub fn journal_behind(&self, door: Door, topic: &str) -> String {
        let addr = match door {
            Door::Sasl => self.sasl.addr(),
            Door::SaslTls => self.sasl.second_addr(),
            Door::Tls => self.tls.addr(),
        };
        format!("kafka://{addr}/{topic}")
    }

    /// Who made the broker's certificate, and makes clients'.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The authority's certificate.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

impl Deref for SecuredKafka {
    type Target = Kafka;
    fn deref(&self) -> &Kafka {
        &self.kafka
    }
}
