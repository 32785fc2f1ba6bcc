//! The demo, stage by stage.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use testbed::{Folder, Kafka, Server, Testbed};

use crate::cities::Cities;
use crate::client::Figures;
use crate::compare::{self, Comparison};
use crate::ledger::{Ledger, Violation};
use crate::programs::{Proxy, Replay, Summary};
use crate::replayed::Replayed;
use crate::run::{LoadSettings, Mix, create_indices, run};
use crate::table;

const CLIENTS: usize = 16;
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
    /// Cities to load; all when `None`.
    pub documents: Option<usize>,
    /// Leave the folder with journal, tuples and logs.
    pub keep: bool,
}

/// Runs the demo; true when no document differs.
///
/// # Errors
/// When a server or a program fails, with what it said.
pub async fn demo(settings: &DemoSettings) -> anyhow::Result<bool> {
    let mut folder = Folder::new()?;
    let outcome = stages(settings, folder.path()).await;
    if settings.keep || !matches!(outcome, Ok(true)) {
        folder.keep();
        eprintln!("journal, tuples and logs are in {}", folder.path().display());
    }
    outcome
}

struct Stages {
    folder: PathBuf,
    source: Server,
    target: Server,
    journal: String,
    proxy: Proxy,
    load: LoadSettings,
    figures: Figures,
    replayed: Replayed,
    replays: Vec<(&'static str, Summary)>,
    /// Held, so that it lives as long as the journal in it.
    _kafka: Option<Kafka>,
}

async fn stages(settings: &DemoSettings, folder: &Path) -> anyhow::Result<bool> {
    let began = Instant::now();
    let mut cities = Cities::load().await?;
    if let Some(documents) = settings.documents {
        cities = cities.first(documents.max(CLIENTS));
    }
    let mut stages = Stages::boot(settings.journal, cities, folder).await?;

    create_indices(&stages.proxy.url()).await?;
    let ledger = stages.load(Mix::Inserts, Ledger::default()).await?;

    say("the source is stopped: the replay has nothing but the journal");
    stages.source.stop().await?;
    stages.replay("inserts, deletes; source stopped", None).await?;
    let kept = stages.promises(&ledger).await?;
    if !kept.differences.is_empty() {
        return Ok(verdict(&kept, began));
    }

    say("the source is started again, and the clients go on");
    stages.source.start().await?;
    let ledger = stages.load(Mix::Updates, ledger).await?;
    let source = stages.source.url();
    stages.replay("updates, scripts, filtered bulks", Some(&source)).await?;

    let bar = bar(0, "comparing source and target");
    let target = stages.target.url();
    let mut compared = compare::clusters(&source, &target, &bar).await?;
    bar.finish();
    compared.differences.extend(stages.promises(&ledger).await?.differences);

    println!("{}", table::requests(&stages.figures, &stages.replayed));
    println!("{}", table::operations(&stages.replays));
    println!(
        "source Elasticsearch {}, target OpenSearch {}, {} writes acknowledged, {} refused",
        stages.source.version(),
        stages.target.version(),
        ledger.acknowledged,
        ledger.refused,
    );
    stages.proxy.stop().await?;
    Ok(verdict(&compared, began))
}

impl Stages {
    async fn boot(kind: JournalKind, cities: Cities, folder: &Path) -> anyhow::Result<Self> {
        let spinner = spinner("booting Elasticsearch and OpenSearch");
        let kafka = async {
            match kind {
                JournalKind::File => Ok(None),
                JournalKind::Kafka => Testbed::kafka().await.map(Some),
            }
        };
        let servers =
            tokio::try_join!(Testbed::elasticsearch("7.10"), Testbed::opensearch("3"), kafka);
        let (source, target, kafka) = servers?;
        spinner.finish_and_clear();
        say(&format!("source Elasticsearch {}: {}", source.version(), source.url()));
        say(&format!("target OpenSearch {}: {}", target.version(), target.url()));
        let journal = match &kafka {
            None => format!("file://{}", folder.join("journal").display()),
            Some(kafka) => {
                kafka.create_topic("traffic", 4).await?;
                kafka.journal("traffic")
            }
        };
        let proxy = Proxy::start(&source.url(), &journal, folder).await?;
        say(&format!("capture-proxy {} -> {journal}", proxy.url()));
        let load = LoadSettings {
            url: proxy.url(),
            mix: Mix::Inserts,
            clients: CLIENTS,
            cities,
            seed: SEED,
            patience: Duration::from_secs(10),
            progress: ProgressBar::hidden(),
        };
        Ok(Self {
            folder: folder.to_owned(),
            source,
            target,
            journal,
            proxy,
            load,
            figures: Figures::default(),
            replayed: Replayed::default(),
            replays: Vec::new(),
            _kafka: kafka,
        })
    }

    async fn load(&mut self, mix: Mix, ledger: Ledger) -> anyhow::Result<Ledger> {
        let writes = match mix {
            Mix::Inserts => self.load.cities.len() * 9 / 8,
            Mix::Updates => self.load.cities.len() / 3,
        };
        let name = format!("load: {}, {CLIENTS} clients", mix.name());
        let settings = LoadSettings { mix, progress: bar(writes, &name), ..self.load.clone() };
        let before = ledger.acknowledged;
        let (ledger, stats) = run(&settings, ledger).await.with_context(|| name.clone())?;
        settings.progress.finish_and_clear();
        self.figures.add(&stats.figures);
        say(&format!(
            "{name}: {} requests in {:.1} s, {} writes acknowledged",
            stats.requests(),
            stats.took.as_secs_f64(),
            ledger.acknowledged - before,
        ));
        Ok(ledger)
    }

    async fn replay(&mut self, name: &'static str, source: Option<&str>) -> anyhow::Result<()> {
        let spinner = spinner(&format!("replaying: {name}"));
        let number = self.replays.len() + 1;
        let tuples = self.folder.join(format!("tuples-{number}"));
        let replay = Replay {
            journal: &self.journal,
            target: &self.target.url(),
            source,
            tuples: &tuples,
            log: &self.folder.join(format!("traffic-replayer-{number}.log")),
        };
        let summary = replay.run().await?;
        spinner.finish_and_clear();
        self.replayed.read(&tuples)?;
        say(&format!(
            "replayed {} requests in {:.1} s",
            summary.requests,
            summary.took.as_secs_f64()
        ));
        self.replays.push((name, summary));
        Ok(())
    }

    /// Holds the target against the ledger.
    async fn promises(&self, ledger: &Ledger) -> anyhow::Result<Comparison> {
        let bar = bar(0, "comparing the target with what was acknowledged");
        let kept = compare::with_ledger(&self.target.url(), ledger, &bar).await?;
        bar.finish_and_clear();
        say(&format!(
            "{} documents on the target, {} not as acknowledged",
            kept.documents,
            kept.differences.len()
        ));
        Ok(kept)
    }
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
