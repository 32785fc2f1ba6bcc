//! A cluster as the flags of a program name it: one set of flags for every cluster of every program.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use settings::{BadSettings, Secret, refuse};

use crate::{Auth, Identity, Settings};

/// What the flags of a cluster are called, for errors, and the variable that has the secret without a file.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    pub auth: &'static str,
    pub secret_file: &'static str,
    pub client_cert: &'static str,
    pub client_key: &'static str,
    pub variable: &'static str,
}

/// How a cluster is reached.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'a> {
    pub url: &'a str,
    /// As [`Auth::parse`] takes it; `None`: none.
    pub auth: Option<&'a str>,
    pub secret_file: Option<&'a Path>,
    pub ca: Option<&'a Path>,
    pub client_cert: Option<&'a Path>,
    pub client_key: Option<&'a Path>,
    pub names: Names,
}

macro_rules! reach_flags {
    ($name:ident, $whose:literal, $variable:literal: $auth:ident $file:ident $ca:ident $cert:ident $key:ident) => {
        #[doc = concat!("How the ", $whose, " is reached, besides its url.")]
        #[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", default)]
        pub struct $name {
            /// Who asks.
            #[arg(
                long,
                value_name = "HOW",
                help = concat!(
                    "none, basic:USER, api-key, sigv4:SERVICE[:REGION] or mtls; the secret of a user or key is in --",
                    $whose, "-secret-file or ", $variable
                )
            )]
            pub $auth: Option<String>,
            /// The secret.
            #[arg(
                long,
                value_name = "FILE",
                help = concat!("Its first line is the password or key of --", $whose, "-auth")
            )]
            pub $file: Option<PathBuf>,
            /// Who is trusted.
            #[arg(
                long,
                value_name = "FILE",
                help = concat!("Certificate authority of the ", $whose, ", PEM")
            )]
            pub $ca: Option<PathBuf>,
            /// What is shown.
            #[arg(
                long,
                value_name = "FILE",
                help = concat!("Certificate to show to the ", $whose, ", PEM")
            )]
            pub $cert: Option<PathBuf>,
            /// What proves it.
            #[arg(
                long,
                value_name = "FILE",
                help = concat!("Key of --", $whose, "-client-cert, PEM")
            )]
            pub $key: Option<PathBuf>,
        }

        impl $name {
            /// The settings of the cluster at `url`, with secrets out of their files or the environment.
            ///
            /// # Errors
            /// When the secret's file can't be read, or the credentials aren't any.
            pub fn settings(
                &self,
                url: &str,
                environment: &[(String, String)],
            ) -> Result<Settings, BadSettings> {
                let names = Names {
                    auth: concat!($whose, "-auth"),
                    secret_file: concat!($whose, "-secret-file"),
                    client_cert: concat!($whose, "-client-cert"),
                    client_key: concat!($whose, "-client-key"),
                    variable: $variable,
                };
                let reach = Reach {
                    url,
                    auth: self.$auth.as_deref(),
                    secret_file: self.$file.as_deref(),
                    ca: self.$ca.as_deref(),
                    client_cert: self.$cert.as_deref(),
                    client_key: self.$key.as_deref(),
                    names,
                };
                reach.settings(environment)
            }
        }
    };
}

reach_flags!(SourceReach, "source", "GODWIT_SOURCE_SECRET":
    source_auth source_secret_file source_ca source_client_cert source_client_key);
reach_flags!(TargetReach, "target", "GODWIT_TARGET_SECRET":
    target_auth target_secret_file target_ca target_client_cert target_client_key);
reach_flags!(CoordinatorReach, "coordinator", "GODWIT_COORDINATOR_SECRET":
    coordinator_auth coordinator_secret_file coordinator_ca coordinator_client_cert coordinator_client_key);

impl Reach<'_> {
    /// The settings of the cluster, with secrets out of their files or the environment.
    ///
    /// # Errors
    /// When the secret's file can't be read, or the credentials aren't any.
    pub fn settings(self, environment: &[(String, String)]) -> Result<Settings, BadSettings> {
        let names = self.names;
        let mut settings = Settings::new(self.url);
        settings.ca = self.ca.map(Path::to_owned);
        settings.identity = self.identity()?;
        let Some(auth) = self.auth else { return Ok(settings) };
        let variable = |name: &str| {
            environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        let secret = match self.secret_file {
            Some(path) => Some(read(names.secret_file, path)?),
            None => variable(names.variable).map(Secret::new),
        };
        settings.auth =
            Auth::parse(auth, secret, variable).map_err(|error| refuse(names.auth, auth, error))?;
        if settings.auth == Auth::Mtls && settings.identity.is_none() {
            let Names { client_cert, client_key, .. } = names;
            let why = format!("give the certificate and its key: --{client_cert}, --{client_key}");
            return Err(refuse(names.auth, auth, why));
        }
        Ok(settings)
    }

    fn identity(&self) -> Result<Option<Identity>, BadSettings> {
        let Names { client_cert, client_key, .. } = self.names;
        match (self.client_cert, self.client_key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                Ok(Some(Identity { certificate: certificate.to_owned(), key: key.to_owned() }))
            }
            (Some(_), None) => Err(BadSettings::Missing {
                flag: client_key,
                why: "a certificate is nothing without its key",
            }),
            (None, Some(_)) => {
                Err(BadSettings::Missing { flag: client_cert, why: "say what the key is of" })
            }
        }
    }
}

fn read(flag: &'static str, path: &Path) -> Result<Secret, BadSettings> {
    let read = Secret::from_file(path);
    read.map_err(|error| refuse(flag, &path.display().to_string(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_and_its_key_come_together() {
        let settings = |cert: Option<&str>, key: Option<&str>| {
            let flags = TargetReach {
                target_auth: Some("mtls".into()),
                target_client_cert: cert.map(PathBuf::from),
                target_client_key: key.map(PathBuf::from),
                ..TargetReach::default()
            };
            flags.settings("https://t", &[]).map_err(|error| error.to_string())
        };
        let identity = settings(Some("c"), Some("k")).unwrap().identity.unwrap();
        assert_eq!((identity.certificate, identity.key), ("c".into(), "k".into()));
        assert!(settings(Some("c"), None).unwrap_err().contains("--target-client-key is missing"));
        assert!(settings(None, Some("k")).unwrap_err().contains("--target-client-cert is missing"));
        assert!(settings(None, None).unwrap_err().contains("--target-client-cert"));
    }

    #[test]
    fn secrets_are_found_in_files_and_the_environment() {
        let environment = [("GODWIT_SOURCE_SECRET", "s"), ("AWS_REGION", "eu-west-1")];
        let environment = environment.map(|(n, v)| (n.to_owned(), v.to_owned()));
        let of = |auth: &str| {
            let flags = SourceReach { source_auth: Some(auth.into()), ..SourceReach::default() };
            flags.settings("http://s", &environment).map_err(|error| error.to_string())
        };
        let Auth::Basic { password, .. } = of("basic:u").unwrap().auth else { panic!("no user") };
        assert_eq!(password.reveal(), "s");
        let Auth::SigV4 { scope, .. } = of("sigv4:es").unwrap().auth else { panic!("unsigned") };
        assert_eq!(scope.region, "eu-west-1");
        let wrong = of("sigv4:ec2").unwrap_err();
        assert!(wrong.contains("--source-auth `sigv4:ec2`") && wrong.contains("`aoss`"), "{wrong}");
    }
}
