//! `migration.yaml`: one file for the whole migration, checked before anything is done.

mod file;
mod programs;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cluster::{Names, Reach};
use converge::Selection;
use journal::{JournalUrl, KafkaProperties};
use serde_json::{Map, Value};
use settings::{Secret, Size, Span};
use snapshot::Location;

use crate::problem::{Problem, Side};

pub use file::File;

/// The environment of this process.
pub type Environment = Vec<(String, String)>;

/// One of the clusters, as the file has it.
#[derive(Debug, Clone)]
pub struct ClusterAt {
    pub settings: cluster::Settings,
    /// The same as keys of a program's file, without their `source-` or `target-`.
    pub(crate) keys: Map<String, Value>,
}

/// How traffic is captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// Where this console's own proxy listens; `None`: it starts none.
    pub listen: Option<SocketAddr>,
    /// Where clients, and this console, reach a proxy.
    pub url: String,
    pub admin: Option<SocketAddr>,
}

/// Where the snapshot goes.
#[derive(Debug, Clone)]
pub struct SnapshotAt {
    pub location: Location,
    pub url: String,
    pub name: String,
    /// The repository's name on the source.
    pub repository: String,
    /// What the source registers it with.
    pub register: Value,
    /// As keys of backfill's file.
    pub(crate) keys: Map<String, Value>,
    pub patience: Duration,
}

/// How both sides are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifySettings {
    /// Bytes that are held at most of what differs.
    pub memory: u64,
    /// How long a difference may take to go away.
    pub settle: Duration,
    pub page: usize,
    /// Indices read at the same time.
    pub abreast: usize,
    /// Differences that are listed.
    pub shown: usize,
}

/// What the verdict demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutoverSettings {
    /// How long a replay may need to deal with what was captured before the check.
    pub max_lag: Duration,
}

/// A proxy that was killed holds the replay up for half a minute: until then it may be heard of.
const MAX_LAG: Duration = Duration::from_secs(45);

/// A whole migration, checked.
#[derive(Debug, Clone)]
pub struct Migration {
    pub path: PathBuf,
    pub name: String,
    pub source: ClusterAt,
    pub target: ClusterAt,
    pub journal: JournalUrl,
    pub kafka: KafkaProperties,
    /// Patterns of indices and data streams; none: all but system indices.
    pub indices: Vec<String>,
    pub capture: Capture,
    pub snapshot: SnapshotAt,
    pub backfill_run: String,
    pub replay_admin: SocketAddr,
    pub tuples: PathBuf,
    pub verify: VerifySettings,
    pub cutover: CutoverSettings,
    /// Sections that go to the programs as they are.
    capture_keys: Map<String, Value>,
    metadata_keys: Map<String, Value>,
    backfill_keys: Map<String, Value>,
    replay_keys: Map<String, Value>,
    selection: Selection,
}

impl Migration {
    /// Reads and checks a migration's file.
    ///
    /// # Errors
    /// What is wrong, where, and what it might have been meant to be.
    pub fn load(path: &Path, environment: &Environment) -> Result<Migration, Problem> {
        let file = File::read(path)?;
        Migration::check(path, file, environment)
    }

