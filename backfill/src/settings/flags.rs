//! The command line; each flag is also a key of the file and of the environment.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use cluster::{CoordinatorReach, SourceReach, TargetReach};
use serde::{Deserialize, Serialize};
use settings::{Size, Span};

use super::{Output, Types, Versioning};
use crate::send::Gzip;

/// Every live document out of a snapshot, without a cluster and without a disk.
#[derive(Debug, Parser)]
#[command(name = "backfill", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write every live document to the target; ends when all is done, by whichever worker
    Run(Box<RunFlags>),
    /// Say how far a run is
    Status(StatusFlags),
    /// Send the documents again that failed in a run
    Retry(RetryFlags),
    /// Print every live document as one JSON line, ordered by index, shard and position
    Read(ReadFlags),
}

/// What is read, and how.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ReadFlags {
    /// Where the repository is: file:///path, s3://bucket/prefix, gs://…, az://container/…
    #[arg(long, value_name = "URL")]
    pub repository: Option<String>,
    /// Which snapshot of it
    #[arg(long, value_name = "NAME")]
    pub snapshot: Option<String>,
    /// Only these indices: names and patterns, `-pattern` takes out again; all by default
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub index: Vec<String>,
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
    /// Bytes of one request to the repository
    #[arg(long, value_name = "SIZE")]
    pub read_block: Option<Size>,
    /// Blocks of a file that are fetched ahead
    #[arg(long, value_name = "N")]
    pub read_ahead: Option<usize>,
    /// Longest document that is read, and longest run of documents that were compressed together
    #[arg(long, value_name = "SIZE")]
    pub document_limit: Option<Size>,
    /// Rules in jq or JavaScript that each document goes through first, YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// YAML file with any of these settings
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Filter of log lines, such as info or backfill=debug
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

/// A target, and the name of a run.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct TargetFlags {
    /// The cluster that is written to
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub target_reach: TargetReach,
    /// How long a target that takes nothing is waited for
    #[arg(long, value_name = "TIME")]
    pub target_retry_for: Option<Span>,
    /// Requests in flight to the target at most
    #[arg(long, value_name = "N")]
    pub target_connections: Option<u32>,
    /// Largest request to the target, before compression
    #[arg(long, value_name = "SIZE")]
    pub batch_limit: Option<Size>,
    /// Compress requests: auto (not to this host), on or off
    #[arg(long, value_name = "WHEN")]
    pub gzip: Option<Gzip>,
    /// Name of the run; workers of one name share the work
    #[arg(long, value_name = "NAME")]
    pub run: Option<String>,
    /// Where failed documents are kept: a folder, or a url as for --repository
    #[arg(long, value_name = "URL")]
    pub failed: Option<String>,
}

/// The cluster that the snapshot is of.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct SourceFlags {
    /// The cluster that the snapshot is of: beside a replay, to ask for documents whose deletion it couldn't prove
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub source_reach: SourceReach,
}

/// The cluster that the workers agree by.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct CoordinatorFlags {
    /// The cluster by which workers share the work; the target by default
    #[arg(long, value_name = "URL")]
    pub coordinator: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub coordinator_reach: CoordinatorReach,
}

#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct RunFlags {
    #[command(flatten)]
    #[serde(flatten)]
    pub read: ReadFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub target: TargetFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub source: SourceFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub coordinator: CoordinatorFlags,
    /// Units done at the same time by this process; as many as there are cores by default
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// How long a unit is left alone whose worker is not heard of
    #[arg(long, value_name = "TIME")]
    pub lease: Option<Span>,
    /// `sequence`: by _primary_term and _seq_no, to run beside the replayer; `none`: plain writes
    #[arg(long, value_name = "HOW")]
    pub versioning: Option<Versioning>,
    /// An index of several types becomes: `split`, one index a type; `union`, one index
    #[arg(long, value_name = "HOW")]
    pub types: Option<Types>,
    /// Size from which segments of a shard are a unit of their own
    #[arg(long, value_name = "SIZE")]
    pub unit_bytes: Option<Size>,
    /// Bytes of documents held at most, besides what decompressing one needs
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Size>,
    /// Take indices without `_source` too, as far as `_recovery_source` still has it
    #[arg(long)]
    pub recovery_source: bool,
    /// Make indices although the target can't have parts of their definitions
    #[arg(long)]
    pub accept_refused: bool,
    /// Take a snapshot that lacks some shards, or their lists of files; the run never counts as complete
    #[arg(long)]
    pub partial: bool,
    /// Do one unit, then end: for schedulers
    #[arg(long)]
    pub once: bool,
    /// Listener for /livez, /readyz and /metrics
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// How the summary is written
    #[arg(long, value_name = "FORMAT")]
    pub output: Option<Output>,
}

#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct StatusFlags {
    #[command(flatten)]
    #[serde(flatten)]
    pub target: TargetFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub coordinator: CoordinatorFlags,
    /// Look again and again until the run is over
    #[arg(long)]
    pub watch: bool,
    /// How the status is written
    #[arg(long, value_name = "FORMAT")]
    pub output: Option<Output>,
    /// YAML file with any of these settings
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Filter of log lines
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct RetryFlags {
    #[command(flatten)]
    #[serde(flatten)]
    pub target: TargetFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub coordinator: CoordinatorFlags,
    /// Units that couldn't be read, wholly or in part, wait again: `backfill run` reads them from their beginning
    #[arg(long)]
    pub reread: bool,
    /// How the summary is written
    #[arg(long, value_name = "FORMAT")]
    pub output: Option<Output>,
    /// YAML file with any of these settings
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Filter of log lines
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

/// The keys of all commands: one file serves them all.
pub(super) fn known() -> Vec<String> {
    let command = Cli::command();
    let arguments = command.get_subcommands().flat_map(|command| command.get_arguments());
    arguments.filter_map(clap::Arg::get_long).map(str::to_owned).collect()
}
