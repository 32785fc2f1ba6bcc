//! The programs' own files, made of the migration's: each program checks its part, with its own suggestions.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{ClusterAt, Environment, Migration};
use crate::problem::Problem;
use crate::state::{Folder, write_atomically};

type Keys = Map<String, Value>;

/// How much faster than it was captured a backlog is replayed. What comes while a replay is caught up comes at the
/// source's pace by itself.
const SPEEDUP: u32 = 10;

/// Joins what the migration says with what its section for the program says, which may not say the same.
fn joined(section: &str, ours: Keys, theirs: &Keys) -> Result<Keys, Problem> {
    if let Some(key) = theirs.keys().find(|key| ours.contains_key(*key)) {
        let why = "the migration sets it by itself, from its other keys";
        let next = format!("take `{key}` out of `{section}`");
        return Err(Problem::config(format!("`{section}` has `{key}`"), why, next));
    }
    Ok(ours.into_iter().chain(theirs.clone()).collect())
}

fn put(keys: &mut Keys, side: &str, cluster: &ClusterAt) {
    for (key, value) in &cluster.keys {
        let named = if key == "url" { side.to_owned() } else { format!("{side}-{key}") };
        keys.insert(named, value.clone());
    }
}

fn write(folder: &Folder, name: &str, keys: Keys) -> Result<PathBuf, Problem> {
    let path = folder.programs().join(format!("{name}.yaml"));
    // JSON is YAML.
    let text = serde_json::to_vec_pretty(&keys).unwrap_or_default();
    write_atomically(&path, &text).map_err(|error| Problem::file(&path, error))?;
    Ok(std::path::absolute(&path).unwrap_or(path))
}

impl Migration {
    fn journal_keys(&self) -> Keys {
        let mut keys = Keys::new();
        keys.insert("journal".into(), json!(self.journal.to_string()));
        keys
    }

    fn kafka_properties(&self) -> Value {
        json!(self.kafka.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>())
    }

    /// Writes the proxy's file.
    ///
    /// # Errors
    /// When the section is wrong, or the file can't be written.
    pub fn capture_file(&self, folder: &Folder) -> Result<PathBuf, Problem> {
        let mut keys = self.journal_keys();
        // The proxy passes clients' own credentials on: of the source it needs only the address.
        keys.insert("source".into(), self.source.keys.get("url").cloned().unwrap_or_default());
        if let Some(listen) = self.capture.listen {
            keys.insert("listen".into(), json!(listen.to_string()));
        }
        if let Some(admin) = self.capture.admin {
            keys.insert("admin".into(), json!(admin.to_string()));
        }
        if !self.kafka.is_empty() {
            keys.insert("kafka-properties".into(), self.kafka_properties());
        }
        let path =
            write(folder, "capture-proxy", joined("capture.settings", keys, &self.capture_keys)?)?;
        let flags = capture_proxy::Flags { config: Some(path.clone()), ..Default::default() };
        capture_proxy::Settings::load(flags, []).map_err(|error| {
            let next = "correct `capture`, then `godwit config check`";
            Problem::config("the section `capture` is wrong", error, next)
        })?;
        Ok(path)
    }

    /// Writes the replayer's file. `from`: where it begins, for its first start.
    ///
    /// # Errors
    /// As [`Migration::capture_file`].
    pub fn replay_file(
        &self,
        folder: &Folder,
        from: Option<String>,
        environment: &Environment,
    ) -> Result<PathBuf, Problem> {
        let mut keys = self.journal_keys();
        put(&mut keys, "source", &self.source);
        put(&mut keys, "target", &self.target);
        keys.insert("group".into(), json!(format!("godwit-{}", self.name)));
        keys.insert("tuples".into(), json!(self.tuples));
        keys.insert("admin".into(), json!(self.replay_admin.to_string()));
        // At the source's pace a replay that begins behind stays behind.
        if !["speedup", "rate"].iter().any(|pace| self.replay_keys.contains_key(*pace)) {
            keys.insert("speedup".into(), json!(SPEEDUP));
        }
        if let Some(from) = from {
            keys.insert("from".into(), json!(from));
        }
        if !self.indices.is_empty() {
            keys.insert("index".into(), json!(self.indices));
        }
        // All of them have to make the same indices of an index of several types.
        let types = self.backfill_keys.get("types").or(self.metadata_keys.get("types"));
        if let Some(types) = types.filter(|_| !self.replay_keys.contains_key("types")) {
            keys.insert("types".into(), types.clone());
        }
        if !self.kafka.is_empty() {
            keys.insert("kafka".into(), self.kafka_properties());
        }
        let path = write(folder, "traffic-replayer", joined("replay", keys, &self.replay_keys)?)?;
        let flags = traffic_replayer::Flags { config: Some(path.clone()), ..Default::default() };
        traffic_replayer::Settings::load(&flags, environment.clone())
            .map_err(|error| Problem::section("replay", &error))?;
        Ok(path)
    }

    /// Writes backfill's file.
    ///
    /// # Errors
    /// As [`Migration::capture_file`].
    pub fn backfill_file(
        &self,
        folder: &Folder,
        environment: &Environment,
    ) -> Result<PathBuf, Problem> {
        let mut keys = self.snapshot.keys.clone();
        put(&mut keys, "source", &self.source);
        put(&mut keys, "target", &self.target);
        if !self.indices.is_empty() {
            keys.insert("index".into(), json!(self.indices));
        }
        keys.insert("run".into(), json!(self.backfill_run));
        let theirs = &self.backfill_keys;
        if !theirs.contains_key("failed") {
            keys.insert("failed".into(), json!(super::absolute(&folder.join("failed"))));
        }
        let path = write(folder, "backfill", joined("backfill", keys, theirs)?)?;
        self.backfill_settings(&path, environment)?;
        Ok(path)
    }

    /// What backfill makes of its file.
    ///
    /// # Errors
    /// When it is wrong.
    pub fn backfill_settings(
        &self,
        file: &Path,
        environment: &Environment,
    ) -> Result<backfill::RunSettings, Problem> {
        let mut flags = backfill::RunFlags::default();
        flags.read.config = Some(file.to_owned());
        backfill::RunSettings::load(&flags, environment.clone())
            .map_err(|error| Problem::section("backfill", &error))
    }

    /// What metadata is told; with `deferred`, for the cut-over.
    ///
    /// # Errors
    /// As [`Migration::capture_file`].
    pub fn metadata_settings(
        &self,
        folder: &Folder,
        deferred: bool,
        environment: &Environment,
    ) -> Result<metadata::Settings, Problem> {
        let mut keys = Keys::new();
        put(&mut keys, "source", &self.source);
        put(&mut keys, "target", &self.target);
        if !self.indices.is_empty() {
            keys.insert("index".into(), json!(self.indices));
        }
        if deferred {
            keys.insert("deferred".into(), json!(true));
        }
        let path = write(folder, "metadata", joined("metadata", keys, &self.metadata_keys)?)?;
        let flags = metadata::Flags { config: Some(path), ..Default::default() };
        metadata::Settings::load(&flags, environment.clone())
            .map_err(|error| Problem::section("metadata", &error))
    }
}
