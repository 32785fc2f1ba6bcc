//! The demo, stage by stage: a whole migration, while clients write and read.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use testbed::{Folder, Kafka, Server, Testbed};
use tokio::task::JoinHandle;

use crate::cities::Cities;
use crate::client::Figures;
use crate::compare::{self, Comparison};
use crate::ledger::{Ledger, Violation};
use crate::migration::Migration;
use crate::run::{LoadSettings, Mix, create_indices, run};
use crate::table;

/// Clients that fill the source.
const FILLING: usize = 16;
/// Clients that write and read during the migration.
const CLIENTS: usize = 8;
/// Cities that each round of theirs writes about.
const ROUND: usize = 800;
const SEED: u64 = 20_261_123;
/// So many differing ids are printed.
const SHOWN: usize = 50;

/// Which journal to run with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JournalKind {
    File,
    Kafka,
}

/// What the demo may be told.
#[derive(Debug)]
pub struct DemoSettings {
    pub journal: JournalKind,
    /// Cities to load; all when `None`. Of more than there are, some are loaded again under other ids.
    pub documents: Option<usize>,
    /// What the clients write during the migration, documents a second.
    pub writes: f64,
    /// Leave the folder with journal, tuples and logs.
    pub keep: bool,
    /// Where the report goes.
    pub report: PathBuf,
}

/// Runs the demo; true when no document differs.
///
/// # Errors
/// When a server or a step fails, with what it said.
pub async fn demo(settings: &DemoSettings) -> anyhow::Result<bool> {
    let mut folder = Folder::new()?;
    let outcome = stages(settings, folder.path()).await;
    if settings.keep || !matches!(outcome, Ok(true)) {
        folder.keep();
        eprintln!("migration.yaml, journal, tuples and logs are in {}", folder.path().display());
    }
    outcome
}

/// The servers.
struct Servers {
    source: Server,
    target: Server,
    kafka: Option<Kafka>,
}

async fn stages(settings: &DemoSettings, folder: &Path) -> anyhow::Result<bool> {
    let began = Instant::now();
    let mut cities = Cities::load().await?;
    if let Some(documents) = settings.documents {
        cities = cities.repeated(documents.max(FILLING).max(ROUND));
    }
    let servers = boot(settings.journal).await?;
    let (source, target) = (servers.source.url(), servers.target.url());
    let mut migration = migration(&servers, folder).await?;

    create_indices(&source).await?;
    let (ledger, filled) = fill(&source, &cities).await?;
    migration.step(&["setup", "check"]).await?;
    migration.begin().await?;
    say(&format!("{CLIENTS} clients write and read through the proxy {}", migration.proxy()));
    let clients = Clients::begin(&migration.proxy(), &cities, ledger, settings.writes);

    let ran = migration.step(&["run"]).await;
    say("the cut-over: clients stop, and the verdict is asked for once more");
    let (ledger, mut figures, written) = clients.end().await?;
    ran?;
    let last_write = Instant::now();
    migration.step(&["cutover", "check"]).await?;
    say(&format!("verdict {:.1} s after the last write", last_write.elapsed().as_secs_f64()));
    say(&format!("the clients wrote {written:.0} documents a second"));
    let report = settings.report.display().to_string();
    // Searches that race with writes may differ: that is said, and no reason to fail.
    migration.ask(&["compare", "report", "--html", &report]).await?;
    migration.end().await?;
    migration.step(&["journal", "audit"]).await?;

    let bar = bar(0, "comparing source and target, document by document");
    let mut compared = compare::clusters(&source, &target, &bar).await?;
    let kept = compare::with_ledger(&target, &ledger, &bar).await?;
    bar.finish_and_clear();
    compared.differences.extend(kept.differences);
    figures.add(&filled);
    println!("{}", table::requests(&figures));
    println!(
        "source Elasticsearch {}, target OpenSearch {}; {} writes acknowledged, {} refused",
        servers.source.version(),
        servers.target.version(),
        ledger.acknowledged,
        ledger.refused,
    );
    println!("report: {report}");
    Ok(verdict(&compared, began))
}

