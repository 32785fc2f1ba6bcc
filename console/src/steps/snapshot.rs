//! `godwit snapshot`: the mark first, then the snapshot, then proof that it is whole.

use std::fmt;
use std::time::Duration;

use cluster::{Cluster, Flavour, Method, encode_segment};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};
use settings::Exit;
use snapshot::{Repository, State as Stored};
use tokio::time::{Instant, sleep};

use crate::capture::mark;
use crate::clusters::{find, send};
use crate::console::Console;
use crate::output::Said;
use crate::problem::{Problem, Side};
use crate::state::Taken;

/// Between two looks at a snapshot.
const LOOK: Duration = Duration::from_millis(500);

/// A snapshot as the source shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    pub name: String,
    pub uuid: Option<String>,
    pub state: String,
    pub indices: usize,
    pub shards_successful: u64,
    pub shards_total: u64,
    pub global_state: Option<bool>,
    pub failures: Vec<String>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}, {} indices, {} of {} shards",
            self.name, self.state, self.indices, self.shards_successful, self.shards_total
        )?;
        self.failures.iter().try_for_each(|failure| write!(f, "\n  failed: {failure}"))
    }
}

/// Snapshots, one a line.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct List(Vec<Shown>);

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Shown::to_string).collect();
        f.write_str(if lines.is_empty() { "no snapshots" } else { "" })?;
        f.write_str(&lines.join("\n"))
    }
}

fn path(console: &Console, name: &str) -> String {
    let repository = encode_segment(&console.migration.snapshot.repository);
    format!("/_snapshot/{repository}/{}", encode_segment(name))
}

fn shown(value: &Value) -> Shown {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let failure = |failure: &Value| {
        let of = |key: &str| failure[key].as_str().unwrap_or_default().to_owned();
        format!("{}[{}]: {}", of("index"), failure["shard_id"], of("reason"))
    };
    Shown {
        name: text("snapshot").unwrap_or_default(),
        uuid: text("uuid"),
        state: text("state").unwrap_or_default(),
        indices: value["indices"].as_array().map_or(0, Vec::len),
        shards_successful: value["shards"]["successful"].as_u64().unwrap_or(0),
        shards_total: value["shards"]["total"].as_u64().unwrap_or(0),
        global_state: value["include_global_state"].as_bool(),
        failures: value["failures"].as_array().into_iter().flatten().map(failure).collect(),
    }
}

/// The snapshot of this name; `None`: there is none, or no repository.
async fn look(console: &Console, source: &Cluster, name: &str) -> Result<Option<Shown>, Problem> {
    let found = find(Side::Source, source, &path(console, name)).await?;
    Ok(found.and_then(|found| found["snapshots"].get(0).map(shown)))
}

/// Registers the repository and has the source verify that all its nodes can use it.
async fn register(console: &Console, source: &Cluster) -> Result<(), Problem> {
    let at = &console.migration.snapshot;
    let path = format!("/_snapshot/{}", encode_segment(&at.repository));
    let there = find(Side::Source, source, &path).await?;
    let is_new = there.is_none();
    let registered = match there {
        Some(_) => send(Side::Source, source, Method::POST, &format!("{path}/_verify"), None).await,
        None => send(Side::Source, source, Method::PUT, &path, Some(&at.register)).await,
    };
    if registered.is_ok() && is_new {
        console.change(|state| state.repository_registered = true)?;
    }
    registered.map(drop).map_err(|problem| Problem {
        what: format!("the source can't use the repository `{}`", at.repository),
        next: "see that every node of the source reaches it (for `fs`: `path.repo` names the folder on each), and \
               that `snapshot.register` is right; then `godwit snapshot create`"
            .into(),
        ..problem
    })
}

