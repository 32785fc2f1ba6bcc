//! `godwit reset`: what this migration made, by name. Nothing of the source's own is ever touched.

use std::path::Path;

use cluster::{Cluster, Method, encode_segment};
use settings::Exit;

use super::setup::is_ours;
use crate::cli::Made;
use crate::clusters::{find, send};
use crate::command::confirmed;
use crate::console::Console;
use crate::output::Said;
use crate::problem::{Problem, Side};
use crate::programs::{Program, Standing};

/// What the replay keeps on the target.
const NOTES: [&str; 4] = [".godwit-deletes", ".godwit-ledger", ".godwit-group", ".godwit-lost"];

/// Takes away what is named.
///
/// # Errors
/// When nobody says yes, a program still uses it, or a cluster refuses.
pub async fn reset(console: &Console, mut what: Vec<Made>, yes: bool) -> Result<Exit, Problem> {
    // The state last: the others need what it says.
    what.sort();
    what.dedup();
    let plan: Vec<String> = what.iter().map(|made| described(console, *made)).collect();
    if !yes && !confirmed(&format!("this goes away:\n  {}\nreally?", plan.join("\n  "))) {
        let why = "nobody said yes";
        let next = "repeat it on a terminal, or with --yes";
        return Err(Problem::new(Exit::Usage, "nothing was reset", why, next));
    }
    for made in what {
        match made {
            Made::Backfill => backfill(console).await?,
            Made::Replay => replay(console)?,
            Made::Notes => notes(console).await?,
            Made::Target => target(console).await?,
            Made::Snapshot => snapshot(console).await?,
            Made::Repository => repository(console).await?,
            Made::Journal => journal(console)?,
            Made::State => state(console)?,
        }
    }
    console.output.show(&Said::new(
        "reset",
        format!("gone: {}", plan.join("; ")),
        Some("`godwit status`"),
    ));
    Ok(Exit::Done)
}

fn described(console: &Console, made: Made) -> String {
    let migration = &console.migration;
    match made {
        Made::Backfill => {
            format!("the bookkeeping of the backfill {} on the target", migration.backfill_run)
        }
        Made::Replay => {
            format!("how far the replay is, and the tuples in {}", migration.tuples.display())
        }
        Made::Notes => format!("{} on the target", NOTES.join(", ")),
        Made::Target => "every index of the target that carries the mark of a migration".into(),
        Made::Snapshot => {
            format!("the snapshot {} in {}", migration.snapshot.name, migration.snapshot.url)
        }
        Made::Repository => {
            format!("the registration of {} on the source", migration.snapshot.repository)
        }
        Made::Journal => format!("the journal {}", migration.journal),
        Made::State => format!("the state in {}", console.folder.path().display()),
    }
}

fn idle(program: &Program, stop: &str) -> Result<(), Problem> {
    match program.standing()? {
        Standing::Running(process) => {
            let why = format!("{} runs as process {}", program.name, process.pid);
            Err(Problem::early("it is in use", why, stop))
        }
        _ => Ok(()),
    }
}

async fn delete(target: &Cluster, index: &str) -> Result<(), Problem> {
    let path = format!("/{}", encode_segment(index));
    match find(Side::Target, target, &path).await? {
        Some(_) => send(Side::Target, target, Method::DELETE, &path, None).await.map(drop),
        None => Ok(()),
    }
}

fn gone(path: &Path, removed: std::io::Result<()>) -> Result<(), Problem> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Problem::file(path, error))
        }
        _ => Ok(()),
    }
}

/// A folder that only this console has anything in.
fn remove(path: &Path) -> Result<(), Problem> {
    gone(path, std::fs::remove_dir_all(path))
}

/// Of a folder that a person named only the files that a program writes: it may hold others.
fn remove_files(folder: &Path, endings: &[&str]) -> Result<(), Problem> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Problem::file(folder, error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| Problem::file(folder, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
            gone(&path, std::fs::remove_file(&path))?;
        }
    }
    Ok(())
}

async fn backfill(console: &Console) -> Result<(), Problem> {
    idle(&console.backfill(), "`godwit backfill stop`")?;
    let clusters = console.clusters().await?;
    delete(&clusters.target, &format!(".godwit-backfill-{}", console.migration.backfill_run))
        .await?;
    remove(&console.folder.join("failed"))?;
    console.change(|state| {
        state.backfill_started = None;
        state.backfill_complete = None;
    })?;
    Ok(())
}

