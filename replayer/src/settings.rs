//! What can be set: flags, file and environment, checked once into [`Settings`].

mod transforms;
mod tuples;
mod types;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{CommandFactory as _, Parser, ValueEnum};
use cluster::{SourceReach, TargetReach};
use journal::{JournalUrl, KafkaProperties, StartFrom};
use serde::{Deserialize, Serialize};
use settings::{Size, Span, layered, refuse};
use transform::TypeMapping;

use crate::{also::Also, chosen::Chosen};

pub use settings::BadSettings;
pub use transforms::{TransformFlags, TransformSettings};
pub use tuples::{TupleCompression, TupleFlags, TupleLayout, TupleSettings};
pub use types::Types;

pub(crate) const PROGRAM: &str = "traffic-replayer";

/// Brings a target cluster to the state of a source by what a journal says happened.
///
/// Example: traffic-replayer --journal file:///var/lib/godwit/journal --source http://old:9200
/// --target http://new:9200 --tuples /var/lib/godwit/tuples --exit-at-end
#[derive(Clone, Debug, Default, Parser, Serialize, Deserialize)]
#[command(name = PROGRAM, version)]
#[serde(rename_all = "kebab-case", default)]
pub struct Flags {
    /// Journal to replay: file:///FOLDER, kafka://HOST:PORT[,HOST:PORT]/TOPIC or export:///FILE
    #[arg(long, value_name = "URL")]
    pub journal: Option<String>,
    /// Cluster to write to
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Cluster that was captured; what the journal doesn't prove is read from it
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// Where tuples go, requests with both answers: a folder, s3://bucket/prefix, gs://…, az://container/…, or `none`
    #[arg(long, value_name = "PLACE")]
    pub tuples: Option<PathBuf>,
    /// Whose offsets to go on from
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// `converge`: send what the journal proves happened; `mirror`: send requests as they were
    #[arg(long, value_name = "HOW")]
    pub mutations: Option<Mutations>,
    /// Indices and data streams to replay: a name, `pattern*`, or `-pattern*` to leave out; the last that matches counts.
    /// May be given again; all when not given
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub index: Vec<String>,
    /// Requests to send as they were that otherwise never are: a path, in which `*` stands for anything (/_ilm/policy/*).
    /// May be given again
    #[arg(long, value_name = "PATTERN")]
    pub replay_also: Vec<String>,
    /// An index of several types becomes: `split` (default), one index a type; `union`, one index
    #[arg(long, value_name = "HOW")]
    pub types: Option<Types>,
    /// Replay so many times faster than it was captured; 0: as fast as the target takes it
    #[arg(long, value_name = "N")]
    pub speedup: Option<f64>,
    /// Send so many requests a second instead of keeping the source's rhythm
    #[arg(long, value_name = "N", conflicts_with = "speedup")]
    pub rate: Option<f64>,
    /// Where to begin: `group`, `beginning`, an offset, or a time such as 2026-11-23T10:00:00Z
    #[arg(long, value_name = "WHERE")]
    pub from: Option<String>,
    /// Where to end: a time; what was answered later isn't replayed
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// End when the journal's end, as it is now, has been replayed
    #[arg(long)]
    pub exit_at_end: bool,
    /// Share the topic with other replayers of the group: each reads some of its partitions
    #[arg(long, value_name = "BOOL")]
    pub share: Option<bool>,
    /// Silence after which another replayer of the group is gone
    #[arg(long, value_name = "TIME")]
    pub member_timeout: Option<Span>,
    /// Forget what the journal has lost for good (--journal, --target), and end
    #[arg(long)]
    pub forget_lost: bool,
    /// Listener for /livez, /readyz, /metrics, and POST /pause, /resume, /speed?speedup=N or ?rate=N
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// YAML file with any of these settings
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// How the summary is written
    #[arg(long, value_name = "FORMAT")]
    pub output: Option<Output>,
    #[command(flatten)]
    #[serde(flatten)]
    pub source_reach: SourceReach,
    /// Documents a second that are read from the source at most
    #[arg(long, value_name = "N")]
    pub source_rate: Option<u32>,
    #[command(flatten)]
    #[serde(flatten)]
    pub target_reach: TargetReach,
    /// Connections to the target at most, each with one request at a time
    #[arg(long, value_name = "N")]
    pub target_connections: Option<usize>,
    /// Compress bodies that go to the target
    #[arg(long)]
    pub target_gzip: bool,
    /// How long a connection to the target is kept that has nothing to do
    #[arg(long, value_name = "TIME")]
    pub target_idle: Option<Span>,
    /// How long a target that doesn't answer is waited for
    #[arg(long, value_name = "TIME")]
    pub target_retry_for: Option<Span>,
    /// Bytes of requests and answers held at most
    #[arg(long, value_name = "SIZE")]
    pub lookahead_bytes: Option<Size>,
    /// Longest body after decompression
    #[arg(long, value_name = "SIZE")]
    pub body_limit: Option<Size>,
    /// Times of different proxies closer than this don't say what came first
    #[arg(long, value_name = "TIME")]
    pub clock_skew: Option<Span>,
    /// Records that are read on before a missing one counts as lost
    #[arg(long, value_name = "N")]
    pub reorder_window: Option<u64>,
    /// Silence after which an unfinished request counts as given up
    #[arg(long, value_name = "TIME")]
    pub connection_expiry: Option<Span>,
    /// Documents read from the source in one request, at most
    #[arg(long, value_name = "N")]
    pub doubt_batch: Option<usize>,
    /// Keep deletes on the target, for a backfill that runs beside: true (default) or false
    #[arg(long, value_name = "BOOL")]
    pub note_deletes: Option<bool>,
    /// Size at which a new tuple file begins, before compression
    #[arg(long, value_name = "SIZE")]
    pub tuple_file_bytes: Option<Size>,
    /// Age at which a new tuple file begins
    #[arg(long, value_name = "TIME")]
    pub tuple_file_age: Option<Span>,
    /// Kafka client property, NAME=VALUE, or NAME-file=PATH for a secret; may be given again
    #[arg(long, visible_alias = "kafka-property", value_name = "NAME=VALUE")]
    pub kafka: Vec<String>,
    /// Filter of log lines, such as info or traffic_replayer=debug
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    pub transforms: TransformFlags,
    #[command(flatten)]
    #[serde(flatten)]
    pub tuple: TupleFlags,
}

