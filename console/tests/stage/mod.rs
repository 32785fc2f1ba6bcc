//! Two clusters, a journal, a migration's file, and the console as its users run it.
#![allow(dead_code)] // each test needs a part of it

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use cluster::{Cluster, Method, Request};
use serde_json::Value;
use testbed::{Folder, Kafka, Ports, Server};

pub(crate) const GODWIT: &str = env!("CARGO_BIN_EXE_godwit");

/// What a step said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) struct Stage {
    pub(crate) folder: Folder,
    pub(crate) ports: Ports,
    more: Ports,
    pub(crate) source: Cluster,
    pub(crate) target: Cluster,
    /// More lines of the migration's file.
    pub(crate) file: String,
}

pub(crate) async fn connect(url: &str) -> Cluster {
    Cluster::connect(cluster::Settings::new(url)).await.unwrap()
}

impl Stage {
    /// A migration's file between two clusters; the journal is a topic where there is a Kafka.
    pub(crate) async fn new(source: &Server, target: &Server, kafka: Option<&Kafka>) -> Stage {
        let folder = Folder::new().unwrap();
        let (ports, more) = (Ports::take().unwrap(), Ports::take().unwrap());
        let name = format!("m{}", ports.first());
        let journal =
            kafka.map_or(String::new(), |kafka| format!("journal: {}\n", kafka.journal(&name)));
        let repository = source.folder().join("repo").join(&name);
        let file = format!(
            "name: {name}\nsource: {{url: '{}'}}\ntarget: {{url: '{}'}}\n{journal}\
             capture: {{listen: '{}', admin: '{}'}}\nsnapshot: {{repository: 'file://{}'}}\n\
             replay-admin: '{}'\nbackfill: {{workers: 2, lease: 3s}}\nverify: {{settle: 20s}}\n\
             metadata: {{on-existing: update-compatible}}\nreplay: {{target-retry-for: 2m}}\n",
            source.url(),
            target.url(),
            ports.addr(),
            ports.second_addr(),
            repository.display(),
            more.addr(),
        );
        let (source, target) = (connect(&source.url()).await, connect(&target.url()).await);
        let stage = Stage { folder, ports, more, source, target, file };
        stage.write();
        stage
    }

    /// Writes the file as it is now.
    pub(crate) fn write(&self) {
        std::fs::write(self.path("migration.yaml"), &self.file).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where clients connect.
    pub(crate) fn proxy(&self) -> String {
        format!("http://{}", self.ports.addr())
    }

    pub(crate) fn command(&self, step: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(GODWIT);
        command.args(step.split(' ')).current_dir(self.folder.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub(crate) async fn say(&self, step: &str) -> Said {
        let Output { status, stdout, stderr } = self.command(step).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Said { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
    }

    /// A step that has to end with 0.
    pub(crate) async fn ok(&self, step: &str) -> Said {
        let said = self.say(step).await;
        assert_eq!(said.code, 0, "godwit {step}\n{}\n{}\n{}", said.out, said.err, self.logs());
        said
    }

    /// The end of what the programs said.
    pub(crate) fn logs(&self) -> String {
        let end = |name: &str| {
            let path = self.path(&format!("migration.state/programs/{name}.log"));
            let text = std::fs::read(path).unwrap_or_default();
            let from = text.len().saturating_sub(3_000);
            format!("== {name}\n{}", String::from_utf8_lossy(text.get(from..).unwrap_or_default()))
        };
        ["capture-proxy", "traffic-replayer", "backfill"].map(end).join("\n")
    }

    /// The process of a program, while it runs.
    pub(crate) fn process(&self, name: &str) -> Option<i32> {
        let path = self.path(&format!("migration.state/programs/{name}.process"));
        let process: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        let pid = i32::try_from(process["pid"].as_i64()?).ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        (!stat.contains(") Z ")).then_some(pid)
    }

    /// `kill -9`; false when it doesn't run.
    pub(crate) fn kill(&self, name: &str) -> bool {
        let pid = self.process(name).and_then(rustix::process::Pid::from_raw);
        pid.is_some_and(|pid| {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok()
        })
    }

    /// Until a program runs.
    pub(crate) async fn until_runs(&self, name: &str) {
        let began = Instant::now();
        while self.process(name).is_none() {
            assert!(began.elapsed() < Duration::from_secs(120), "{name}\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Stage {
    /// Nothing that a test began goes on without it.
    fn drop(&mut self) {
        for name in ["capture-proxy", "traffic-replayer", "backfill"] {
            self.kill(name);
        }
    }
}

/// Sends; the answer has to be a success.
pub(crate) async fn send(cluster: &Cluster, method: Method, path: &str, body: Value) -> Value {
    let request = match body {
        Value::Null => Request::new(method, path),
        body => Request::json(method, path, body.to_string()),
    };
    let reply = cluster.call(request).await.unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_slice(&reply.body).unwrap_or_default()
}