/// `godwit snapshot create`.
///
/// # Errors
/// When it is too early, a snapshot of the name is another's, or it does not end whole.
pub async fn create(console: &Console) -> Result<Exit, Problem> {
    let clusters = console.clusters().await?;
    let (source, name) = (&clusters.source, console.migration.snapshot.name.clone());
    let mut state = console.state()?;
    if state.capture_verified.is_none() {
        let why = "what is written after the snapshot is only in the journal";
        return Err(Problem::early("it is too early", why, "`godwit capture verify`"));
    }
    register(console, source).await?;
    let there = look(console, source, &name).await?;
    match (&state.snapshot, &there) {
        (Some(taken), Some(shown)) if taken.complete && taken.uuid == shown.uuid => {
            let next = "`godwit metadata migrate`";
            console.output.show(&Said::new(
                "snapshot create",
                format!("done already: {shown}"),
                Some(next),
            ));
            return Ok(Exit::Done);
        }
        (Some(taken), None) if taken.complete => {
            let what = format!("the snapshot {name} of this migration is gone");
            let why = format!("{} had it, and has it no more", console.migration.snapshot.url);
            let next = format!(
                "`godwit reset snapshot` forgets it; then `godwit snapshot create` makes {name} anew"
            );
            return Err(Problem::new(Exit::Data, what, why, next));
        }
        (None, Some(shown)) => {
            let what = format!("there is a snapshot {name} that this migration did not make");
            let next = "set another `snapshot.name`";
            return Err(Problem::config(what, shown, next));
        }
        // Another was made under the name, or ours was made anew after a crash in between: not to be told apart.
        (Some(taken), Some(shown)) if taken.complete => {
            let what = format!("the snapshot {name} is another one than this migration made");
            return Err(Problem::config(
                what,
                shown,
                "`godwit reset snapshot`, or set another `snapshot.name`",
            ));
        }
        _ => {}
    }
    if state.snapshot.is_none() {
        console.progress("marking the journal");
        let mark = mark::set(&console.migration, "snapshot").await?;
        let taken = Taken { name: name.clone(), uuid: None, mark: mark.clone(), complete: false };
        state = console.change(|state| {
            state.mark = Some(mark);
            state.snapshot = Some(taken);
        })?;
    }
    if there.is_none() {
        let body = json!({"indices": "*", "include_global_state": true, "ignore_unavailable": false, "partial": false});
        let body = if is_old(source) { json!({"include_global_state": true}) } else { body };
        send(Side::Source, source, Method::PUT, &path(console, &name), Some(&body)).await?;
    }
    let shown = wait(console, source, &name).await?;
    whole(console, &shown).await?;
    console.change(|state| {
        if let Some(taken) = &mut state.snapshot {
            taken.complete = true;
            taken.uuid.clone_from(&shown.uuid);
        }
    })?;
    tracing::info!(mark = ?state.mark, "the snapshot is whole");
    let said = Said::new(
        "snapshot create",
        shown.to_string(),
        Some("`godwit metadata evaluate`, then `godwit metadata migrate`"),
    );
    console.output.show(&said);
    Ok(Exit::Done)
}

/// Patterns that exclude nothing mean the same; Elasticsearch 1 knows fewer keys.
fn is_old(source: &Cluster) -> bool {
    source.info().flavour == Flavour::Elasticsearch && source.info().major < 2
}

