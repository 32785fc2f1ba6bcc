//! `godwit journal`.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use capture_proxy::audit::Auditor;
use codec::record::{Kind, Record, Switched};
use jiff::Timestamp;
use journal::{AppendError, Appender, Entry, JournalUrl, Lane, Reader, StartFrom, Urgency};
use serde::Serialize;
use settings::Exit;
use traffic_replayer::{ExportError, ExportFlags};

use crate::capture::{each, open};
use crate::console::Console;
use crate::output::{Output, Said};
use crate::problem::Problem;
use crate::programs::Standing;

/// `godwit journal audit`, and `describe`, which judges nothing.
///
/// # Errors
/// When the journal can't be read.
pub async fn audit(console: &Console, judges: bool) -> Result<Exit, Problem> {
    let mut auditor = Auditor::default();
    each(&console.migration, StartFrom::Beginning, &console.shutdown, |entry| auditor.take(entry))
        .await?;
    let audit = auditor.finish();
    console.output.show(&audit);
    Ok(console.exit(audit.whole || !judges))
}

/// A record in one line.
#[derive(Debug, Serialize)]
struct Shown {
    partition: i32,
    offset: u64,
    at: Option<String>,
    connection: String,
    number: u64,
    what: Vec<String>,
}

impl Shown {
    fn of(entry: &Entry) -> Shown {
        let (partition, offset) = (entry.partition, entry.offset);
        match &entry.record {
            Err(bad) => Shown {
                partition,
                offset,
                at: None,
                connection: String::new(),
                number: 0,
                what: vec![bad.to_string()],
            },
            Ok(record) => {
                let at = record.heartbeat.as_ref().map(|beat| beat.clock);
                let at = at.or_else(|| record.observations.first().map(|first| first.at));
                let at = at.and_then(|at| Timestamp::from_nanosecond(i128::from(at)).ok());
                Shown {
                    partition,
                    offset,
                    at: at.map(|at| at.to_string()),
                    connection: record.connection.clone(),
                    number: record.number,
                    what: words(record),
                }
            }
        }
    }
}

/// What a record holds. Secrets aren't in it: the proxy has left them out.
fn words(record: &Record) -> Vec<String> {
    if let Some(beat) = &record.heartbeat {
        let switched = match beat.switched {
            None => "",
            Some(Switched { on: 0, .. }) => "; capture is switched off",
            Some(_) => "; capture is on again",
        };
        let (node, records) = (&record.node, beat.records);
        return vec![format!("heartbeat of {node}: {records} records{switched}")];
    }
    let word = |kind: &Kind| match kind {
        Kind::Connect => Some("connect".to_owned()),
        Kind::Read(bytes) | Kind::ReadSegment(bytes) => Some(format!("> {}", first_line(bytes))),
        Kind::Write(bytes) | Kind::WriteSegment(bytes) => Some(format!("< {}", first_line(bytes))),
        Kind::Close => Some("close".to_owned()),
        Kind::Exception(why) => Some(format!("exception: {why}")),
        _ => None,
    };
    record.observations.iter().filter_map(|observation| word(&observation.kind)).collect()
}

fn first_line(bytes: &Bytes) -> String {
    const LONGEST: usize = 120;
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let line = line.get(..LONGEST).unwrap_or(line);
    format!("{} ({} bytes)", line.escape_ascii(), bytes.len())
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.as_deref().unwrap_or("-");
        write!(f, "{}@{} {at} {} #{}", self.partition, self.offset, self.connection, self.number)?;
        self.what.iter().try_for_each(|what| write!(f, "\n    {what}"))
    }
}

/// One to a line in JSON, so that they can be followed.
fn show(output: Output, entry: &Entry) {
    let shown = Shown::of(entry);
    match output {
        Output::Table => output.show(&shown),
        Output::Json => println!("{}", serde_json::to_string(&shown).unwrap_or_default()),
    }
}

