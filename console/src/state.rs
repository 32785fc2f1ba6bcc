//! What is known of a migration between two commands: a folder beside its file.
//!
//! ```text
//! migration.yaml
//! migration.state/state.json     what was done, replaced in one step
//!                 lock           who works on it
//!                 programs/      NAME.yaml, NAME.log, NAME.process, NAME.exit of what runs long
//!                 tuples/ failed/ report.html
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// The format of `state.json`.
const FORMAT: u32 = 1;

/// The folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

/// A cluster as it was when it was first seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    pub url: String,
    /// `None`: this version tells none.
    pub uuid: Option<String>,
    pub flavour: String,
    pub version: String,
}

/// The numbers of the source's shards at one moment, by the UUID of their index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Nanoseconds since 1970: before the source was asked, and when it had answered.
    pub asked: u64,
    pub answered: u64,
    /// How many operations an index's shards had numbered.
    pub indices: BTreeMap<String, IndexNumbers>,
}

/// One index in [`Numbers`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexNumbers {
    pub name: String,
    pub operations: u64,
}

/// The place in the journal from which a replay on top of the snapshot begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The marked request, as it is found in the journal.
    pub id: String,
    /// When it was captured, in nanoseconds since 1970.
    pub at: u64,
    /// The oldest write that was open on any proxy by then; at most `at`.
    pub replay_from: u64,
    /// The proxies that were heard of.
    pub nodes: Vec<String>,
}

/// The snapshot of this migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub name: String,
    pub uuid: Option<String>,
    pub mark: Mark,
    /// Found whole; `false` while it is being made.
    pub complete: bool,
}

/// How the last verification ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedAt {
    pub at: Timestamp,
    pub documents: u64,
    pub differences: u64,
    /// Indices and data streams that could not be compared.
    pub skipped: u64,
}

/// Everything that is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub format: u32,
    /// The migration's name.
    pub migration: String,
    pub source: Option<Known>,
    pub target: Option<Known>,
    /// A person said that what the target holds may stay.
    pub target_data_accepted: bool,
    pub setup_checked: Option<Timestamp>,
    pub capture_started: Option<Timestamp>,
    pub capture_verified: Option<Timestamp>,
    /// The source's numbers when capture had been verified.
    pub baseline: Option<Numbers>,
    pub mark: Option<Mark>,
    pub snapshot: Option<Taken>,
    /// This migration registered the repository on the source.
    pub repository_registered: bool,
    pub metadata_migrated: Option<Timestamp>,
    pub backfill_started: Option<Timestamp>,
    pub backfill_complete: Option<Timestamp>,
    pub replay_started: Option<Timestamp>,
    pub verified: Option<VerifiedAt>,
}

impl Folder {
    /// The folder of a migration's file: `x.yaml` → `x.state`.
    pub fn of(migration: &Path) -> Folder {
        let migration = std::path::absolute(migration).unwrap_or_else(|_| migration.to_owned());
        Folder(migration.with_extension("state"))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where a thing of this name is kept.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Where programs that run long keep their files.
    pub fn programs(&self) -> PathBuf {
        self.0.join("programs")
    }

    /// Reads the state; a new one where there is none.
    ///
    /// # Errors
    /// When it can't be read, or is another migration's.
    pub fn load(&self, migration: &str) -> Result<State, Problem> {
        let path = self.join("state.json");
        let new = State { format: FORMAT, migration: migration.to_owned(), ..State::default() };
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(new),
            Err(error) => return Err(Problem::file(&path, error)),
        };
        let elsewhere = "move that folder away to begin anew, or bring back the one that belongs \
                         to this migration";
        let state: State = serde_json::from_slice(&text).map_err(|error| {
            Problem::config(format!("{} is damaged", path.display()), error, elsewhere)
        })?;
        if state.format > FORMAT {
            let why = format!("its format is {}, and this console knows {FORMAT}", state.format);
            let what = format!("{} was written by a newer console", path.display());
            return Err(Problem::config(what, why, "use that console"));
        }
        if state.migration != migration {
            let why = format!(
                "it is of the migration `{}`, and the file says `{migration}`",
                state.migration
            );
            let what = format!("{} belongs to another migration", path.display());
            return Err(Problem::config(what, why, elsewhere));
        }
        Ok(state)
    }

    /// Replaces the state in one step, so that a crash leaves the old one or the new.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn save(&self, state: &State) -> Result<(), Problem> {
        let text = serde_json::to_vec_pretty(state)
            .map_err(|error| Problem::file(&self.join("state.json"), error))?;
        self.write("state.json", &text)
    }

    /// Writes a file of the folder in one step.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), Problem> {
        let path = self.join(name);
        write_atomically(&path, content).map_err(|error| Problem::file(&path, error))
    }
}

/// Writes beside, syncs, renames.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let part = path.with_added_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_and_anothers_is_refused() {
        let place = tempfile::TempDir::new().unwrap();
        let folder = Folder::of(&place.path().join("move.yaml"));
        assert!(folder.path().ends_with("move.state"));
        let mut state = folder.load("one").unwrap();
        state.target_data_accepted = true;
        folder.save(&state).unwrap();
        assert_eq!(folder.load("one").unwrap(), state);
        let other = folder.load("two").unwrap_err().to_string();
        assert!(other.contains("it is of the migration `one`"), "{other}");
        assert!(other.contains("next: move that folder away"), "{other}");
        fs::write(folder.join("state.json"), b"{").unwrap();
        assert!(folder.load("one").unwrap_err().to_string().contains("is damaged"));
    }
}