/// What is done with requests that change something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mutations {
    /// What the journal proves is sent, the rest is read from the source.
    #[default]
    Converge,
    /// Every request is sent as it was: for load tests.
    Mirror,
}

/// How the summary is written to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    #[default]
    Table,
    Json,
}

/// When requests go out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// In the source's rhythm, so many times faster.
    Speedup(f64),
    /// So many requests a second.
    Rate(f64),
    /// As fast as the target takes them.
    Free,
}

/// Checked settings of a replayer.
#[derive(Clone, Debug)]
pub struct Settings {
    pub journal: JournalUrl,
    pub kafka: KafkaProperties,
    pub group: String,
    pub from: StartFrom,
    /// Nanoseconds since 1970; exchanges answered later are not replayed.
    pub until: Option<u64>,
    pub exit_at_end: bool,
    /// Others of the group replay the same topic.
    pub share: bool,
    pub member_timeout: Duration,
    /// Only clear the list of losses.
    pub forget_lost: bool,
    pub target: cluster::Settings,
    pub target_connections: usize,
    pub target_gzip: bool,
    pub source: Option<cluster::Settings>,
    pub source_rate: Option<u32>,
    pub tuples: PathBuf,
    pub tuple_file_bytes: u64,
    pub tuple_file_age: Duration,
    pub mutations: Mutations,
    pub indices: Chosen,
    /// What is sent although it is none of the requests that are.
    pub also: Also,
    /// What becomes of an index of several types.
    pub types: TypeMapping,
    pub pace: Pace,
    pub lookahead_bytes: usize,
    pub body_limit: usize,
    pub clock_skew: Duration,
    pub reorder_window: u64,
    pub connection_expiry: Duration,
    pub doubt_batch: usize,
    /// Keep deletes on the target until the backfill of their index has ended.
    pub note_deletes: bool,
    pub admin: Option<SocketAddr>,
    pub output: Output,
    pub log_level: String,
    pub transforms: TransformSettings,
    pub tuple: TupleSettings,
}

impl Settings {
    /// The defaults for a journal, a target and a folder of tuples.
    pub fn new(journal: JournalUrl, target: impl Into<String>, tuples: impl Into<PathBuf>) -> Self {
        Self {
            journal,
            kafka: KafkaProperties::default(),
            group: "godwit".into(),
            from: StartFrom::Group,
            until: None,
            exit_at_end: false,
            share: false,
            member_timeout: Duration::from_secs(10),
            forget_lost: false,
            target: cluster::Settings {
                retry: cluster::Retry::for_at_most(Duration::from_secs(600)),
                ..cluster::Settings::new(target)
            },
            target_connections: 64,
            target_gzip: false,
            source: None,
            source_rate: None,
            tuples: tuples.into(),
            tuple_file_bytes: 256 << 20,
            tuple_file_age: Duration::from_secs(300),
            mutations: Mutations::Converge,
            indices: Chosen::default(),
            also: Also::default(),
            types: TypeMapping::Split,
            pace: Pace::Speedup(1.0),
            lookahead_bytes: 256 << 20,
            body_limit: 512 << 20,
            clock_skew: Duration::from_millis(50),
            reorder_window: 10_000,
            connection_expiry: Duration::from_secs(600),
            doubt_batch: 500,
            note_deletes: true,
            admin: None,
            output: Output::Table,
            log_level: "info".into(),
            transforms: TransformSettings::default(),
            tuple: TupleSettings::default(),
        }
    }

