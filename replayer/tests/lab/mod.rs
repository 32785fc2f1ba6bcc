//! A source, a proxy in front of it, a journal and a target.
#![allow(unreachable_pub, dead_code)] // a module of tests that use parts of it

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use capture_proxy::CaptureProxy;
use cluster::{Cluster, Flavour, Method, Reply, Request};
use serde_json::Value;
use telemetry::Shutdown;
use testbed::{Server, Shared};
use traffic_replayer::{Pace, RunError, Settings, Summary};

use self::taps::Taps;

pub mod awkward;
pub mod crashes;
pub mod curl;
pub mod equal;
pub mod faults;
pub mod foreign;
pub mod group;
pub mod handmade;
pub mod taps;
pub mod wire;

/// Every source that there is, oldest first.
pub static SOURCES: [(&str, Shared); 5] = [
    ("5.6", Shared::elasticsearch("5.6")),
    ("6.8", Shared::elasticsearch("6.8")),
    ("7.10", Shared::elasticsearch("7.10")),
    ("7.17", Shared::elasticsearch("7.17")),
    ("8.19", Shared::elasticsearch("8.19")),
];
pub static OPENSEARCH: [(&str, Shared); 2] =
    [("opensearch-1", Shared::opensearch("1")), ("opensearch-2", Shared::opensearch("2"))];
pub static TARGETS: [(&str, Shared); 3] = [
    ("1", Shared::opensearch("1")),
    ("2", Shared::opensearch("2")),
    ("3", Shared::opensearch("3")),
];

