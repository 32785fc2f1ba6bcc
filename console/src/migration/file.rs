//! The file as people write it: sections, with unknown keys refused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use settings::{Size, Span, nearest};
use snapshot::Location;

use super::{Capture, ClusterAt, Environment, SnapshotAt, reach};
use crate::problem::{Problem, Side};

/// The keys at the top.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct File {
    pub(super) name: String,
    pub(super) source: Map<String, Value>,
    pub(super) target: Map<String, Value>,
    pub(super) journal: Option<String>,
    pub(super) kafka: Vec<String>,
    pub(super) indices: Vec<String>,
    pub(super) tuples: Option<PathBuf>,
    pub(super) replay_admin: Option<String>,
    pub(super) backfill_run: Option<String>,
    #[serde(deserialize_with = "CaptureSection::named")]
    pub(super) capture: CaptureSection,
    #[serde(deserialize_with = "SnapshotSection::named")]
    pub(super) snapshot: SnapshotSection,
    #[serde(deserialize_with = "VerifySection::named")]
    pub(super) verify: VerifySection,
    #[serde(deserialize_with = "CutoverSection::named")]
    pub(super) cutover: CutoverSection,
    /// Keys of the programs' own files.
    pub(super) metadata: Map<String, Value>,
    pub(super) backfill: Map<String, Value>,
    pub(super) replay: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct ClusterSection {
    pub(super) url: Option<String>,
    pub(super) auth: Option<String>,
    pub(super) secret_file: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
    pub(super) client_cert: Option<PathBuf>,
    pub(super) client_key: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct CaptureSection {
    pub(super) listen: Option<String>,
    pub(super) url: Option<String>,
    pub(super) admin: Option<String>,
    pub(super) settings: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct SnapshotSection {
    pub(super) repository: Option<String>,
    pub(super) name: Option<String>,
    pub(super) registered_as: Option<String>,
    pub(super) register: Option<Value>,
    pub(super) patience: Option<Span>,
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
    pub(super) path_style: bool,
    pub(super) anonymous: bool,
    pub(super) allow_http: bool,
    pub(super) ca: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct VerifySection {
    pub(super) memory: Option<Size>,
    pub(super) settle: Option<Span>,
    pub(super) page: Option<usize>,
    pub(super) abreast: Option<usize>,
    pub(super) shown: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct CutoverSection {
    pub(super) max_lag: Option<Span>,
}

/// Errors of a section name it.
macro_rules! named {
    ($section:ty, $name:literal) => {
        impl $section {
            fn named<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let value = Value::deserialize(from)?;
                serde_json::from_value(value)
                    .map_err(|error| serde::de::Error::custom(format!("{}: {error}", $name)))
            }
        }
    };
}
named!(CaptureSection, "capture");
named!(SnapshotSection, "snapshot");
named!(VerifySection, "verify");
named!(CutoverSection, "cutover");

impl File {
    pub(super) fn read(path: &Path) -> Result<File, Problem> {
        let next = "`godwit config init` writes a commented one";
        let text = std::fs::read_to_string(path).map_err(|error| {
            Problem::config(format!("{} can't be read", path.display()), error, next)
        })?;
        let value: Option<Value> = serde_saphyr::from_str(&text).map_err(|error| {
            Problem::config(format!("{} is no YAML", path.display()), error, next)
        })?;
        parse(&path.display().to_string(), value.unwrap_or_else(|| json!({})))
    }
}

/// A section out of what the file says, with a suggestion for keys that there aren't.
fn parse<T: DeserializeOwned>(place: &str, value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| {
        let text = error.to_string();
        let hint =
            suggestion(&text).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        let next = "correct it, then `godwit config check`";
        Problem::config(format!("{place} is wrong"), format!("{text}{hint}"), next)
    })
}

/// Serde names what there isn't and what there is, each in backticks.
fn suggestion(error: &str) -> Option<&str> {
    let (_, rest) = error.split_once("unknown field `")?;
    let mut quoted = rest.split('`').step_by(2);
    let unknown = quoted.next()?;
    let known: Vec<&str> = rest.split('`').skip(2).step_by(2).collect();
    nearest(unknown, known)
}

pub(super) fn cluster(
    side: Side,
    keys: Map<String, Value>,
    environment: &Environment,
) -> Result<ClusterAt, Problem> {
    let section: ClusterSection =
        parse(&format!("`{}`", side.as_str()), Value::Object(keys.clone()))?;
    let Some(url) = section.url.as_deref() else {
        let what = format!("`{}.url` is not set", side.as_str());
        let why = "it says where the cluster is";
        return Err(Problem::config(what, why, "set it, as in http://10.0.0.5:9200"));
    };
    let settings = reach(side, url, &section, environment)?;
    Ok(ClusterAt { settings, keys })
}

type Wrong<'w> = dyn Fn(&str, &dyn std::fmt::Display) -> Problem + 'w;

fn address(key: &str, text: &str, wrong: &Wrong<'_>) -> Result<SocketAddr, Problem> {
    text.parse().map_err(|_| wrong(key, &format!("`{text}`: use an IP address and a port")))
}

pub(super) fn capture(section: &CaptureSection, wrong: &Wrong<'_>) -> Result<Capture, Problem> {
    let listen = section.listen.as_deref();
    let listen = listen.map(|text| address("capture.listen", text, wrong)).transpose()?;
    let admin = section.admin.as_deref();
    let admin = admin.map(|text| address("capture.admin", text, wrong)).transpose()?;
    let url = match (&section.url, listen) {
        (Some(url), _) if url.starts_with("http://") || url.starts_with("https://") => url.clone(),
        (Some(_), _) => return Err(wrong("capture.url", &"begin it with http:// or https://")),
        (None, Some(listen)) if listen.port() == 0 => {
            return Err(wrong("capture.listen", &"clients need to know the port"));
        }
        (None, Some(listen)) => {
            let host = match listen.ip() {
                ip if !ip.is_unspecified() => ip,
                std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            };
            format!("http://{}", SocketAddr::new(host, listen.port()))
        }
        (None, None) => {
            let why = "say where a proxy of this console listens, or set `capture.url` to one that \
                       runs elsewhere";
            return Err(wrong("capture.listen", &why));
        }
    };
    let own = listen.map(|_| SocketAddr::from(([127, 0, 0, 1], 9301)));
    Ok(Capture { listen, url, admin: admin.or(own) })
}

pub(super) fn snapshot(
    migration: &str,
    section: &SnapshotSection,
    wrong: &Wrong<'_>,
) -> Result<SnapshotAt, Problem> {
    let url = section.repository.as_deref().ok_or_else(|| {
        wrong("snapshot.repository", &"say where the snapshot goes: file:///mnt/snapshots, s3://…")
    })?;
    let location = Location::parse(url).map_err(|error| wrong("snapshot.repository", &error))?;
    let register = match &section.register {
        Some(register) => register.clone(),
        None => registration(url)
            .ok_or_else(|| wrong("snapshot.register", &"say how the source registers it"))?,
    };
    let mut keys = Map::new();
    keys.insert("repository".into(), json!(url));
    let options = [
        ("repository-endpoint", json!(section.endpoint)),
        ("repository-region", json!(section.region)),
        ("repository-ca", json!(section.ca)),
    ];
    keys.extend(options.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.to_owned(), v)));
    let switches = [
        ("repository-path-style", section.path_style),
        ("repository-anonymous", section.anonymous),
        ("repository-allow-http", section.allow_http),
    ];
    keys.extend(
        switches.into_iter().filter(|(_, on)| *on).map(|(k, _)| (k.to_owned(), json!(true))),
    );
    let name = section.name.clone().unwrap_or_else(|| migration.to_owned());
    keys.insert("snapshot".into(), json!(name));
    let repository = section.registered_as.clone();
    Ok(SnapshotAt {
        location,
        url: url.to_owned(),
        name,
        repository: repository.unwrap_or_else(|| format!("godwit-{migration}")),
        register,
        keys,
        patience: section.patience.map_or(Duration::from_secs(12 * 3600), |Span(time)| time),
    })
}