async fn boot(kind: JournalKind) -> anyhow::Result<Servers> {
    let spinner = spinner("booting Elasticsearch and OpenSearch");
    let kafka = async {
        match kind {
            JournalKind::File => Ok(None),
            JournalKind::Kafka => Testbed::kafka().await.map(Some),
        }
    };
    let (source, target, kafka) =
        tokio::try_join!(Testbed::elasticsearch("7.10"), Testbed::opensearch("3"), kafka)?;
    spinner.finish_and_clear();
    say(&format!("source Elasticsearch {}: {}", source.version(), source.url()));
    say(&format!("target OpenSearch {}: {}", target.version(), target.url()));
    Ok(Servers { source, target, kafka })
}

async fn migration(servers: &Servers, folder: &Path) -> anyhow::Result<Migration> {
    let journal = match &servers.kafka {
        None => None,
        Some(kafka) => {
            kafka.create_topic("traffic", 4).await?;
            Some(kafka.journal("traffic"))
        }
    };
    Migration::new(folder, &servers.source, &servers.target, journal.as_deref())
}

/// The history: documents from before anything is captured.
async fn fill(source: &str, cities: &Cities) -> anyhow::Result<(Ledger, Figures)> {
    let settings = LoadSettings {
        url: source.to_owned(),
        mix: Mix::Inserts,
        clients: FILLING,
        cities: cities.clone(),
        seed: SEED,
        patience: Duration::from_secs(10),
        progress: bar(cities.len() * 9 / 8, "filling the source"),
    };
    let (ledger, stats) = run(&settings, Ledger::default()).await.context("filling the source")?;
    settings.progress.finish_and_clear();
    say(&format!(
        "the source has been filled: {} writes in {:.1} s",
        ledger.acknowledged,
        stats.took.as_secs_f64()
    ));
    Ok((ledger, stats.figures))
}

/// What clients were promised, how long their requests took, and the documents a second that they wrote.
type Written = (Ledger, Figures, f64);

/// Clients that go on until they are told to end.
struct Clients {
    done: Arc<AtomicBool>,
    task: JoinHandle<anyhow::Result<Written>>,
}

impl Clients {
    /// `rate`: documents a second, as clients do, and not all that a machine can take.
    fn begin(proxy: &str, cities: &Cities, ledger: Ledger, rate: f64) -> Self {
        let settings = LoadSettings {
            url: proxy.to_owned(),
            mix: Mix::Updates,
            clients: CLIENTS,
            cities: cities.first(ROUND),
            seed: SEED,
            patience: Duration::from_secs(60),
            progress: ProgressBar::hidden(),
        };
        let done = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(rounds(settings, ledger, rate, Arc::clone(&done)));
        Self { done, task }
    }

    async fn end(self) -> anyhow::Result<Written> {
        self.done.store(true, Ordering::Relaxed);
        self.task.await.context("a client panicked")?
    }
}

async fn rounds(
    mut settings: LoadSettings,
    mut ledger: Ledger,
    rate: f64,
    done: Arc<AtomicBool>,
) -> anyhow::Result<Written> {
    let mut figures = Figures::default();
    let (began, before) = (Instant::now(), ledger.acknowledged);
    let mut written = 0.0;
    while !done.load(Ordering::Relaxed) {
        settings.seed += 1;
        let (kept, stats) = run(&settings, ledger).await.context("a client")?;
        ledger = kept;
        figures.add(&stats.figures);
        written = (ledger.acknowledged - before) as f64;
        let due = Duration::from_secs_f64(written / rate);
        tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
    }
    Ok((ledger, figures, written / began.elapsed().as_secs_f64()))
}

/// Prints what differs and the last line.
fn verdict(compared: &Comparison, began: Instant) -> bool {
    say(&format!("all of it in {:.0} s", began.elapsed().as_secs_f64()));
    let (documents, differences) = (compared.documents, compared.differences.len());
    if differences == 0 {
        println!("demo ok: documents={documents} differences=0");
        return true;
    }
    for Violation { index, id, what } in compared.differences.iter().take(SHOWN) {
        println!("{index}/{id}: {what}");
    }
    println!("demo FAILED: documents={documents} differences={differences}");
    false
}

fn say(what: &str) {
    eprintln!("demo: {what}");
}

/// A bar of known length (0: it only counts), shown on a terminal only.
fn bar(length: usize, name: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, style) = match length {
        0 => (ProgressBar::new_spinner(), "{spinner} {msg}: {pos} [{elapsed}]"),
        _ => (ProgressBar::new(length as u64), "{msg}: {wide_bar} {pos}/{len} [{elapsed}]"),
    };
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.with_message(name.to_owned())
}

fn spinner(name: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(name.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}
