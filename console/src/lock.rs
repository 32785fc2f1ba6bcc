//! One console at a time works on a migration.
//!
//! The lock is the kernel's, on a file that says who has it: when its process is gone, however it ended, the lock is
//! free. A folder that another host shares says so by the host in the file, because not every file system carries
//! locks between hosts.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek as _, Write as _};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use settings::Exit;

use crate::host;
use crate::problem::Problem;
use crate::state::Folder;

/// Who works on a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: String,
    command: String,
    since: Timestamp,
}

/// Held until dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock for `command`.
    ///
    /// # Errors
    /// When another console has it: says who.
    pub fn take(folder: &Folder, command: &str) -> Result<Lock, Problem> {
        let path = folder.join("lock");
        let fail = |error: std::io::Error| Problem::file(&path, error);
        fs::create_dir_all(folder.path()).map_err(fail)?;
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(&path).map_err(fail)?;
        let known = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(known, &path)),
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        if let Some(Holder { host, .. }) = &known
            && *host != host::name()
        {
            return Err(held(known, &path));
        }
        let holder = Holder {
            pid: std::process::id(),
            host: host::name(),
            command: command.to_owned(),
            since: Timestamp::now(),
        };
        let text = serde_json::to_vec(&holder).unwrap_or_default();
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| {
            file.write_all(&text)?;
            file.sync_all()
        });
        written.map_err(fail)?;
        Ok(Lock { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The kernel gives the lock back; an empty file tells other hosts. If that fails, they are told to delete it.
        let _ = self.file.set_len(0);
    }
}

fn held(holder: Option<Holder>, path: &std::path::Path) -> Problem {
    let what = "another console works on this migration";
    let Some(Holder { pid, host, command, since }) = holder else {
        return Problem::new(Exit::TryAgain, what, "it has just begun", "repeat in a moment");
    };
    let why = format!("process {pid} on {host} runs `{command}` since {since:.0}");
    let next = match host == host::name() {
        true => format!("wait for it, or end it with `kill {pid}`"),
        false => format!("wait for it; if that host is gone, delete {}", path.display()),
    };
    Problem::new(Exit::TryAgain, what, why, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is_and_a_dead_ones_lock_is_taken() {
        let place = tempfile::TempDir::new().unwrap();
        let folder = Folder::of(&place.path().join("m.yaml"));
        let first = Lock::take(&folder, "godwit verify").unwrap();
        let told = Lock::take(&folder, "godwit run").unwrap_err().to_string();
        assert!(told.contains(&format!("process {} on", std::process::id())), "{told}");
        assert!(told.contains("runs `godwit verify`"), "{told}");
        drop(first);
        drop(Lock::take(&folder, "godwit run").unwrap());
        // What a killed console leaves: its words, and no lock.
        let dead = |host: String| {
            let holder = Holder { pid: 1, host, command: "c".into(), since: Timestamp::now() };
            fs::write(folder.join("lock"), serde_json::to_vec(&holder).unwrap()).unwrap();
        };
        dead(host::name());
        drop(Lock::take(&folder, "godwit run").unwrap());
        dead("elsewhere".into());
        let told = Lock::take(&folder, "godwit run").unwrap_err().to_string();
        assert!(told.contains("if that host is gone, delete"), "{told}");
    }
}
