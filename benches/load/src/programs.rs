//! The programs under demonstration, as children of this one.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use testbed::{Ports, Program};

const READY_LIMIT: Duration = Duration::from_secs(30);
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// A running `capture-proxy`.
#[derive(Debug)]
pub struct Proxy {
    program: Program,
    ports: Ports,
    log: PathBuf,
}

impl Proxy {
    /// Starts it in front of `source` and waits until it is ready.
    ///
    /// # Errors
    /// When it ends at its start or doesn't get ready; the message has its log.
    pub async fn start(source: &str, journal: &str, folder: &Path) -> anyhow::Result<Self> {
        let ports = Ports::take()?;
        let log = folder.join("capture-proxy.log");
        let (listen, admin) = (ports.addr().to_string(), ports.second_addr().to_string());
        let args = ["--listen", &listen, "--source", source, "--journal", journal];
        let args = args.into_iter().chain(["--admin", admin.as_str()]);
        let program = Program::start(binary("capture-proxy")?, args, &[], &log)?;
        let mut proxy = Self { program, ports, log };
        let ready = format!("http://{admin}/readyz");
        let began = Instant::now();
        while !reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success()) {
            if let Some(status) = proxy.program.ended()? {
                bail!("capture-proxy ended at its start: {status}\n{}", end_of(&proxy.log));
            }
            if began.elapsed() > READY_LIMIT {
                bail!("capture-proxy is not ready\n{}", end_of(&proxy.log));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(proxy)
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.ports.addr())
    }

    /// Asks it to drain and to end.
    ///
    /// # Errors
    /// When it doesn't end with 0.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let status = self.program.terminate(DRAIN_LIMIT).await?;
        ensure!(status.success(), "capture-proxy ended with {status}\n{}", end_of(&self.log));
        Ok(())
    }
}

/// One run of `traffic-replayer`, to the journal's end.
#[derive(Debug)]
pub struct Replay<'a> {
    pub journal: &'a str,
    pub target: &'a str,
    /// `None`: with nothing but the journal.
    pub source: Option<&'a str>,
    pub tuples: &'a Path,
    pub log: &'a Path,
}

impl Replay<'_> {
    /// Runs it; how many operations the journal proved.
    ///
    /// # Errors
    /// When it doesn't end with 0, or its last line is no summary; the message has its log.
    pub async fn run(&self) -> anyhow::Result<u64> {
        let tuples = self.tuples.display().to_string();
        let mut args = vec!["--journal", self.journal, "--target", self.target];
        args.extend(["--tuples", &tuples, "--group", "demo", "--speedup", "1000000"]);
        args.extend(["--exit-at-end", "--output", "json"]);
        args.extend(self.source.into_iter().flat_map(|source| ["--source", source]));
        let out = self.log.with_extension("out");
        let stdout = std::fs::File::create(&out)?;
        let stderr = std::fs::File::create(self.log)?;
        let program = binary("traffic-replayer")?;
        let mut program = Program::start_with(program, args, &[], stdout.into(), stderr.into())?;
        let status = program.wait().await?;
        let printed = std::fs::read_to_string(&out)?;
        ensure!(
            status.success(),
            "traffic-replayer ended with {status}\n{printed}\n{}",
            end_of(self.log)
        );
        let last = printed.lines().last().unwrap_or_default();
        let summary: Value = serde_json::from_str(last)
            .with_context(|| format!("the last line of traffic-replayer: {last:?}"))?;
        Ok(summary["operations"]["journal"].as_u64().unwrap_or(0))
    }
}

/// A program that was built beside this one; beside the folder of this one, where this is a test.
///
/// # Errors
/// When it isn't built.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let me = std::env::current_exe().context("where is this program?")?;
    let beside = me.with_file_name(name);
    let above = me.parent().map(|folder| folder.with_file_name(name)).unwrap_or_default();
    let found = [&beside, &above].into_iter().find(|path| path.is_file());
    found.cloned().with_context(|| {
        format!("{} is not built: cargo build --workspace --bins", beside.display())
    })
}

fn end_of(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let start = text.len().saturating_sub(4_000);
    String::from_utf8_lossy(text.get(start..).unwrap_or_default()).into_owned()
}
