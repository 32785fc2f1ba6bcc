//! A real server with a target's indices, and the program as processes that write to it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use cluster::{Cluster, Method, Request};
use serde_json::{Value, json};
use testbed::{Program, Server, Testbed};

const PROGRAM: &str = env!("CARGO_BIN_EXE_backfill");
/// Longer than anything takes, so that what hangs ends.
const LONGEST: Duration = Duration::from_secs(120);

pub struct Stage {
    pub server: Server,
    pub cluster: Cluster,
    pub folder: tempfile::TempDir,
}

/// A document as it is to be on the target.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub source: Value,
    pub routing: Option<String>,
    pub version: u64,
}

pub type Documents = BTreeMap<String, Written>;

impl Stage {
    pub async fn boot() -> Self {
        Self::on(Testbed::opensearch("2").await.unwrap()).await
    }

    pub async fn on(server: Server) -> Self {
        let cluster = Cluster::connect(cluster::Settings::new(server.url())).await.unwrap();
        Self { server, cluster, folder: tempfile::tempdir().unwrap() }
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let request = match body {
            Some(body) => Request::json(method, path, body.to_string()),
            None => Request::new(method, path),
        };
        let reply = self.cluster.call(request).await.unwrap();
        serde_json::from_slice(&reply.body).unwrap()
    }

    pub async fn delete(&self, index: &str) {
        self.call(Method::DELETE, &format!("/{index}"), None).await;
    }

    /// Snapshots indices into the server's own repository.
    pub async fn snapshot(&self, name: &str, index: &str) {
        let location = self.repository();
        let body = json!({"type": "fs", "settings": {"location": location}});
        self.call(Method::PUT, "/_snapshot/made", Some(body)).await;
        let path = format!("/_snapshot/made/{name}?wait_for_completion=true");
        let body = json!({"indices": index, "include_global_state": false});
        let made = self.call(Method::PUT, &path, Some(body)).await;
        assert_eq!(made["snapshot"]["state"], "SUCCESS", "{made}");
    }

    pub fn repository(&self) -> PathBuf {
        self.server.folder().join("repo")
    }

    /// Every document of an index.
    pub async fn documents(&self, index: &str) -> Documents {
        let mut found = Documents::new();
        let mut scan = self.cluster.scan(index, 2000).await.unwrap();
        loop {
            let page = scan.next_page().await.unwrap();
            if page.is_empty() {
                return found;
            }
            for document in page {
                let source = serde_json::from_slice(&document.source).unwrap();
                let version = u64::try_from(document.version).unwrap();
                let written = Written { source, routing: document.routing, version };
                assert!(found.insert(document.id.clone(), written).is_none(), "{}", document.id);
            }
        }
    }

    /// What an index of this server comes to on a target.
    pub async fn expected(&self, index: &str) -> Documents {
        let mut expected = Documents::new();
        let mut scan = self.cluster.scan(index, 2000).await.unwrap();
        loop {
            let page = scan.next_page().await.unwrap();
            if page.is_empty() {
                return expected;
            }
            for document in page {
                let source = serde_json::from_slice(&document.source).unwrap();
                let version = (document.primary_term << 40) + document.seq_no + 1;
                let version = u64::try_from(version).unwrap();
                let written = Written { source, routing: document.routing, version };
                expected.insert(document.id, written);
            }
        }
    }

    /// Documents that the target has written so far, repeats included.
    pub async fn indexed(&self, index: &str) -> u64 {
        let stats = self.call(Method::GET, &format!("/{index}/_stats/indexing"), None).await;
        stats["_all"]["primaries"]["indexing"]["index_total"].as_u64().unwrap()
    }

    /// What `backfill run` and the other commands are told of this stage.
    pub fn target(&self, run: &str) -> Vec<String> {
        self.target_at(&self.server.url(), run)
    }

    pub fn target_at(&self, url: &str, run: &str) -> Vec<String> {
        let failed = self.failed().display().to_string();
        ["--target", url, "--run", run, "--failed", &failed].map(str::to_owned).to_vec()
    }

    pub fn failed(&self) -> PathBuf {
        self.folder.path().join("failed")
    }