/// The next start begins at the mark again: offsets that a group has committed are passed over.
fn replay(console: &Console) -> Result<(), Problem> {
    idle(&console.replayer(), "`godwit replay stop`")?;
    remove_files(&console.migration.tuples, &[".log.gz", ".log.zst"])?;
    console.change(|state| state.replay_started = None)?;
    Ok(())
}

async fn notes(console: &Console) -> Result<(), Problem> {
    idle(&console.replayer(), "`godwit replay stop`")?;
    let clusters = console.clusters().await?;
    for index in NOTES {
        delete(&clusters.target, index).await?;
    }
    Ok(())
}

async fn target(console: &Console) -> Result<(), Problem> {
    idle(&console.replayer(), "`godwit replay stop`")?;
    idle(&console.backfill(), "`godwit backfill stop`")?;
    let clusters = console.clusters().await?;
    let definitions = clusters.target.index_definitions("*").await;
    let definitions = definitions.map_err(|error| Problem::cluster(Side::Target, &error))?;
    for (name, definition) in &definitions {
        if is_ours(&definition.mappings) && console.migration.moves(name) {
            delete(&clusters.target, name).await?;
        }
    }
    console.change(|state| {
        state.metadata_migrated = None;
        state.verified = None;
    })?;
    Ok(())
}

async fn snapshot(console: &Console) -> Result<(), Problem> {
    let Some(taken) = console.state()?.snapshot else { return Ok(()) };
    idle(&console.backfill(), "`godwit backfill stop`")?;
    let clusters = console.clusters().await?;
    let at = &console.migration.snapshot;
    let path =
        format!("/_snapshot/{}/{}", encode_segment(&at.repository), encode_segment(&taken.name));
    let found = find(Side::Source, &clusters.source, &path).await?;
    let uuid = found.as_ref().and_then(|found| found["snapshots"][0]["uuid"].as_str());
    // One that is complete is known by its uuid; another's of the same name stays.
    let is_ours = !taken.complete || uuid == taken.uuid.as_deref();
    if found.is_some() && is_ours {
        send(Side::Source, &clusters.source, Method::DELETE, &path, None).await?;
    }
    console.change(|state| {
        state.snapshot = None;
        state.mark = None;
        state.replay_started = None;
    })?;
    Ok(())
}

async fn repository(console: &Console) -> Result<(), Problem> {
    let name = &console.migration.snapshot.repository;
    if !console.state()?.repository_registered {
        let what = format!("this migration did not register the repository {name}");
        return Err(Problem::new(
            Exit::Usage,
            what,
            "others' registrations stay",
            "`godwit snapshot list`",
        ));
    }
    let clusters = console.clusters().await?;
    let path = format!("/_snapshot/{}", encode_segment(name));
    if find(Side::Source, &clusters.source, &path).await?.is_some() {
        send(Side::Source, &clusters.source, Method::DELETE, &path, None).await?;
    }
    console.change(|state| state.repository_registered = false)?;
    Ok(())
}

fn journal(console: &Console) -> Result<(), Problem> {
    idle(&console.proxy(), "`godwit capture stop`")?;
    idle(&console.replayer(), "`godwit replay stop`")?;
    let journal::JournalUrl::File(folder) = &console.migration.journal else {
        let what = format!("{} is not this console's to delete", console.migration.journal);
        let why = "a topic belongs to its Kafka";
        return Err(Problem::new(Exit::Usage, what, why, "delete the topic there"));
    };
    remove_files(folder, &[".seg", "writer.lock"])?;
    remove(&folder.join("groups"))?;
    console.change(|state| {
        state.capture_started = None;
        state.capture_verified = None;
        state.baseline = None;
    })?;
    Ok(())
}

fn state(console: &Console) -> Result<(), Problem> {
    for (program, stop) in [
        (console.proxy(), "`godwit capture stop`"),
        (console.replayer(), "`godwit replay stop`"),
        (console.backfill(), "`godwit backfill stop`"),
    ] {
        idle(&program, stop)?;
    }
    // The lock stays until this console ends; everything else of the folder is known by name.
    remove(&console.folder.programs())?;
    for name in ["state.json", "report.html"] {
        let path = console.folder.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Problem::file(&path, error));
            }
            _ => {}
        }
    }
    Ok(())
}