async fn wait(console: &Console, source: &Cluster, name: &str) -> Result<Shown, Problem> {
    let bar = ProgressBar::no_length().with_style(
        ProgressStyle::with_template("snapshot {bar:40} {pos}/{len} shards")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let (began, patience) = (Instant::now(), console.migration.snapshot.patience);
    loop {
        // A snapshot that has just been asked for may not be shown yet.
        let shown = look(console, source, name).await?;
        if let Some(shown) =
            shown.filter(|shown| shown.state != "IN_PROGRESS" && !shown.state.is_empty())
        {
            bar.finish_and_clear();
            return Ok(shown);
        }
        if began.elapsed() > patience {
            let what = format!("the snapshot {name} is not ready after {} s", patience.as_secs());
            let next = "`godwit snapshot status`; raise `snapshot.patience` and repeat: it goes on meanwhile";
            return Err(Problem::new(Exit::TryAgain, what, "the source still makes it", next));
        }
        if let Some(progress) =
            find(Side::Source, source, &format!("{}/_status", path(console, name))).await?
        {
            let shards = &progress["snapshots"][0]["shards_stats"];
            bar.set_length(shards["total"].as_u64().unwrap_or(0));
            bar.set_position(shards["done"].as_u64().unwrap_or(0));
        }
        sleep(LOOK).await;
    }
}

/// Every shard is there, and the global state; on the source's word, and as this host finds it in the repository.
async fn whole(console: &Console, shown: &Shown) -> Result<(), Problem> {
    let name = &shown.name;
    let next = "see the source's log, mend what failed, then `godwit reset snapshot` and `godwit snapshot create`";
    if shown.state != "SUCCESS" || shown.shards_successful != shown.shards_total {
        let what = format!("the snapshot {name} is not whole");
        return Err(Problem::new(Exit::Data, what, shown, next));
    }
    if shown.global_state == Some(false) {
        let what = format!("the snapshot {name} lacks the global state");
        return Err(Problem::new(Exit::Data, what, "templates and pipelines are in it", next));
    }
    let file = console.migration.backfill_file(&console.folder, &console.environment)?;
    let settings = console.migration.backfill_settings(&file, &console.environment)?;
    let stored = async {
        let repository = Repository::open(settings.read.repository).await?;
        repository.snapshot(name).await
    };
    let stored = stored.await.map_err(|error| {
        let what = format!(
            "this host can't read the snapshot {name} at {}",
            console.migration.snapshot.url
        );
        let next = "correct `snapshot.repository` and its options, then `godwit snapshot create`";
        Problem::new(Exit::Config, what, error, next)
    })?;
    match &stored.info().state {
        Stored::Success => Ok(()),
        state => {
            let what = format!("the snapshot {name} is not whole in the repository");
            Err(Problem::new(Exit::Data, what, format!("{state:?}"), next))
        }
    }
}

/// `godwit snapshot status`.
///
/// # Errors
/// When the source can't be asked.
pub async fn status(console: &Console) -> Result<Exit, Problem> {
    let clusters = console.clusters().await?;
    let name = &console.migration.snapshot.name;
    match look(console, &clusters.source, name).await? {
        Some(shown) => {
            console.output.show(&shown);
            Ok(console.exit(matches!(shown.state.as_str(), "SUCCESS" | "IN_PROGRESS")))
        }
        None => {
            let said = Said::new(
                "snapshot status",
                format!("there is no snapshot {name}"),
                Some("`godwit snapshot create`"),
            );
            console.output.show(&said);
            Ok(Exit::No)
        }
    }
}

/// `godwit snapshot list`.
///
/// # Errors
/// When the source can't be asked.
pub async fn list(console: &Console) -> Result<Exit, Problem> {
    let clusters = console.clusters().await?;
    let found = find(Side::Source, &clusters.source, &path(console, "_all")).await?;
    let snapshots = found.map(|found| found["snapshots"].as_array().cloned().unwrap_or_default());
    console.output.show(&List(snapshots.unwrap_or_default().iter().map(shown).collect()));
    Ok(Exit::Done)
}

/// `godwit snapshot delete`: only the one that this migration made, and only by its name.
///
/// # Errors
/// When it isn't, or the source refuses.
pub async fn delete(console: &Console, name: &str) -> Result<Exit, Problem> {
    let clusters = console.clusters().await?;
    let state = console.state()?;
    let Some(taken) = state.snapshot.filter(|taken| taken.name == name) else {
        let what = format!("this migration did not make a snapshot {name}");
        let why = "others' snapshots are never deleted";
        return Err(Problem::new(Exit::Usage, what, why, "`godwit snapshot list`"));
    };
    let there = look(console, &clusters.source, name).await?;
    if let Some(there) = &there {
        if taken.complete && there.uuid != taken.uuid {
            let what = format!("the snapshot {name} is another one than this migration made");
            return Err(Problem::new(Exit::Data, what, there, "delete it by hand, if it is to go"));
        }
        send(Side::Source, &clusters.source, Method::DELETE, &path(console, name), None).await?;
    }
    console.change(|state| {
        state.snapshot = None;
        state.mark = None;
    })?;
    let message = format!("the snapshot {name} is gone");
    console.output.show(&Said::new("snapshot delete", message, None));
    Ok(Exit::Done)
}
