//! Programs that run long, as processes of this host: started, found again, stopped.
//!
//! A process says itself who it is: `godwit exec --kept FOLDER/NAME …` writes `NAME.process` when it begins and
//! `NAME.exit` when it ends by itself, so that nothing is forgotten when the console is killed in between.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use settings::Exit;
use tokio::time::{Instant, sleep};

use crate::host;
use crate::problem::Problem;
use crate::state::{Folder, write_atomically};

/// How long a program has to say that it has begun, and then to be ready.
const BEGIN: Duration = Duration::from_secs(60);
/// Between two looks at a process.
const LOOK: Duration = Duration::from_millis(25);

/// A process as it named itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub pid: u32,
    /// Ticks since the boot: with the boot it makes the process id unmistakable.
    started: u64,
    boot: String,
    pub host: String,
    pub command: Vec<String>,
    pub since: Timestamp,
}

/// How a program stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It was never started here.
    Never,
    Running(Process),
    /// With its exit code; `None`: it was killed, or its host was restarted.
    Ended(Option<u8>),
    /// Another host runs it, or did.
    Elsewhere(Process),
}

/// One of the programs of a migration.
#[derive(Debug, Clone)]
pub struct Program {
    pub name: &'static str,
    folder: PathBuf,
}

impl Process {
    fn myself() -> Process {
        let pid = std::process::id();
        Process {
            pid,
            started: host::started(pid).unwrap_or(0),
            boot: host::boot(),
            host: host::name(),
            command: std::env::args().collect(),
            since: Timestamp::now(),
        }
    }

    fn is_alive(&self) -> bool {
        self.boot == host::boot() && host::started(self.pid) == Some(self.started)
    }
}

impl Program {
    pub fn new(folder: &Folder, name: &'static str) -> Program {
        Program { name, folder: folder.programs() }
    }

