//! Checked settings of the commands that speak to a target.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use settings::{BadSettings, Size, Span, layered, refuse};

use super::{
    PROGRAM, ReadSettings,
    flags::{self, CoordinatorFlags, RetryFlags, RunFlags, SourceFlags, StatusFlags, TargetFlags},
};
use crate::{
    coordinator::{self, RunSettings as Agreed},
    send::SendSettings,
    work::RunName,
};

/// What a document's version on the target is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Versioning {
    /// Made of its `_primary_term` and `_seq_no`, as the replayer makes it; 0 where it has none.
    #[default]
    Sequence,
    /// Plain writes: what is on the target already is written over.
    None,
}

/// What becomes of an index with several types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Types {
    /// One index a type, `<index>-<type>`.
    #[default]
    Split,
    /// One index, with the fields of all types.
    Union,
}

/// How something is written to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    #[default]
    Table,
    Json,
}

/// Checked settings of `backfill run`.
#[derive(Clone, Debug)]
pub struct RunSettings {
    pub read: ReadSettings,
    pub target: cluster::Settings,
    /// The cluster that the snapshot is of, for what a replay beside couldn't prove.
    pub source: Option<cluster::Settings>,
    pub coordinator: Option<cluster::Settings>,
    pub run: RunName,
    pub workers: usize,
    pub lease: coordinator::Settings,
    pub send: SendSettings,
    /// A folder or a url.
    pub failed: String,
    pub versioning: Versioning,
    pub types: Types,
    pub unit_bytes: u64,
    /// Bytes of documents and blocks held at most.
    pub memory: usize,
    pub recovery_source: bool,
    pub accept_refused: bool,
    pub partial: bool,
    pub once: bool,
    pub admin: Option<SocketAddr>,
    pub output: Output,
}

/// Checked settings of `backfill status`.
#[derive(Clone, Debug)]
pub struct StatusSettings {
    pub coordinator: cluster::Settings,
    pub run: RunName,
    pub watch: bool,
    pub output: Output,
    pub log_level: String,
}

/// Checked settings of `backfill retry`.
#[derive(Clone, Debug)]
pub struct RetrySettings {
    pub target: cluster::Settings,
    pub coordinator: Option<cluster::Settings>,
    pub run: RunName,
    pub failed: String,
    pub send: SendSettings,
    /// Units that couldn't be read wait again.
    pub reread: bool,
    pub output: Output,
    pub log_level: String,
}

type Environment = Vec<(String, String)>;

fn merged<T: Serialize + serde::de::DeserializeOwned>(
    flags: &T,
    config: Option<&PathBuf>,
    environment: &Environment,
) -> Result<T, BadSettings> {
    let known = flags::known();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Ok(layered(PROGRAM, config.map(PathBuf::as_path), environment.clone(), flags, &known)?)
}

