//! What every step has at hand.

use std::path::Path;

use settings::Exit;
use telemetry::Shutdown;

use crate::lock::Lock;
use crate::migration::{Environment, Migration};
use crate::output::Output;
use crate::problem::Problem;
use crate::programs::Program;
use crate::state::{Folder, State};

/// A migration's file, its state, and how to speak.
#[derive(Debug)]
pub struct Console {
    pub migration: Migration,
    pub folder: Folder,
    pub environment: Environment,
    pub output: Output,
    pub shutdown: Shutdown,
    lock: Option<Lock>,
}

impl Console {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is wrong.
    pub fn open(
        path: &Path,
        environment: Environment,
        output: Output,
        shutdown: Shutdown,
    ) -> Result<Console, Problem> {
        let migration = Migration::load(path, &environment)?;
        let folder = Folder::of(path);
        Ok(Console { migration, folder, environment, output, shutdown, lock: None })
    }

    /// Takes the migration's lock, until this console is dropped.
    ///
    /// # Errors
    /// When another console has it.
    pub fn lock(&mut self) -> Result<(), Problem> {
        if self.lock.is_none() {
            let command: Vec<String> = std::env::args().collect();
            self.lock = Some(Lock::take(&self.folder, &command.join(" "))?);
        }
        Ok(())
    }

    /// What is known so far.
    ///
    /// # Errors
    /// When the state can't be read, or is another migration's.
    pub fn state(&self) -> Result<State, Problem> {
        self.folder.load(&self.migration.name)
    }

    /// Changes what is known. Only with the lock, so that nothing is lost.
    ///
    /// # Errors
    /// When the state can't be read or written.
    pub fn change(&self, change: impl FnOnce(&mut State)) -> Result<State, Problem> {
        debug_assert!(self.lock.is_some());
        let mut state = self.state()?;
        change(&mut state);
        self.folder.save(&state)?;
        Ok(state)
    }

    pub fn proxy(&self) -> Program {
        Program::new(&self.folder, "capture-proxy")
    }

    pub fn replayer(&self) -> Program {
        Program::new(&self.folder, "traffic-replayer")
    }

    pub fn backfill(&self) -> Program {
        Program::new(&self.folder, "backfill")
    }

    /// A word on what is being done, for a person who waits.
    pub fn progress(&self, message: &str) {
        eprintln!("godwit: {message}");
    }

    /// Done, or the answer is no.
    pub fn exit(&self, is_well: bool) -> Exit {
        if is_well { Exit::Done } else { Exit::No }
    }
}
