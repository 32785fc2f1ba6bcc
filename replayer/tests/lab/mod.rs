//! A source, a proxy in front of it, a journal and a target.
#![allow(unreachable_pub, dead_code)] // a module of tests that use parts of it

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use capture_proxy::CaptureProxy;
use cluster::{Cluster, Document, Method, Reply, Request};
use serde_json::Value;
use telemetry::Shutdown;
use testbed::{Server, Shared};
use traffic_replayer::{Pace, RunError, Settings, Summary};

static SOURCE: Shared = Shared::elasticsearch("7.10");
static TARGET: Shared = Shared::opensearch("3");

pub struct Lab {
    /// The index that this test writes to.
    pub index: String,
    pub target: &'static Server,
    folder: tempfile::TempDir,
    through_proxy: Cluster,
    source: Cluster,
    on_target: Cluster,
    proxy: Shutdown,
    proxy_ended: parking_lot::Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Lab {
    pub async fn start(name: &str) -> Arc<Self> {
        let (source, target) = tokio::join!(SOURCE.get(), TARGET.get());
        let (source, target) = (source.unwrap(), target.unwrap());
        let folder = tempfile::tempdir().unwrap();
        let flags = capture_proxy::Flags {
            listen: Some("127.0.0.1:0".into()),
            source: Some(source.url()),
            journal: Some(format!("file://{}", folder.path().join("journal").display())),
            threads: Some(1),
            ..capture_proxy::Flags::default()
        };
        let settings = capture_proxy::Settings::load(flags, []).unwrap();
        let proxy = CaptureProxy::start(settings).await.unwrap();
        let connect = |url: String| Cluster::connect(cluster::Settings::new(url));
        let through_proxy = format!("http://{}", proxy.address);
        let shutdown = Shutdown::new();
        let stop = shutdown.clone();
        let ended = tokio::spawn(async move { proxy.run(stop).await.unwrap() });
        Arc::new(Self {
            index: format!("{name}-{}", std::process::id()),
            target,
            folder,
            through_proxy: connect(through_proxy).await.unwrap(),
            source: connect(source.url()).await.unwrap(),
            on_target: connect(target.url()).await.unwrap(),
            proxy: shutdown,
            proxy_ended: parking_lot::Mutex::new(Some(ended)),
        })
    }

    /// Has another proxy begin to write the journal, and end before it has written anything.
    pub fn begin_to_write(&self) {
        let journal = format!("file://{}", self.folder.path().join("journal").display());
        let settings = journal::AppendSettings::default();
        let appender = journal::Appender::open(&journal.parse().unwrap(), &settings).unwrap();
        assert_eq!(appender.close(Duration::from_secs(10)), 0);
    }

    pub fn tuples(&self) -> PathBuf {
        self.folder.path().join("tuples")
    }

    /// Through the proxy; must succeed.
    pub async fn ok(&self, method: Method, path: &str, body: &Value) -> Value {
        let reply = self.any(method, path, body).await;
        assert!(reply.is_success(), "{path}: {} {}", reply.status, reply.excerpt());
        serde_json::from_slice(&reply.body).unwrap_or(Value::Null)
    }

    /// Through the proxy, whatever the answer.
    pub async fn any(&self, method: Method, path: &str, body: &Value) -> Reply {
        self.through_proxy.send(request(method, path, body)).await.unwrap()
    }

    pub async fn bulk(&self, path: &str, lines: String) {
        let reply =
            self.through_proxy.send(Request::ndjson(Method::POST, path, lines)).await.unwrap();
        assert!(reply.is_success(), "{path}: {} {}", reply.status, reply.excerpt());
    }

    /// To the source, past the proxy.
    pub async fn directly(&self, method: Method, path: &str, body: &Value) {
        let reply = self.source.send(request(method, path, body)).await.unwrap();
        assert!(reply.is_success(), "{path}: {} {}", reply.status, reply.excerpt());
    }

    /// Takes a snapshot of the index; gives the repository's folder.
    pub async fn snapshot(&self, name: &str) -> PathBuf {
        let folder = SOURCE.get().await.unwrap().folder().join("repo").join(name);
        let repository = serde_json::json!({"type": "fs", "settings": {"location": folder}});
        self.directly(Method::PUT, &format!("/_snapshot/{name}"), &repository).await;
        let path = format!("/_snapshot/{name}/{name}?wait_for_completion=true");
        let wanted = serde_json::json!({"indices": self.index, "include_global_state": false});
        self.directly(Method::PUT, &path, &wanted).await;
        folder
    }

    pub fn source_url(&self) -> String {
        self.source.url().to_owned()
    }

    pub async fn on_target(&self, method: Method, path: &str) -> Value {
        let reply = self.on_target.send(Request::new(method, path)).await.unwrap();
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// Drains the proxy: everything is in the journal then.
    pub async fn stop_proxy(&self) {
        self.proxy.drain();
        let ended = self.proxy_ended.lock().take();
        if let Some(ended) = ended {
            ended.await.unwrap();
        }
    }

    /// Changes the target, past the replayer.
    pub async fn change_target(&self, method: Method, path: &str, body: &Value) {
        let reply = self.on_target.send(request(method, path, body)).await.unwrap();
        assert!(reply.is_success(), "{path}: {} {}", reply.status, reply.excerpt());
    }

    /// Waits until the target has the document.
    pub async fn wait_for(&self, index: &str, id: &str) {
        let path = format!("/{index}/_doc/{id}");
        let until = Instant::now() + Duration::from_secs(60);
        while self.on_target(Method::GET, &path).await["found"] != true {
            assert!(Instant::now() < until, "{path} does not come");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Replays to the journal's end, with the source, as fast as it goes, unless `change` says otherwise.
    pub async fn replay(&self, change: impl FnOnce(&mut Settings)) -> Result<Summary, RunError> {
        let mut settings = self.settings();
        change(&mut settings);
        traffic_replayer::run(settings, Shutdown::new()).await
    }

    /// Writes 200 documents, and replays them to a target that is away `times` times for `length`, each time
    /// after something has been committed. How long the replay itself took comes with it.
    pub async fn replay_through_outages(
        &self,
        times: usize,
        length: Duration,
    ) -> (Summary, Duration) {
        for id in 0..200 {
            let path = format!("/{}/_doc/{id}", self.index);
            self.ok(Method::PUT, &path, &serde_json::json!({"n": id})).await;
        }
        self.stop_proxy().await;
        let relay = testbed::Relay::in_front_of(self.target.addr()).await.unwrap();
        let began = Instant::now();
        let replay = async {
            let summary = self.replay(|settings| {
                settings.target.url = relay.url();
                settings.pace = Pace::Rate(50.0);
            });
            (summary.await.unwrap(), began.elapsed())
        };
        let faults = async {
            for _ in 0..times {
                let before = self.committed();
                while self.committed() == before {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                relay.refuse().await;
                relay.cut();
                tokio::time::sleep(length).await;
                relay.accept().await;
            }
        };
        tokio::join!(replay, faults).0
    }

    /// Replays what comes until `shutdown`.
    pub async fn replay_until(&self, shutdown: &Shutdown) -> Result<Summary, RunError> {
        let mut settings = self.settings();
        settings.exit_at_end = false;
        traffic_replayer::run(settings, shutdown.clone()).await
    }

    fn settings(&self) -> Settings {
        let journal = format!("file://{}", self.folder.path().join("journal").display());
        let mut settings =
            Settings::new(journal.parse().unwrap(), self.target.url(), self.tuples());
        settings.source = Some(cluster::Settings::new(self.source.url()));
        settings.exit_at_end = true;
        settings.pace = Pace::Free;
        settings
    }

    /// The program itself, replaying the same as [`Lab::replay`].
    pub fn program(&self, arguments: &[&str]) -> tokio::process::Child {
        let journal = format!("file://{}", self.folder.path().join("journal").display());
        tokio::process::Command::new(env!("CARGO_BIN_EXE_traffic-replayer"))
            .args(["--journal", &journal, "--target", &self.target.url()])
            .args(["--source", self.source.url(), "--exit-at-end", "--tuples"])
            .arg(self.tuples())
            .args(arguments)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// What the replayer has committed.
    pub fn committed(&self) -> Option<Vec<u8>> {
        std::fs::read(self.folder.path().join("journal/groups/godwit")).ok()
    }

    /// Reads the index on both sides and compares document by document.
    pub async fn assert_equal(&self) {
        let (left, right) =
            tokio::join!(read(&self.source, &self.index), read(&self.on_target, &self.index));
        for (id, document) in &left {
            let Some(other) = right.get(id) else {
                unreachable!("{id:?} is missing on the target; {} of {}", right.len(), left.len())
            };
            let side = |d: &Document| (d.routing.clone(), d.source.clone());
            let ((a, x), (b, y)) = (side(document), side(other));
            let differences = compare::documents(
                compare::Document { routing: a.as_deref(), source: &x },
                compare::Document { routing: b.as_deref(), source: &y },
                10,
            );
            assert!(differences.is_empty(), "{id:?}: {differences:?}");
        }
        let extra: Vec<_> = right.keys().filter(|id| !left.contains_key(*id)).collect();
        assert!(extra.is_empty(), "only on the target: {extra:?}");
        assert!(!left.is_empty());
    }
}

async fn read(cluster: &Cluster, index: &str) -> BTreeMap<(String, Option<String>), Document> {
    let mut scan = cluster.scan(index, 1000).await.unwrap();
    let mut all = BTreeMap::new();
    loop {
        let page = scan.next_page().await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page.into_iter().map(|d| ((d.id.clone(), d.routing.clone()), d)));
    }
}

fn request(method: Method, path: &str, body: &Value) -> Request {
    match body {
        Value::Null => Request::new(method, path),
        body => Request::json(method, path, body.to_string()),
    }
}
