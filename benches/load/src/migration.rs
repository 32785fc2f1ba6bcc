//! The migration under demonstration: a file, and the console that does what it says.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, ensure};
use testbed::{Ports, Server};
use tokio::process::Command;

use crate::programs::binary;

/// `godwit` with a migration's file.
#[derive(Debug)]
pub struct Migration {
    folder: PathBuf,
    ports: Ports,
    /// Programs run that outlive the console.
    runs: bool,
    /// Held for the replayer's listener.
    _more: Ports,
}

impl Migration {
    /// Writes the file. `journal`: a Kafka topic; `None`: files in the migration's state.
    ///
    /// # Errors
    /// When it can't be written, or no port is free.
    pub fn new(
        folder: &Path,
        source: &Server,
        target: &Server,
        journal: Option<&str>,
    ) -> anyhow::Result<Self> {
        let (ports, more) = (Ports::take()?, Ports::take()?);
        let mut text = format!(
            "name: demo\nsource: {{url: '{}'}}\ntarget: {{url: '{}'}}\n\
             capture: {{listen: '{}', admin: '{}'}}\nreplay-admin: '{}'\n\
             snapshot: {{repository: 'file://{}'}}\n",
            source.url(),
            target.url(),
            ports.addr(),
            ports.second_addr(),
            more.addr(),
            source.folder().join("repo/demo").display(),
        );
        if let Some(journal) = journal {
            text.push_str(&format!("journal: '{journal}'\n"));
        }
        let file = folder.join("migration.yaml");
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        Ok(Self { folder: folder.to_owned(), ports, runs: false, _more: more })
    }

    /// Where clients connect, once the proxy has been started.
    #[must_use]
    pub fn proxy(&self) -> String {
        format!("http://{}", self.ports.addr())
    }

    /// Starts the proxy.
    ///
    /// # Errors
    /// When it doesn't start.
    pub async fn begin(&mut self) -> anyhow::Result<()> {
        self.runs = true;
        self.step(&["capture", "start"]).await
    }

    /// Stops what runs.
    ///
    /// # Errors
    /// When something doesn't stop.
    pub async fn end(&mut self) -> anyhow::Result<()> {
        self.step(&["replay", "stop"]).await?;
        self.step(&["capture", "stop"]).await?;
        self.runs = false;
        Ok(())
    }

    /// A step as a person types it; what it says is seen. Whether its answer was yes.
    ///
    /// # Errors
    /// When it could not be done.
    pub async fn ask(&self, arguments: &[&str]) -> anyhow::Result<bool> {
        let step = arguments.join(" ");
        eprintln!("demo: $ godwit {step}");
        let mut child = Command::new(binary("godwit")?)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let status = child.wait().await?;
        ensure!(matches!(status.code(), Some(0 | 1)), "godwit {step} ended with {status}");
        Ok(status.success())
    }

    /// A step whose answer has to be yes.
    ///
    /// # Errors
    /// When it isn't.
    pub async fn step(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let is_well = self.ask(arguments).await?;
        ensure!(is_well, "godwit {}: the answer is no", arguments.join(" "));
        Ok(())
    }
}

impl Drop for Migration {
    /// Nothing that the demo began goes on when it fails half-way.
    fn drop(&mut self) {
        let Some(godwit) = binary("godwit").ok().filter(|_| self.runs) else { return };
        for program in ["backfill", "replay", "capture"] {
            let stop = std::process::Command::new(&godwit)
                .args([program, "stop"])
                .current_dir(&self.folder)
                .stdin(Stdio::null())
                .status();
            if let Err(error) = stop {
                eprintln!("demo: godwit {program} stop: {error}");
            }
        }
    }
}