/// The server of this version, booted by the first who asks.
async fn server(among: &'static [(&str, Shared)], version: &str) -> &'static Server {
    let (_, shared) = among.iter().find(|(name, _)| *name == version).expect("a known version");
    shared.get().await.unwrap()
}

pub struct Lab {
    /// The index that this test writes to.
    pub index: String,
    pub target: &'static Server,
    server: &'static Server,
    folder: tempfile::TempDir,
    journal: String,
    /// Where the proxy listens.
    pub proxy_address: std::net::SocketAddr,
    through_proxy: Cluster,
    source: Cluster,
    on_target: Cluster,
    proxy: Shutdown,
    proxy_ended: parking_lot::Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Lab {
    pub async fn start(name: &str) -> Arc<Self> {
        Self::between(name, "7.10", "3").await
    }

    /// Between a server of [`SOURCES`] or [`OPENSEARCH`] and an OpenSearch of [`TARGETS`].
    pub async fn between(name: &str, source: &str, target: &str) -> Arc<Self> {
        Self::through(name, source, target, None, None).await
    }

    /// With a journal that isn't a folder.
    pub async fn on(name: &str, journal: &str) -> Arc<Self> {
        Self::through(name, "7.10", "3", Some(journal), None).await
    }

    /// With taps on both sides of the proxy.
    pub async fn tapped(name: &str, source: &str, target: &str) -> (Arc<Self>, Taps) {
        let taps = Taps::new().await;
        (Self::through(name, source, target, None, Some(&taps)).await, taps)
    }

    async fn through(
        name: &str,
        source: &str,
        target: &str,
        journal: Option<&str>,
        taps: Option<&Taps>,
    ) -> Arc<Self> {
        let among = if source.starts_with("opensearch") { &OPENSEARCH[..] } else { &SOURCES[..] };
        let (source, target) = tokio::join!(server(among, source), server(&TARGETS, target));
        if let Some(taps) = taps {
            taps.behind.point_at(source.addr());
        }
        let folder = tempfile::tempdir().unwrap();
        let of_folder = || format!("file://{}", folder.path().join("journal").display());
        let journal = journal.map_or_else(of_folder, str::to_owned);
        let flags = capture_proxy::Flags {
            listen: Some("127.0.0.1:0".into()),
            source: Some(taps.map_or_else(|| source.url(), |taps| taps.behind.url())),
            journal: Some(journal.clone()),
            threads: Some(1),
            ..capture_proxy::Flags::default()
        };
        let settings = capture_proxy::Settings::load(flags, []).unwrap();
        let proxy = CaptureProxy::start(settings).await.unwrap();
        let connect = |url: String| Cluster::connect(cluster::Settings::new(url));
        let proxy_address = proxy.address;
        if let Some(taps) = taps {
            taps.front.point_at(proxy_address);
        }
        let front = taps.map_or(proxy_address, |taps| taps.front.addr());
        let through_proxy = format!("http://{front}");
        let shutdown = Shutdown::new();
        let stop = shutdown.clone();
        let ended = tokio::spawn(async move { proxy.run(stop).await.unwrap() });
        Arc::new(Self {
            index: format!("{name}-{}", std::process::id()),
            target,
            server: source,
            folder,
            journal,
            proxy_address,
            through_proxy: connect(through_proxy).await.unwrap(),
            source: connect(source.url()).await.unwrap(),
            on_target: connect(target.url()).await.unwrap(),
            proxy: shutdown,
            proxy_ended: parking_lot::Mutex::new(Some(ended)),
        })
    }

    pub fn journal(&self) -> journal::JournalUrl {
        self.journal.parse().unwrap()
    }

    /// Has another proxy begin to write the journal, and end before it has written anything.
    pub fn begin_to_write(&self) {
        let settings = journal::AppendSettings::default();
        let appender = journal::Appender::open(&self.journal(), &settings).unwrap();
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
        self.snapshot_of(&self.index, name).await
    }

    /// Takes a snapshot of the indices that a pattern names; gives the repository's folder.
    pub async fn snapshot_of(&self, indices: &str, name: &str) -> PathBuf {
        let folder = self.server.folder().join("repo").join(name);
        let repository = serde_json::json!({"type": "fs", "settings": {"location": folder}});
        self.directly(Method::PUT, &format!("/_snapshot/{name}"), &repository).await;
        let path = format!("/_snapshot/{name}/{name}?wait_for_completion=true");
        let wanted = serde_json::json!({"indices": indices, "include_global_state": false});
        self.directly(Method::PUT, &path, &wanted).await;
        folder
    }

    /// The source's version, major and minor.
    pub fn version(&self) -> (u32, u32) {
        match self.source.info() {
            // Spoken to as what it comes from.
            info if info.flavour == Flavour::OpenSearch => (7, 10),
            info => (info.major, info.minor),
        }
    }

    /// Through the proxy, whatever it is.
    pub async fn send(&self, request: Request) -> Reply {
        self.through_proxy.send(request).await.unwrap()
    }

    /// To the target, past the replayer.
    pub async fn send_to_target(&self, request: Request) -> Reply {
        self.on_target.send(request).await.unwrap()
    }

    /// To the source, past the proxy.
    pub async fn send_to_source(&self, request: Request) -> Reply {
        self.source.send(request).await.unwrap()
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

    /// Makes an index on the target unless it is there.
    pub async fn make_on_target(&self, index: &str, mappings: &Value) {
        self.on_target.make_index(index, mappings).await.unwrap();
    }

    /// Waits until the target hasn't the index any more.
    pub async fn wait_until_gone(&self, index: &str) {
        let until = Instant::now() + Duration::from_secs(120);
        while !self.on_target.index_definitions(index).await.unwrap().is_empty() {
            assert!(Instant::now() < until, "{index} stays");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the target has the index.
    pub async fn wait_for_index(&self, index: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.on_target.index_definitions(index).await.unwrap().is_empty() {
            assert!(Instant::now() < until, "{index} does not come");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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
        Box::pin(traffic_replayer::run(settings, Shutdown::new())).await
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
            for number in 1..=times {
                // In the midst of the requests: before the first, only the preparations would wait.
                let path = format!("/{}/_doc/{}", self.index, number * 200 / (times + 1));
                while self.on_target(Method::GET, &path).await["found"] != true {
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

    /// Replays what comes until `shutdown`, as one of a group.
    pub async fn share_until(&self, shutdown: &Shutdown) -> Result<Summary, RunError> {
        let mut settings = self.settings();
        (settings.exit_at_end, settings.share) = (false, true);
        settings.member_timeout = Duration::from_secs(5);
        settings.kafka = vec![("session.timeout.ms".into(), "6000".into())].into();
        settings.tuples = settings.tuples.join(format!("{:x}", rand::random::<u32>()));
        Box::pin(traffic_replayer::run(settings, shutdown.clone())).await
    }

    /// Replays what comes until `shutdown`.
    pub async fn replay_until(&self, shutdown: &Shutdown) -> Result<Summary, RunError> {
        let mut settings = self.settings();
        settings.exit_at_end = false;
        Box::pin(traffic_replayer::run(settings, shutdown.clone())).await
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings::new(self.journal(), self.target.url(), self.tuples());
        settings.source = Some(cluster::Settings::new(self.source.url()));
        settings.exit_at_end = true;
        settings.pace = Pace::Free;
        settings
    }

    /// The program itself, replaying the same as [`Lab::replay`].
    pub fn program(&self, arguments: &[&str]) -> tokio::process::Child {
        self.live_program(&[&["--exit-at-end"], arguments].concat())
    }

    /// The program itself, replaying what comes.
    pub fn live_program(&self, arguments: &[&str]) -> tokio::process::Child {
        let journal = self.journal().to_string();
        tokio::process::Command::new(env!("CARGO_BIN_EXE_traffic-replayer"))
            .args(["--journal", &journal, "--target", &self.target.url()])
            .args(["--source", self.source.url(), "--tuples"])
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
        let (left, right) = tokio::join!(
            equal::read(&self.source, &self.index),
            equal::read(&self.on_target, &self.index)
        );
        let differences: Vec<_> = equal::compare_documents(&left, &right).collect();
        assert!(differences.is_empty(), "of {}: {differences:?}", left.len());
        assert!(!left.is_empty());
    }

    /// Replays what was captured. What is wrong then, if anything is: a difference, or a doubt that is left.
    pub async fn replay_and_compare(&self) -> anyhow::Result<()> {
        let summary = self.replay(|_| {}).await.unwrap();
        println!("{}: {summary}", self.index);
        let differences = self.differences().await;
        if differences.is_empty() && summary.is_converged() {
            return Ok(());
        }
        anyhow::bail!("{}: {summary}\n{}", self.index, differences.join("\n"))
    }

    /// What differs in all indices whose names begin with this lab's.
    pub async fn differences(&self) -> Vec<String> {
        equal::differences(&self.source, &self.on_target, &self.index).await
    }
}

fn request(method: Method, path: &str, body: &Value) -> Request {
    match body {
        Value::Null => Request::new(method, path),
        body => Request::json(method, path, body.to_string()),
    }
}
