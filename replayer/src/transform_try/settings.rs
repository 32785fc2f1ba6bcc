//! What `transform-try` can be told.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser};
use journal::{JournalUrl, KafkaProperties, StartFrom};
use serde::{Deserialize, Serialize};
use settings::{BadSettings, Size, layered, refuse};

use crate::settings::{
    Mutations, Output, TransformFlags, TransformSettings, from, properties, time,
};

/// The settings of the replayer, as far as they matter here; its file and its environment will do.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct TryFlags {
    /// Journal to read: file:///FOLDER, kafka://HOST:PORT[,HOST:PORT]/TOPIC or export:///FILE
    #[arg(long, value_name = "URL")]
    pub journal: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub transforms: TransformFlags,
    /// `converge` (default) or `mirror`: in which form requests go out
    #[arg(long, value_name = "HOW")]
    pub mutations: Option<Mutations>,
    /// Where to begin: `beginning` (default), an offset, or a time such as 2026-11-23T10:00:00Z
    #[arg(long, value_name = "WHERE")]
    pub from: Option<String>,
    /// Where to end: a time; the journal's end by default
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Requests to look at, at most
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Show requests too that nothing changes
    #[arg(long)]
    pub all: bool,
    /// `table`: in words; `json`: one line each
    #[arg(long, value_name = "FORMAT")]
    pub output: Option<Output>,
    /// Longest body after decompression
    #[arg(long, value_name = "SIZE")]
    pub body_limit: Option<Size>,
    /// Records that are read on before a missing one counts as lost
    #[arg(long, value_name = "N")]
    pub reorder_window: Option<u64>,
    /// Kafka client property, NAME=VALUE; may be given again
    #[arg(long, visible_alias = "kafka-property", value_name = "NAME=VALUE")]
    pub kafka: Vec<String>,
    /// YAML file with any settings of the replayer
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Filter of log lines
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

/// Checked.
#[derive(Clone, Debug)]
pub struct TrySettings {
    pub journal: JournalUrl,
    pub kafka: KafkaProperties,
    pub transforms: TransformSettings,
    pub mutations: Mutations,
    pub from: StartFrom,
    pub until: Option<u64>,
    pub limit: Option<u64>,
    pub all: bool,
    pub output: Output,
    pub body_limit: usize,
    pub reorder_window: u64,
    pub log_level: String,
}

/// For the names of the flags.
#[derive(Parser)]
struct Named {
    #[command(flatten)]
    _flags: TryFlags,
}

impl TryFlags {
    /// Merges file, environment and flags, and checks the result.
    ///
    /// # Errors
    /// Which setting is wrong, and why.
    pub fn load(
        &self,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<TrySettings, BadSettings> {
        let (own, of_run) = (Named::command(), crate::Flags::command());
        let known: Vec<&str> = own
            .get_arguments()
            .chain(of_run.get_arguments())
            .filter_map(clap::Arg::get_long)
            .collect();
        let program = crate::settings::PROGRAM;
        let flags: Self = layered(program, self.config.as_deref(), environment, self, &known)?;
        let missing = BadSettings::Missing { flag: "journal", why: "say what to read" };
        let journal = flags.journal.ok_or(missing)?;
        let body_limit = flags.body_limit.map_or(512 << 20, |Size(bytes)| bytes);
        Ok(TrySettings {
            journal: journal.parse().map_err(|error| refuse("journal", &journal, error))?,
            kafka: properties(&flags.kafka)?,
            transforms: flags.transforms.check()?,
            mutations: flags.mutations.unwrap_or_default(),
            // A group's place means nothing here.
            from: match flags.from.as_deref() {
                None | Some("group") => StartFrom::Beginning,
                Some(text) => from(text)?,
            },
            until: flags.until.as_deref().map(|text| time("until", text)).transpose()?,
            limit: flags.limit,
            all: flags.all,
            output: flags.output.unwrap_or_default(),
            body_limit: usize::try_from(body_limit).unwrap_or(usize::MAX),
            reorder_window: flags.reorder_window.unwrap_or(10_000),
            log_level: flags.log_level.unwrap_or_else(|| "warn".into()),
        })
    }
}