/// `godwit journal tail`.
///
/// # Errors
/// When the journal can't be read.
pub async fn tail(console: &Console, number: usize, follow: bool) -> Result<Exit, Problem> {
    let number = number.min(100_000);
    let mut last: VecDeque<Entry> = VecDeque::new();
    let mut reader = open(&console.migration, StartFrom::Beginning).await?;
    let ends = reader.ends().await.map_err(|error| Problem::journal(&error))?;
    while !reader.has_reached(&ends) {
        let entry = reader.next().await.map_err(|error| Problem::journal(&error))?;
        let is_beat = entry.record.as_ref().is_ok_and(|record| record.heartbeat.is_some());
        if is_beat || number == 0 {
            continue;
        }
        if last.len() >= number {
            last.pop_front();
        }
        last.push_back(entry);
    }
    last.iter().for_each(|entry| show(console.output, entry));
    if !follow {
        return Ok(Exit::Done);
    }
    // Until it is stopped.
    loop {
        let entry = reader.next().await.map_err(|error| Problem::journal(&error))?;
        if entry.record.as_ref().is_ok_and(|record| record.heartbeat.is_none()) {
            show(console.output, &entry);
        }
    }
}

/// `godwit journal export`.
///
/// # Errors
/// When the journal can't be read, or the file not be written.
pub async fn export(console: &Console, file: PathBuf) -> Result<Exit, Problem> {
    let migration = &console.migration;
    let kafka = migration.kafka.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let flags = ExportFlags {
        journal: migration.journal.to_string(),
        kafka,
        file: file.clone(),
        ..ExportFlags::default()
    };
    let exported = traffic_replayer::export(&flags).await.map_err(|error| match error {
        ExportError::Journal(error) => Problem::journal(&error),
        ExportError::Settings(error) => Problem::section("journal", &error),
        error @ ExportError::Write { .. } => Problem::file(&file, error),
    })?;
    console.output.show(&Said::new("journal export", exported.to_string(), None));
    Ok(console.exit(exported.unknown == 0 && exported.lost == 0))
}

/// `godwit journal import`: appends an export's records, each in its connection's partition and order.
///
/// # Errors
/// When the file can't be read, the journal takes nothing, or a proxy of this console writes to it.
pub async fn import(console: &Console, file: PathBuf) -> Result<Exit, Problem> {
    let migration = &console.migration;
    let is_file = matches!(migration.journal, JournalUrl::File(_));
    if is_file && matches!(console.proxy().standing()?, Standing::Running(_)) {
        let why = "the proxy appends to it, and a file journal takes one writer";
        return Err(Problem::early(
            "the journal is in use",
            why,
            "`godwit capture stop`, then repeat",
        ));
    }
    let url = &migration.journal;
    let settings =
        journal::AppendSettings { kafka_properties: migration.kafka.clone(), ..Default::default() };
    let refused = |error: AppendError| {
        let what = format!("the journal {url} takes nothing");
        let next = "see that nothing else writes to it and that it has room, then repeat: readers drop what comes twice";
        Problem::new(Exit::Unavailable, what, error, next)
    };
    let from = JournalUrl::Export(std::path::absolute(&file).unwrap_or(file));
    let mut reader = Reader::open(&from, "import", StartFrom::Beginning, &[]).await;
    let reader = reader.as_mut().map_err(|error| Problem::journal(error))?;
    let ends = reader.ends().await.map_err(|error| Problem::journal(&error))?;
    let appender = Appender::open(url, &settings).map_err(refused)?;
    let mut lanes: HashMap<String, (Lane, u64)> = HashMap::new();
    let (mut records, mut unreadable) = (0u64, 0u64);
    while !reader.has_reached(&ends) {
        let entry = reader.next().await.map_err(|error| Problem::journal(&error))?;
        let Ok(record) = entry.record else {
            unreadable += 1;
            continue;
        };
        if record.heartbeat.is_some() {
            // Of proxies that are long gone: in this journal they would say what isn't so.
            continue;
        }
        let lane = || (appender.lane(&record.connection), 0);
        let (lane, number) = lanes.entry(record.connection.clone()).or_insert_with(lane);
        *number += 1;
        let appended = appender.append_with_room(lane, *number, entry.value, Urgency::Follows);
        appended.await.map_err(refused)?;
        records += 1;
        if record.last {
            lanes.remove(&record.connection);
        }
    }
    let lost = appender.close(PATIENCE);
    if lost > 0 {
        let why = format!("{lost} of {records} records did not become durable");
        let next = "see that it has room, then repeat: readers drop what comes twice";
        return Err(Problem::new(
            Exit::TryAgain,
            format!("the journal {url} lost records"),
            why,
            next,
        ));
    }
    let message = format!("{records} records appended; {unreadable} lines were none");
    console.output.show(&Said::new("journal import", message, Some("`godwit journal audit`")));
    Ok(console.exit(unreadable == 0))
}

/// How long the appended records have to become durable.
const PATIENCE: Duration = Duration::from_secs(60);
