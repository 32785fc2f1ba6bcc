//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::output::Output;

/// Moves an Elasticsearch or OpenSearch cluster to an OpenSearch cluster while clients keep writing.
///
/// Start with `godwit config init`, then follow what each step says is next; or `godwit run` does all up to the
/// approval of the cut-over.
#[derive(Debug, Parser)]
#[command(name = "godwit", version)]
pub struct Cli {
    /// The migration's file; its state is kept beside it
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        env = "GODWIT_MIGRATION",
        default_value = "migration.yaml"
    )]
    pub migration: PathBuf,
    /// How results are written
    #[arg(long, global = true, value_name = "FORMAT", default_value = "table")]
    pub output: Output,
    /// Filter of log lines
    #[arg(long, global = true, value_name = "FILTER", default_value = "warn")]
    pub log_level: String,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The migration's file
    #[command(subcommand)]
    Config(Config),
    /// One of the programs: capture-proxy, traffic-replayer, backfill, metadata
    #[command(disable_help_flag = true)]
    Exec {
        /// Say who this process is, and how it ended, in files of this name
        #[arg(long, value_name = "FILE", hide = true)]
        kept: Option<PathBuf>,
        /// The program and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<OsString>,
    },
    /// Both clusters, before anything is done
    #[command(subcommand)]
    Setup(Setup),
    /// The proxy that captures
    #[command(subcommand)]
    Capture(Capture),
    /// The snapshot that history comes from
    #[command(subcommand)]
    Snapshot(Snapshot),
    /// Templates, indices, aliases
    #[command(subcommand)]
    Metadata(Metadata),
    /// The documents of the snapshot
    #[command(subcommand)]
    Backfill(Backfill),
    /// What was captured
    #[command(subcommand)]
    Replay(Replay),
    /// The journal of what was captured
    #[command(subcommand)]
    Journal(Journal),
    /// What the tuples of the replay say
    #[command(subcommand)]
    Compare(Compare),
    /// Compare every document of both clusters
    Verify {
        /// Write what the source has where the target differs
        #[arg(long)]
        repair: bool,
    },
    /// How everything stands, on one screen
    Status,
    /// Whether clients may be switched to the target
    #[command(subcommand)]
    Cutover(Cutover),
    /// Take away what this migration made, by name; nothing of the source's own, ever
    Reset {
        /// backfill (its bookkeeping on the target), replay (offsets, tuples), notes, target (indices that this
        /// migration made), snapshot, repository, journal (a file journal), state
        #[arg(required = true, value_name = "WHAT")]
        what: Vec<Made>,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Everything up to the approval of the cut-over; goes on where it was left
    Run {
        /// The migration's file
        file: Option<PathBuf>,
        /// The target may hold data already
        #[arg(long)]
        accept_target_data: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Write a commented file
    Init {
        /// Write over one that is there
        #[arg(long)]
        force: bool,
    },
    /// Read the file and say what it means
    Check,
}

#[derive(Debug, Subcommand)]
pub enum Setup {
    /// Versions, health, privileges, clocks, and what the source has that the target can't have
    Check {
        /// The target may hold data already
        #[arg(long)]
        accept_target_data: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Capture {
    /// Start the proxy; clients are pointed at it afterwards
    Start,
    /// Whether it runs, and what it has captured
    Status,
    /// Ask it to finish what is open and to end
    Stop,
    /// Send a marked request through it and find it, with its answer, in the journal
    Verify,
}

#[derive(Debug, Subcommand)]
pub enum Snapshot {
    /// Mark the journal, take the snapshot, wait, and see that it is whole
    Create,
    /// How far it is
    Status,
    /// All snapshots of the repository
    List,
    /// Delete this migration's snapshot
    Delete {
        /// Its name, to be sure
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Metadata {
    /// What would become of every template, index and alias, and why
    Evaluate,
    /// Make them on the target and read them back
    Migrate {
        /// What was left for the cut-over
        #[arg(long)]
        deferred: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Backfill {
    /// Start it; it ends by itself
    Start,
    /// How far it is
    Status,
    /// Ask it to give back its work and to end
    Stop,
    /// Send the documents again that failed
    Retry,
}

#[derive(Debug, Subcommand)]
pub enum Replay {
    /// Start it; it goes on until it is stopped
    Start,
    /// How far behind it is
    Status,
    /// Ask it to finish what it has begun and to end
    Stop,
}

#[derive(Debug, Subcommand)]
pub enum Journal {
    /// Its size, times, proxies and connections
    Describe,
    /// Its newest records
    Tail {
        /// How many
        #[arg(long, short, default_value_t = 10)]
        number: usize,
        /// Go on with those that come
        #[arg(long, short)]
        follow: bool,
    },
    /// Write it as a file of `key|base64` lines in gzip
    Export { file: PathBuf },
    /// Append an export's records to this migration's journal
    Import { file: PathBuf },
    /// Whether every record of every connection is there
    Audit,
}

#[derive(Debug, Subcommand)]
pub enum Compare {
    /// Statuses, latencies, hits and items of both sides
    Report {
        /// Write a page with all of it, too
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Cutover {
    /// The verdict: 0 when clients may be switched
    Check {
        /// Take the last verification instead of a new one
        #[arg(long)]
        no_verify: bool,
    },
}

/// What this migration may have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Made {
    Backfill,
    Replay,
    Notes,
    Target,
    Snapshot,
    Repository,
    Journal,
    State,
}
