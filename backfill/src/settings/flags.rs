//! The command line; each flag is also a key of the file and of the environment.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use serde::{Deserialize, Serialize};
use settings::Size;

/// Every live document out of a snapshot, without a cluster and without a disk.
#[derive(Debug, Parser)]
#[command(name = "backfill", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
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
    #[arg(long, value_name = "PATTERN")]
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
    /// Longest document, and longest run of documents that were compressed together
    #[arg(long, value_name = "SIZE")]
    pub document_limit: Option<Size>,
    /// YAML file with any of these settings
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Filter of log lines, such as info or backfill=debug
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

/// The keys of all commands: one file serves them all.
pub(super) fn known() -> Vec<String> {
    let command = Cli::command();
    let arguments = command.get_subcommands().flat_map(|command| command.get_arguments());
    arguments.filter_map(clap::Arg::get_long).map(str::to_owned).collect()
}
