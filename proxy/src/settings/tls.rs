//! What is said of TLS, checked: files that belong together, and are there.

use std::path::{Path, PathBuf};

use super::{SettingsError, choice, wrong};
use crate::Flags;
use crate::tls::{ClientAuth, ListenerTls, SourceTls};

type Named<'a> = (&'static str, &'a Option<PathBuf>);

pub(super) fn listener(flags: &Flags) -> Result<Option<ListenerTls>, SettingsError> {
    let words = [("required", ClientAuth::Required), ("optional", ClientAuth::Optional)];
    let auth = choice("tls-client-auth", flags.tls_client_auth.clone(), &words)?;
    if flags.tls_client_auth.is_some() && flags.tls_client_ca.is_none() {
        let hint = "say whose certificates clients show";
        return Err(SettingsError::Missing { key: "tls-client-ca", hint });
    }
    let files = pair(("tls-certificate", &flags.tls_certificate), ("tls-key", &flags.tls_key))?;
    let Some((certificate, key)) = files else {
        if flags.tls_client_ca.is_some() {
            let hint = "clients show certificates over TLS only";
            return Err(SettingsError::Missing { key: "tls-certificate", hint });
        }
        return Ok(None);
    };
    let clients = there(("tls-client-ca", &flags.tls_client_ca))?.map(|ca| (ca, auth));
    Ok(Some(ListenerTls { certificate, key, clients }))
}

pub(super) fn source(flags: &Flags) -> Result<SourceTls, SettingsError> {
    let certificate = ("source-certificate", &flags.source_certificate);
    let tls = SourceTls {
        ca: there(("source-ca", &flags.source_ca))?,
        identity: pair(certificate, ("source-key", &flags.source_key))?,
        server_name: flags.source_server_name.clone(),
        danger_accept_invalid_certs: flags.danger_accept_invalid_certs,
    };
    let source = flags.source.as_deref().unwrap_or_default();
    if tls != SourceTls::default() && !source.starts_with("https://") {
        let reason = "what is said of the source's TLS needs an https:// address";
        return Err(wrong("source", source, &reason));
    }
    if tls.danger_accept_invalid_certs && (tls.ca.is_some() || tls.server_name.is_some()) {
        let reason =
            "with it, neither source-ca nor source-server-name is looked at: leave it out, or them";
        return Err(wrong("danger-accept-invalid-certs", "true", &reason));
    }
    Ok(tls)
}

/// A certificate and its key: both, or none.
fn pair(
    certificate: Named<'_>,
    key: Named<'_>,
) -> Result<Option<(PathBuf, PathBuf)>, SettingsError> {
    match (certificate.1, key.1) {
        (Some(_), None) => {
            Err(SettingsError::Missing { key: key.0, hint: "a certificate needs its key" })
        }
        (None, Some(_)) => {
            Err(SettingsError::Missing { key: certificate.0, hint: "a key needs its certificate" })
        }
        _ => Ok(there(certificate)?.zip(there(key)?)),
    }
}

/// A file that was named is there.
fn there((name, file): Named<'_>) -> Result<Option<PathBuf>, SettingsError> {
    let Some(file) = file else { return Ok(None) };
    let shown = |file: &Path| file.display().to_string();
    std::fs::metadata(file).map_err(|error| wrong(name, &shown(file), &error))?;
    Ok(Some(file.clone()))
}
