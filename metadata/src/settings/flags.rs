//! The command line; each flag is also a key of the file and of the environment.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use cluster::{SourceReach, TargetReach};
use serde::{Deserialize, Serialize};
use settings::Span;

use crate::Kind;

/// Templates, pipelines, indices, aliases and data streams: planned, explained, made, read back.
#[derive(Debug, Parser)]
#[command(name = "metadata", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print what would be done with every item, and why; nothing is written
    Evaluate(Box<Flags>),
    /// Do it, read everything back and compare
    Migrate(Box<Flags>),
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

/// What to do with an item that the target has, but another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExisting {
    /// Write nothing at all.
    #[default]
    Fail,
    /// Leave it as it is.
    Skip,
    /// Add fields, set dynamic settings, add aliases; write templates, pipelines and scripts over.
    UpdateCompatible,
}

/// How a report is written to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    #[default]
    Table,
    Json,
    Html,
}

/// All settings; both commands have the same.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Flags {
    /// The cluster that is read
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub source_reach: SourceReach,
    /// Instead of a source, where a snapshot is: file:///path, s3://bucket/prefix, gs://…, az://container/…
    #[arg(long, value_name = "URL")]
    pub repository: Option<String>,
    /// Which snapshot of it
    #[arg(long, value_name = "NAME")]
    pub snapshot: Option<String>,
    /// Another service than the store's own, such as http://minio:9000
    #[arg(long, value_name = "URL")]
    pub repository_endpoint: Option<String>,
    /// Region of the bucket
    #[arg(long, value_name = "NAME")]
    pub repository_region: Option<String>,
    /// The bucket is in the path instead of in the host's name
    #[arg(long)]
    pub repository_path_style: bool,
    /// Requests are not signed: a public bucket
    #[arg(long)]
    pub repository_anonymous: bool,
    /// The endpoint may be plain http
    #[arg(long)]
    pub repository_allow_http: bool,
    /// Certificate authority of the endpoint, PEM
    #[arg(long, value_name = "FILE")]
    pub repository_ca: Option<PathBuf>,
    /// The cluster that is written to
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub target_reach: TargetReach,
    /// How long a cluster that doesn't answer is waited for
    #[arg(long, value_name = "TIME")]
    pub retry_for: Option<Span>,
    /// Only items of these kinds
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<Kind>,
    /// Only these indices: names, patterns with *, regex:…; -pattern takes out again. All but system indices by default
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub index: Vec<String>,
    /// Only these legacy and index templates
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub template: Vec<String>,
    /// Only these component templates
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub component_template: Vec<String>,
    /// Only these ingest pipelines
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub pipeline: Vec<String>,
    /// Only these stored scripts
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub script: Vec<String>,
    /// Only these lifecycle policies
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub policy: Vec<String>,
    /// Only these aliases
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub alias: Vec<String>,
    /// Only these data streams
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub data_stream: Vec<String>,
    /// Other names for indices and data streams: logs-*=old-logs-*, or regex:(.*)-v1=$1; the first that fits
    #[arg(long, value_name = "FROM=TO")]
    pub rename: Vec<String>,
    /// Another number of shards: 3, or logs-*=3; the first that fits
    #[arg(long, value_name = "[PATTERN=]N")]
    pub shards: Vec<String>,
    /// Another number of replicas: 1, or logs-*=1; the first that fits
    #[arg(long, value_name = "[PATTERN=]N")]
    pub replicas: Vec<String>,
    /// Zones of the target; replicas are rounded up so that copies fill them evenly
    #[arg(long, value_name = "N")]
    pub awareness_attributes: Option<u32>,
    /// An index of several types becomes: `split`, one index a type; `union`, one index
    #[arg(long, value_name = "HOW")]
    pub types: Option<Types>,
    /// Rules in jq or JavaScript that each item goes through last, YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Make items although the target can't have parts of them
    #[arg(long)]
    pub accept_refused: bool,
    /// What to do where the target has an item that differs: fail, skip or update-compatible
    #[arg(long, value_name = "HOW")]
    pub on_existing: Option<OnExisting>,
    /// Take out what the target refuses, say so, and try again
    #[arg(long)]
    pub adapt: bool,
    /// Parts of one item that --adapt takes out at most
    #[arg(long, value_name = "N")]
    pub adapt_limit: Option<usize>,
    /// Put on the target what was deferred: pipelines of indices, lifecycle policies, blocks. At the cut-over
    #[arg(long)]
    pub deferred: bool,
    /// Requests in flight to the target
    #[arg(long, value_name = "N")]
    pub concurrency: Option<usize>,
    /// Requests a second to the target at most
    #[arg(long, value_name = "N")]
    pub rate: Option<u32>,
    /// How the report is written
    #[arg(long, value_name = "FORMAT")]
    pub output: Option<Output>,
    /// YAML file with any of these settings
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Filter of log lines, such as info or metadata=debug
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

/// The keys of both commands.
pub(super) fn known() -> Vec<String> {
    let command = Cli::command();
    let arguments = command.get_subcommands().flat_map(|command| command.get_arguments());
    arguments.filter_map(clap::Arg::get_long).map(str::to_owned).collect()
}