/// What a source is told of a repository that this host reaches by `url`.
fn registration(url: &str) -> Option<Value> {
    if let Some(path) = url.strip_prefix("file://").or_else(|| url.strip_prefix('/').map(|_| url)) {
        return Some(json!({"type": "fs", "settings": {"location": path}}));
    }
    let (scheme, rest) = url.split_once("://")?;
    let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.trim_matches('/');
    match scheme {
        "s3" => Some(json!({"type": "s3", "settings": {"bucket": bucket, "base_path": path}})),
        "gs" => Some(json!({"type": "gcs", "settings": {"bucket": bucket, "base_path": path}})),
        "az" => {
            Some(json!({"type": "azure", "settings": {"container": bucket, "base_path": path}}))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serdes_words_become_a_suggestion() {
        let error = "unknown field `sourse`, expected one of `name`, `source`, `target` at line 1";
        assert_eq!(suggestion(error), Some("source"));
        assert_eq!(suggestion("unknown field `zzz`, expected `name`"), None);
        assert_eq!(suggestion("invalid type"), None);
    }

    #[test]
    fn a_source_is_told_of_its_repository() {
        let s3 = registration("s3://bucket/a/b/").unwrap();
        assert_eq!(s3["settings"], json!({"bucket": "bucket", "base_path": "a/b"}));
        assert_eq!(registration("file:///mnt/r").unwrap()["settings"]["location"], "/mnt/r");
        assert_eq!(registration("abfs://c@a/p"), None);
    }
}