    /// Merges file, environment and flags, and checks the result.
    pub fn load(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, String)> + Clone,
    ) -> Result<Self, BadSettings> {
        let command = Flags::command();
        let known: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
        let merged = layered(PROGRAM, flags.config.as_deref(), environment.clone(), flags, &known)?;
        Self::check(merged, environment)
    }

    pub(crate) fn notes_deletes(&self) -> bool {
        self.mutations == Mutations::Converge && self.note_deletes
    }

    fn check(
        flags: Flags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, BadSettings> {
        let missing = |flag, why| BadSettings::Missing { flag, why };
        let journal = flags.journal.ok_or_else(|| missing("journal", "say what to replay"))?;
        let target =
            flags.target.ok_or_else(|| missing("target", "say which cluster to write to"))?;
        let tuples = match flags.tuples {
            Some(tuples) => tuples,
            None if flags.forget_lost => PathBuf::new(),
            None => return Err(missing("tuples", "say where tuples go")),
        };
        let parsed = journal.parse().map_err(|e| refuse("journal", &journal, e))?;
        let mut settings = Self::new(parsed, target, tuples);

        let environment: Vec<(String, String)> = environment.into_iter().collect();
        settings.target = cluster::Settings {
            retry: settings.target.retry,
            ..flags.target_reach.settings(&settings.target.url, &environment)?
        };
        if let Some(url) = &flags.source {
            settings.source = Some(flags.source_reach.settings(url, &environment)?);
        }
        if let Some(Span(patience)) = flags.target_retry_for {
            settings.target.retry = cluster::Retry::for_at_most(patience);
        }
        if let Some(connections) = flags.target_connections {
            settings.target_connections = connections.max(1);
        }
        if let Some(Span(idle)) = flags.target_idle {
            settings.target.idle_timeout = idle;
        }
        settings.target_gzip = flags.target_gzip;
        settings.target.idle_connections = settings.target_connections;

        settings.pace = pace(flags.speedup, flags.rate)?;
        settings.from = flags.from.as_deref().map_or(Ok(StartFrom::Group), from)?;
        settings.until = flags.until.as_deref().map(|text| time("until", text)).transpose()?;
        settings.kafka = properties(&flags.kafka)?;
        settings.exit_at_end = flags.exit_at_end;
        settings.forget_lost = flags.forget_lost;
        settings.share = flags.share.unwrap_or(settings.share);
        settings.member_timeout = flags.member_timeout.map_or(settings.member_timeout, |Span(d)| d);
        let is_topic = matches!(settings.journal, JournalUrl::Kafka { .. });
        if settings.share && (!is_topic || settings.from != StartFrom::Group) {
            return Err(refuse("share", "true", "needs a Kafka topic, and no --from"));
        }
        settings.source_rate = flags.source_rate;
        settings.admin = flags.admin;
        settings.mutations = flags.mutations.unwrap_or_default();
        settings.indices = Chosen::parse(&flags.index)?;
        settings.also = Also::parse(&flags.replay_also)?;
        if settings.mutations == Mutations::Mirror && !settings.indices.is_all() {
            return Err(refuse("index", &flags.index.join(","), "needs --mutations converge"));
        }
        settings.output = flags.output.unwrap_or_default();
        let set = |to: &mut usize, size: Option<Size>| {
            if let Some(Size(bytes)) = size {
                *to = usize::try_from(bytes).unwrap_or(usize::MAX);
            }
        };
        set(&mut settings.lookahead_bytes, flags.lookahead_bytes);
        set(&mut settings.body_limit, flags.body_limit);
        settings.group = flags.group.unwrap_or(settings.group);
        settings.clock_skew = flags.clock_skew.map_or(settings.clock_skew, |Span(d)| d);
        settings.reorder_window = flags.reorder_window.unwrap_or(settings.reorder_window);
        settings.connection_expiry =
            flags.connection_expiry.map_or(settings.connection_expiry, |Span(d)| d);
        settings.doubt_batch = flags.doubt_batch.unwrap_or(settings.doubt_batch).clamp(1, 10_000);
        settings.note_deletes = flags.note_deletes.unwrap_or(settings.note_deletes);
        settings.transforms = flags.transforms.check()?;
        settings.types = types::check(flags.types, &mut settings.transforms, settings.mutations)?;
        settings.tuple = flags.tuple.check(&settings.tuples)?;
        if settings.tuple.store.is_some() {
            settings.tuple_file_age = AGE_IN_A_STORE;
        }
        settings.tuple_file_bytes =
            flags.tuple_file_bytes.map_or(settings.tuple_file_bytes, |s| s.0);
        settings.tuple_file_age = flags.tuple_file_age.map_or(settings.tuple_file_age, |Span(d)| d);
        settings.log_level = flags.log_level.unwrap_or(settings.log_level);
        Ok(settings)
    }
}