    /// `backfill status`, as JSON.
    pub fn status(&self, run: &str) -> Value {
        let mut arguments = self.target(run);
        arguments.extend(["--output", "json"].map(str::to_owned));
        let output = execute("status", &arguments, &[]);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", said(&output)))
    }

    /// Starts a process that works.
    pub fn start(&self, name: &str, arguments: &[String], env: &[(&str, &str)]) -> Worker {
        let log = self.folder.path().join(format!("{name}.log"));
        let all = ["run".to_owned()].into_iter().chain(arguments.iter().cloned());
        let program = Program::start(PROGRAM, all, env, &log).unwrap();
        Worker { program, log }
    }
}

/// A process; killed when dropped.
pub struct Worker {
    pub program: Program,
    log: PathBuf,
}

impl Worker {
    /// Its exit code, and all that it and its predecessors of the same name have said.
    pub async fn end(&mut self) -> (i32, String) {
        let status = tokio::time::timeout(LONGEST, self.program.wait()).await;
        let log = std::fs::read_to_string(&self.log).unwrap();
        let status = status.unwrap_or_else(|_| panic!("it doesn't end: {log}")).unwrap();
        (status.code().unwrap_or(-1), log)
    }

    /// As [`Worker::end`], with the most memory it ever had, bytes.
    pub async fn end_with_memory(&mut self) -> (i32, String, usize) {
        let status = format!("/proc/{}/status", self.program.id());
        let mut most = 0;
        while self.program.ended().unwrap().is_none() {
            let status = std::fs::read_to_string(&status).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
            most = most.max(kilobytes.unwrap_or(0_usize) << 10);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (code, log) = self.end().await;
        (code, log, most)
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has said this.
    pub async fn says(&mut self, text: &str) {
        let until = tokio::time::Instant::now() + LONGEST;
        while !self.log().contains(text) {
            let ended = self.program.ended().unwrap();
            let over = tokio::time::Instant::now() > until;
            assert!(ended.is_none() && !over, "it never said {text:?}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub fn execute(command: &str, arguments: &[String], env: &[(&str, &str)]) -> Output {
    let mut program = Command::new(PROGRAM);
    program.arg(command).args(arguments).envs(env.iter().copied()).output().unwrap()
}

pub fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{:?}: {} {}", output.status.code(), text(&output.stdout), text(&output.stderr))
}

pub fn snapshot_at(repository: &Path, name: &str, index: &str) -> Vec<String> {
    let repository = repository.display().to_string();
    let arguments = ["--repository", &repository, "--snapshot", name, "--index", index];
    arguments.map(str::to_owned).to_vec()
}

pub fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Each document once: read, and written or superseded; nothing failed.
pub fn assert_accounts(status: &Value, documents: u64) {
    assert_shards(status);
    let count = |name: &str| status["accounts"][name].as_u64().unwrap();
    assert_eq!(count("read"), documents, "{status}");
    assert_eq!(count("written") + count("superseded"), documents, "{status}");
    assert_eq!(status["accounts"]["failed"], json!({}), "{status}");
    assert_eq!(status["complete"], true, "{status}");
}

/// Read = written + superseded + failed in every shard, and the shards are the whole.
pub fn assert_shards(status: &Value) {
    let sum = |accounts: &Value| -> [u64; 2] {
        let count = |name: &str| accounts[name].as_u64().unwrap();
        let failed = accounts["failed"].as_object().unwrap().values();
        let failed: u64 = failed.map(|count| count.as_u64().unwrap()).sum();
        [count("read"), count("written") + count("superseded") + failed]
    };
    let mut all = [0, 0];
    for shard in status["shards"].as_array().unwrap() {
        let [read, accounted] = sum(&shard["accounts"]);
        assert_eq!(read, accounted, "{shard}");
        all = [all[0] + read, all[1] + accounted];
    }
    assert_eq!(all, sum(&status["accounts"]), "{status}");
}

/// The stream of failed documents.
pub fn kept(folder: &Path) -> Vec<Value> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            lines.extend(kept(&path));
            continue;
        }
        let part = std::fs::read_to_string(path).unwrap();
        lines.extend(part.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    lines
}