    /// What it prints.
    pub fn log(&self) -> PathBuf {
        self.file("log")
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.name))
    }

    /// Whether it runs.
    ///
    /// # Errors
    /// When its files are there and can't be read.
    pub fn standing(&self) -> Result<Standing, Problem> {
        let path = self.file("process");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Standing::Never);
            }
            Err(error) => return Err(Problem::file(&path, error)),
        };
        let process: Process =
            serde_json::from_slice(&text).map_err(|error| Problem::file(&path, error))?;
        if process.host != host::name() {
            return Ok(Standing::Elsewhere(process));
        }
        if process.is_alive() {
            return Ok(Standing::Running(process));
        }
        let code = fs::read_to_string(self.file("exit")).ok();
        Ok(Standing::Ended(code.and_then(|code| code.trim().parse().ok())))
    }

    /// Starts it in a process group of its own, so that Ctrl-C here doesn't end it there; does nothing when it runs.
    /// `true`: it was started.
    ///
    /// # Errors
    /// When it can't be started, or ends at once: the end of its log is the reason.
    pub async fn start(&self, arguments: &[&str]) -> Result<bool, Problem> {
        match self.standing()? {
            Standing::Running(_) => return Ok(false),
            Standing::Elsewhere(process) => return Err(self.elsewhere(&process)),
            Standing::Never | Standing::Ended(_) => {}
        }
        let fail = |path: &Path, error: std::io::Error| Problem::file(path, error);
        fs::create_dir_all(&self.folder).map_err(|error| fail(&self.folder, error))?;
        for kind in ["process", "exit"] {
            let path = self.file(kind);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(fail(&path, error));
                }
                _ => {}
            }
        }
        let log = self.log();
        let out = fs::OpenOptions::new().create(true).append(true).open(&log);
        let out = out.map_err(|error| fail(&log, error))?;
        let err = out.try_clone().map_err(|error| fail(&log, error))?;
        let me = std::env::current_exe().map_err(|error| fail(Path::new("godwit"), error))?;
        let mut command = Command::new(&me);
        command.args(["exec", "--kept"]).arg(self.folder.join(self.name)).args(arguments);
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        let mut child = command.spawn().map_err(|error| fail(&me, error))?;
        let began = Instant::now();
        loop {
            if let Standing::Running(_) = self.standing()? {
                return Ok(true);
            }
            let ended = child.try_wait().map_err(|error| fail(&me, error))?;
            if ended.is_some() || began.elapsed() > BEGIN {
                return Err(self.died());
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until its admin listener says that it is ready.
    ///
    /// # Errors
    /// When it ends before, or takes too long.
    pub async fn ready(&self, admin: SocketAddr) -> Result<(), Problem> {
        let began = Instant::now();
        loop {
            if crate::admin::is_ready(admin).await {
                return Ok(());
            }
            if !matches!(self.standing()?, Standing::Running(_)) {
                return Err(self.died());
            }
            if began.elapsed() > BEGIN {
                let why = format!("http://{admin}/readyz says so; {}", self.end_of_log());
                let what = format!("{} has not got ready in a minute", self.name);
                let next = format!("see {}", self.log().display());
                return Err(Problem::new(Exit::Unavailable, what, why, next));
            }
            sleep(LOOK).await;
        }
    }

    /// Asks it to finish what is open and to end (`SIGTERM`), and waits. `false`: it didn't run.
    ///
    /// # Errors
    /// When it hasn't ended after `grace`.
    pub async fn stop(&self, grace: Duration) -> Result<bool, Problem> {
        let process = match self.standing()? {
            Standing::Running(process) => process,
            Standing::Elsewhere(process) => return Err(self.elsewhere(&process)),
            Standing::Never | Standing::Ended(_) => return Ok(false),
        };
        if let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) {
            // The error is that it has just ended.
            let _ = kill_process(pid, Signal::TERM);
        }
        let began = Instant::now();
        while process.is_alive() {
            if began.elapsed() > grace {
                let what = format!("{} (process {}) has not ended", self.name, process.pid);
                let why = format!("it was asked to {} s ago", grace.as_secs());
                let next = format!(
                    "see {}; `kill -9 {}` loses nothing",
                    self.log().display(),
                    process.pid
                );
                return Err(Problem::new(Exit::TryAgain, what, why, next));
            }
            sleep(LOOK).await;
        }
        Ok(true)
    }

    fn elsewhere(&self, process: &Process) -> Problem {
        let what = format!("{} was started on another host", self.name);
        let why = format!("process {} on {} since {:.0}", process.pid, process.host, process.since);
        let next =
            format!("use that host; if it is gone, delete {}", self.file("process").display());
        Problem::new(Exit::TryAgain, what, why, next)
    }

    /// Why it isn't there any more.
    pub fn died(&self) -> Problem {
        let code = match self.standing() {
            Ok(Standing::Ended(Some(code))) => format!("with exit code {code}"),
            _ => "without a word".to_owned(),
        };
        let what = format!("{} ended {code}", self.name);
        let next = format!("see {}, and repeat", self.log().display());
        Problem::new(Exit::Unavailable, what, self.end_of_log(), next)
    }

    fn end_of_log(&self) -> String {
        let text = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let last: Vec<&str> = text.lines().rev().take(3).collect();
        last.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}

/// What a kept process does around its program: says who it is, and how it ended.
pub fn kept(place: &Path, program: impl FnOnce() -> Exit) -> Exit {
    let put = |kind: &str, text: &[u8]| {
        let path = place.with_added_extension(kind);
        if let Err(error) = write_atomically(&path, text) {
            eprintln!("godwit exec: {}: {error}", path.display());
        }
    };
    put("process", &serde_json::to_vec(&Process::myself()).unwrap_or_default());
    let exit = program();
    put("exit", (exit as u8).to_string().as_bytes());
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_process_id_is_not_mistaken() {
        let place = tempfile::TempDir::new().unwrap();
        let folder = Folder::of(&place.path().join("m.yaml"));
        let program = Program::new(&folder, "backfill");
        assert_eq!(program.standing().unwrap(), Standing::Never);
        let mut process = Process::myself();
        let put = |process: &Process| {
            let text = serde_json::to_vec(process).unwrap();
            write_atomically(&folder.programs().join("backfill.process"), &text).unwrap();
        };
        put(&process);
        assert_eq!(program.standing().unwrap(), Standing::Running(process.clone()));
        process.started += 1;
        put(&process);
        assert_eq!(program.standing().unwrap(), Standing::Ended(None));
        write_atomically(&folder.programs().join("backfill.exit"), b"1").unwrap();
        assert_eq!(program.standing().unwrap(), Standing::Ended(Some(1)));
        process.host = "elsewhere".into();
        put(&process);
        assert_eq!(program.standing().unwrap(), Standing::Elsewhere(process));
    }
}