/// Of tuples that go to a store by default: what isn't there isn't committed.
const AGE_IN_A_STORE: Duration = Duration::from_secs(60);

pub(crate) fn pace(speedup: Option<f64>, rate: Option<f64>) -> Result<Pace, BadSettings> {
    match (speedup, rate) {
        (_, Some(rate)) if rate > 0.0 && rate.is_finite() => Ok(Pace::Rate(rate)),
        (_, Some(rate)) => Err(refuse("rate", &rate.to_string(), "must be above 0")),
        (None, None) => Ok(Pace::Speedup(1.0)),
        (Some(0.0), None) => Ok(Pace::Free),
        (Some(factor), None) if factor > 0.0 && factor.is_finite() => Ok(Pace::Speedup(factor)),
        (Some(factor), None) => Err(refuse("speedup", &factor.to_string(), "must be 0 or above")),
    }
}

pub(crate) fn from(text: &str) -> Result<StartFrom, BadSettings> {
    match text {
        "group" => Ok(StartFrom::Group),
        "beginning" => Ok(StartFrom::Beginning),
        _ => match text.parse() {
            Ok(offset) => Ok(StartFrom::Offset(offset)),
            Err(_) => time("from", text).map(StartFrom::Time),
        },
    }
}

pub(crate) fn time(flag: &'static str, text: &str) -> Result<u64, BadSettings> {
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| refuse(flag, text, "expected a time such as 2026-11-23T10:00:00Z"))?;
    u64::try_from(time.as_nanosecond()).map_err(|_| refuse(flag, text, "lies before 1970"))
}

pub(crate) fn properties(texts: &[String]) -> Result<KafkaProperties, BadSettings> {
    // What is no property may be a secret.
    KafkaProperties::parse(texts).map_err(|error| refuse("kafka", "***", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(arguments: &[&str]) -> Result<Settings, String> {
        let minimal = ["traffic-replayer", "--journal", "file:///j", "--target", "http://t:1"];
        let flags =
            Flags::try_parse_from(minimal.iter().chain(arguments)).map_err(|e| e.to_string())?;
        let environment =
            [("GODWIT_TARGET_SECRET", "s"), ("GODWIT_TRAFFIC_REPLAYER__TUPLES", "/t")];
        let environment = environment.map(|(n, v)| (n.to_owned(), v.to_owned()));
        Settings::load(&flags, environment).map_err(|e| e.to_string())
    }

    #[test]
    fn flags_become_settings() {
        let settings =
            load(&["--speedup", "0", "--from", "12", "--target-auth", "basic:u"]).unwrap();
        assert_eq!((settings.pace, settings.from), (Pace::Free, StartFrom::Offset(12)));
        assert!(matches!(settings.target.auth, cluster::Auth::Basic { .. }));
        assert_eq!(settings.tuples, PathBuf::from("/t"));
        let settings = load(&["--from", "1970-01-01T00:00:01Z"]).unwrap();
        assert_eq!(settings.from, StartFrom::Time(1_000_000_000));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(load(&["--speedup=-1"]).unwrap_err().contains("speedup"));
        assert!(load(&["--until", "tomorrow"]).unwrap_err().contains("--until `tomorrow`"));
        assert!(
            load(&["--source", "http://s", "--source-auth", "api-key"])
                .unwrap_err()
                .contains("secret")
        );
    }

    #[test]
    fn the_example_in_config_is_valid_and_shows_every_setting() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/traffic-replayer.yaml");
        let flags = Flags { config: Some(path.into()), ..Flags::default() };
        Settings::load(&flags, []).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        for argument in Flags::command().get_arguments() {
            let Some(name) = argument.get_long().filter(|name| *name != "config") else { continue };
            assert!(text.contains(&format!("{name}:")), "{name} is not in {path}");
        }
    }
}