    fn check(path: &Path, file: File, environment: &Environment) -> Result<Migration, Problem> {
        let wrong = |key: &str, why: &dyn std::fmt::Display| {
            let what = format!("`{key}` in {} is wrong", path.display());
            Problem::config(what, why, "correct it, then `godwit config check`")
        };
        let name = file.name;
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 60 || !name.bytes().all(is_name) || name.starts_with('-')
        {
            return Err(wrong("name", &"use up to 60 lower-case letters, digits and `-`"));
        }
        let folder = crate::state::Folder::of(path);
        let source = file::cluster(Side::Source, file.source, environment)?;
        let target = file::cluster(Side::Target, file.target, environment)?;
        let journal = match file.journal {
            Some(url) => url.parse().map_err(|error| wrong("journal", &error))?,
            None => JournalUrl::File(absolute(&folder.join("journal"))),
        };
        if matches!(journal, JournalUrl::Export(_)) {
            return Err(wrong("journal", &"an export is only read; use file:// or kafka://"));
        }
        let kafka = KafkaProperties::parse(&file.kafka).map_err(|error| wrong("kafka", &error))?;
        if file.indices.iter().any(|text| text.is_empty() || text.starts_with("regex:")) {
            return Err(wrong("indices", &"use names and patterns with `*`; `-pattern` takes out"));
        }
        let selection = selection(&file.indices)
            .ok_or_else(|| wrong("indices", &"date math means another index every day"))?;
        let capture = file::capture(&file.capture, &wrong)?;
        let snapshot = file::snapshot(&name, &file.snapshot, &wrong)?;
        let admin = file.replay_admin.as_deref().unwrap_or("127.0.0.1:9302");
        let replay_admin =
            admin.parse().map_err(|_| wrong("replay-admin", &"use an IP address and a port"))?;
        let verify = VerifySettings {
            memory: file.verify.memory.map_or(256 << 20, |Size(bytes)| bytes),
            settle: file.verify.settle.map_or(Duration::from_secs(10), |Span(time)| time),
            page: file.verify.page.unwrap_or(1_000).clamp(1, 10_000),
            abreast: file.verify.abreast.unwrap_or(2).clamp(1, 64),
            shown: file.verify.shown.unwrap_or(50).min(10_000),
        };
        if verify.memory < 1 << 20 {
            return Err(wrong("verify.memory", &"it must be at least 1MiB"));
        }
        let max_lag = file.cutover.max_lag.map_or(MAX_LAG, |Span(time)| time);
        Ok(Migration {
            path: path.to_owned(),
            backfill_run: file.backfill_run.unwrap_or_else(|| name.clone()),
            tuples: file.tuples.unwrap_or_else(|| absolute(&folder.join("tuples"))),
            name,
            source,
            target,
            journal,
            kafka,
            indices: file.indices,
            capture,
            snapshot,
            replay_admin,
            verify,
            cutover: CutoverSettings { max_lag },
            capture_keys: file.capture.settings,
            metadata_keys: file.metadata,
            backfill_keys: file.backfill,
            replay_keys: file.replay,
            selection,
        })
    }

    /// Whether an index or data stream is part of this migration.
    pub fn moves(&self, index: &str) -> bool {
        self.selection.contains(index)
    }
}

/// What moves: all but system indices, unless the first pattern says what. `None` for date math.
fn selection(indices: &[String]) -> Option<Selection> {
    Selection::of_patterns(indices, "*,-.*")
}

/// A path that a program with another working folder finds too.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A cluster's settings out of its section.
fn reach(
    side: Side,
    url: &str,
    section: &file::ClusterSection,
    environment: &Environment,
) -> Result<cluster::Settings, Problem> {
    let names = match side {
        Side::Source => Names {
            auth: "source.auth",
            secret_file: "source.secret-file",
            client_cert: "source.client-cert",
            client_key: "source.client-key",
            variable: "GODWIT_SOURCE_SECRET",
        },
        Side::Target => Names {
            auth: "target.auth",
            secret_file: "target.secret-file",
            client_cert: "target.client-cert",
            client_key: "target.client-key",
            variable: "GODWIT_TARGET_SECRET",
        },
    };
    let reach = Reach {
        url,
        auth: section.auth.as_deref(),
        secret_file: section.secret_file.as_deref(),
        ca: section.ca.as_deref(),
        client_cert: section.client_cert.as_deref(),
        client_key: section.client_key.as_deref(),
        names,
    };
    let mut settings =
        reach.settings(environment).map_err(|error| Problem::section(side.as_str(), &error))?;
    settings.retry = cluster::Retry::for_at_most(Duration::from_secs(10));
    Ok(settings)
}

/// Whether the secret can be had, for messages; never the secret.
pub fn has_secret(auth: &cluster::Auth) -> bool {
    let filled = |secret: &Secret| !secret.reveal().is_empty();
    match auth {
        // Keys of SigV4 may be found when they are needed; what a certificate's file has is seen then.
        cluster::Auth::None | cluster::Auth::Mtls | cluster::Auth::SigV4 { .. } => true,
        cluster::Auth::Basic { password, .. } => filled(password),
        cluster::Auth::ApiKey(key) => filled(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_is_all_but_system_indices_or_what_is_named() {
        let moves = |indices: &[&str], name: &str| {
            let indices: Vec<String> = indices.iter().map(|text| (*text).to_owned()).collect();
            selection(&indices).unwrap().contains(name)
        };
        assert!(moves(&[], "logs-1") && !moves(&[], ".kibana_1"));
        assert!(moves(&["-logs-*"], "events") && !moves(&["-logs-*"], "logs-1"));
        assert!(!moves(&["-logs-*"], ".kibana_1"));
        assert!(moves(&["logs-*", "-logs-old"], "logs-1") && !moves(&["logs-*"], "events"));
        assert!(moves(&["*"], ".kibana_1") && !moves(&["logs-*", "-logs-old"], "logs-old"));
    }
}