impl RunSettings {
    /// The defaults for a snapshot and a target.
    pub fn new(read: ReadSettings, target: impl Into<String>, failed: impl Into<String>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            read,
            target: cluster::Settings::new(target),
            source: None,
            coordinator: None,
            run: RunName::default(),
            workers: cores,
            lease: coordinator::Settings::here(),
            send: SendSettings::default(),
            failed: failed.into(),
            versioning: Versioning::default(),
            types: Types::default(),
            unit_bytes: 1 << 30,
            memory: 256 << 20,
            recovery_source: false,
            accept_refused: false,
            partial: false,
            once: false,
            admin: None,
            output: Output::default(),
        }
    }

    /// Merges file, environment and flags, and checks the result.
    pub fn load(flags: &RunFlags, environment: Environment) -> Result<Self, BadSettings> {
        let flags = merged(flags, flags.read.config.as_ref(), &environment)?;
        let read = ReadSettings::check(&flags.read)?;
        let target = target(&flags.target, &environment)?;
        let mut settings = Self::new(read, target.url.clone(), failed(&flags.target)?);
        settings.target = target;
        settings.coordinator = coordinator(&flags.coordinator, &environment)?;
        settings.source = source(&flags.source, &environment)?;
        settings.run = run_name(&flags.target)?;
        settings.send = send(&flags.target);
        if let Some(workers) = flags.workers {
            settings.workers = workers.clamp(1, 1024);
        }
        if let Some(Span(lease)) = flags.lease {
            settings.lease.lease = lease;
        }
        settings.versioning = flags.versioning.unwrap_or_default();
        settings.types = flags.types.unwrap_or_default();
        settings.unit_bytes =
            flags.unit_bytes.map_or(settings.unit_bytes, |Size(bytes)| bytes.max(1));
        if let Some(Size(bytes)) = flags.memory {
            settings.memory = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        settings.fit_memory()?;
        settings.recovery_source = flags.recovery_source;
        settings.accept_refused = flags.accept_refused;
        settings.partial = flags.partial;
        settings.once = flags.once;
        settings.admin = flags.admin;
        settings.output = flags.output.unwrap_or_default();
        Ok(settings)
    }

    /// Half of the memory is for blocks that are read ahead, half for batches under way.
    fn fit_memory(&mut self) -> Result<(), BadSettings> {
        const LEAST: usize = 16 << 20;
        if self.memory < LEAST {
            let why = "give it at least 16MiB";
            return Err(refuse("memory", &Size(self.memory as u64).to_string(), why));
        }
        let blocks = self.memory / 2 / self.workers;
        let reading = &mut self.read.repository.reading;
        // A worker holds the block it reads from besides those ahead.
        reading.block = reading.block.min(blocks / 2).max(64 << 10);
        reading.ahead = reading.ahead.min((blocks / reading.block).saturating_sub(1)).max(1);
        Ok(())
    }

    pub(crate) fn memory_for_batches(&self) -> usize {
        self.memory / 2
    }

    /// What all workers of a run must have the same.
    pub(crate) fn agreed(&self) -> Agreed {
        let others = [
            ("index", self.read.indices.join(",")),
            ("versioning", format!("{:?}", self.versioning).to_lowercase()),
            ("types", format!("{:?}", self.types).to_lowercase()),
            ("unit-bytes", self.unit_bytes.to_string()),
            ("partial", self.partial.to_string()),
            ("recovery-source", self.recovery_source.to_string()),
            ("accept-refused", self.accept_refused.to_string()),
        ];
        // By what they say, not by where they are.
        let rules = self.read.rules.as_ref().map(|rules| ("rules", rules.fingerprint()));
        let others = others.into_iter().chain(rules);
        Agreed {
            repository: self.read.repository.location.to_string(),
            snapshot: self.read.snapshot.clone(),
            others: others.map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }
}

impl StatusSettings {
    /// Merges file, environment and flags, and checks the result.
    pub fn load(flags: &StatusFlags, environment: Environment) -> Result<Self, BadSettings> {
        let flags = merged(flags, flags.config.as_ref(), &environment)?;
        let coordinator = match coordinator(&flags.coordinator, &environment)? {
            Some(coordinator) => coordinator,
            None => target(&flags.target, &environment)?,
        };
        Ok(Self {
            coordinator,
            run: run_name(&flags.target)?,
            watch: flags.watch,
            output: flags.output.unwrap_or_default(),
            log_level: flags.log_level.unwrap_or_else(|| "warn".into()),
        })
    }
}

impl RetrySettings {
    /// Merges file, environment and flags, and checks the result.
    pub fn load(flags: &RetryFlags, environment: Environment) -> Result<Self, BadSettings> {
        let flags = merged(flags, flags.config.as_ref(), &environment)?;
        Ok(Self {
            target: target(&flags.target, &environment)?,
            coordinator: coordinator(&flags.coordinator, &environment)?,
            run: run_name(&flags.target)?,
            failed: failed(&flags.target)?,
            send: send(&flags.target),
            reread: flags.reread,
            output: flags.output.unwrap_or_default(),
            log_level: flags.log_level.unwrap_or_else(|| "info".into()),
        })
    }
}

fn run_name(flags: &TargetFlags) -> Result<RunName, BadSettings> {
    match &flags.run {
        Some(name) => name.parse().map_err(|error| refuse("run", name, error)),
        None => Ok(RunName::default()),
    }
}

fn failed(flags: &TargetFlags) -> Result<String, BadSettings> {
    let why = "say where documents that fail are kept; they are part of the accounts";
    flags.failed.clone().ok_or(BadSettings::Missing { flag: "failed", why })
}

fn send(flags: &TargetFlags) -> SendSettings {
    let mut send = SendSettings::default();
    if let Some(connections) = flags.target_connections {
        send.limits.most_connections = connections.max(1);
    }
    if let Some(Size(bytes)) = flags.batch_limit {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).max(1);
        send.limits.most_batch = bytes;
        send.limits.first_batch = send.limits.first_batch.min(bytes);
        send.limits.least_batch = send.limits.least_batch.min(bytes);
    }
    if let Some(gzip) = flags.gzip {
        send.gzip = gzip;
    }
    if let Some(Span(patience)) = flags.target_retry_for {
        send.retry_for = patience;
    }
    send
}

fn target(
    flags: &TargetFlags,
    environment: &Environment,
) -> Result<cluster::Settings, BadSettings> {
    let why = "say which cluster to write to";
    let url = flags.target.as_ref().ok_or(BadSettings::Missing { flag: "target", why })?;
    let mut settings = flags.target_reach.settings(url, environment)?;
    if let Some(Span(patience)) = flags.target_retry_for {
        settings.retry = cluster::Retry::for_at_most(patience);
    }
    Ok(settings)
}

fn coordinator(
    flags: &CoordinatorFlags,
    environment: &Environment,
) -> Result<Option<cluster::Settings>, BadSettings> {
    let Some(url) = flags.coordinator.as_ref() else { return Ok(None) };
    let mut settings = flags.coordinator_reach.settings(url, environment)?;
    settings.retry = cluster::Retry::for_at_most(Duration::from_secs(300));
    Ok(Some(settings))
}

fn source(
    flags: &SourceFlags,
    environment: &Environment,
) -> Result<Option<cluster::Settings>, BadSettings> {
    let Some(url) = flags.source.as_ref() else { return Ok(None) };
    flags.source_reach.settings(url, environment).map(Some)
}
