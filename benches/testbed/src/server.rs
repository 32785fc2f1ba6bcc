//! One real server: started, stopped, started again, paused, killed.

use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use parking_lot::Mutex;
use rand::Rng;

use crate::brokers::Brokers;
use crate::folder::Folder;
use crate::kafka::{self, Kafka};
use crate::ports::Ports;
use crate::program::Program;
use crate::s3::{self, S3};
use crate::secured::SecuredKafka;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/servers.sh");
const START_LIMIT: Duration = Duration::from_secs(180);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Every Elasticsearch and OpenSearch that there is, oldest first, by the name that `servers.sh` has for it.
pub const CLUSTERS: [&str; 11] = [
    "es-1.7",
    "es-2.4",
    "es-5.6",
    "es-6.8",
    "es-7.10",
    "es-7.17",
    "es-8",
    "es-8.19",
    "opensearch-1",
    "opensearch-2",
    "opensearch-3",
];

/// The entry: each function boots a server and returns when it answers.
#[derive(Debug)]
pub struct Testbed;

impl Testbed {
    /// Elasticsearch of this version: `1.7`, `2.4`, `5.6`, `6.8`, `7.10`, `7.17`, `8` (8.7) or `8.19`.
    ///
    /// # Errors
    /// When it can't be fetched or doesn't start; the message has the end of its log.
    pub async fn elasticsearch(version: &str) -> anyhow::Result<Server> {
        Server::boot(&format!("es-{version}")).await
    }

    /// OpenSearch of this version: `1` (1.3), `2` (2.19) or `3`. Where no JDK 21 or newer is found, 2.19 stands in for
    /// 3, which is said on stderr and by [`Server::version`].
    ///
    /// # Errors
    /// As [`Testbed::elasticsearch`].
    pub async fn opensearch(version: &str) -> anyhow::Result<Server> {
        if version == "3" && !has_jdk("opensearch-3").await? {
            eprintln!(
                "testbed: NO JDK 21 OR NEWER: OpenSearch 2.19 stands in for 3; this run says \
                 nothing about 3.x"
            );
            return Server::boot("opensearch-2").await;
        }
        Server::boot(&format!("opensearch-{version}")).await
    }

    /// One of [`CLUSTERS`].
    ///
    /// # Errors
    /// As [`Testbed::elasticsearch`].
    pub async fn cluster(name: &str) -> anyhow::Result<Server> {
        match name.split_once('-') {
            Some(("es", version)) => Self::elasticsearch(version).await,
            Some(("opensearch", version)) => Self::opensearch(version).await,
            _ => bail!("there is no cluster {name}"),
        }
    }

    /// As [`Testbed::cluster`], with more lines of its configuration file and a heap of its own, e.g. `2g`.
    ///
    /// # Errors
    /// As [`Testbed::elasticsearch`].
    pub async fn configured(name: &str, lines: &str, heap: &str) -> anyhow::Result<Server> {
        let env = [("TESTBED_YML", lines), ("TESTBED_HEAP", heap)];
        Server::boot_with(name, env.map(|(name, value)| (name, value.to_owned())).into()).await
    }

    /// Kafka, one broker; topics are made at first use with 4 partitions.
    ///
    /// # Errors
    /// As [`Testbed::elasticsearch`].
    pub async fn kafka() -> anyhow::Result<Kafka> {
        Ok(Kafka::over(Server::boot("kafka").await?))
    }

    /// As [`Testbed::kafka`], with more lines of its configuration file.
    ///
    /// # Errors
    /// As [`Testbed::elasticsearch`].
    pub async fn kafka_configured(lines: &str) -> anyhow::Result<Kafka> {
        let env = vec![("TESTBED_YML", lines.to_owned())];
        Ok(Kafka::over(Server::boot_with("kafka", env).await?))
    }

    /// Kafka that lets nobody in without a password, a token or a certificate.
    ///
    /// # Errors
    /// As [`Testbed::elasticsearch`].
    pub async fn kafka_secured() -> anyhow::Result<SecuredKafka> {
        SecuredKafka::boot().await
    }

    /// Kafka, three brokers.
    ///
    /// # Errors
    /// As [`Testbed::elasticsearch`].
    pub async fn kafka_brokers() -> anyhow::Result<Brokers> {
        Brokers::boot().await
    }

    /// An S3 server with one empty bucket.
    ///
    /// # Errors
    /// As [`Testbed::elasticsearch`]; it is built by cargo where it isn't in the cache.
    pub async fn s3() -> anyhow::Result<S3> {
        S3::over(Server::boot("s3").await?)
    }
}

/// A server on 127.0.0.1. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Server {
    // Before the folder, so that the process is gone when the folder goes.
    program: Mutex<Option<Program>>,
    name: String,
    version: String,
    cluster: String,
    /// More that `servers.sh` is told.
    env: Vec<(&'static str, String)>,
    ports: Ports,
    folder: Folder,
}

impl Server {
    async fn boot(name: &str) -> anyhow::Result<Self> {
        Self::boot_with(name, Vec::new()).await
    }

    async fn boot_with(name: &str, env: Vec<(&'static str, String)>) -> anyhow::Result<Self> {
        Self::boot_on(Ports::take()?, name, env).await
    }

    pub(crate) async fn boot_on(
        ports: Ports,
        name: &str,
        env: Vec<(&'static str, String)>,
    ) -> anyhow::Result<Self> {
        Self::boot_in(cluster_token(), ports, name, env).await
    }

    pub(crate) async fn boot_in(
        cluster: String,
        ports: Ports,
        name: &str,
        env: Vec<(&'static str, String)>,
    ) -> anyhow::Result<Self> {
        if !has_jdk(name).await? {
            bail!("{name} needs a JDK that isn't here; see the messages above");
        }
        fetch(name).await?;
        let mut server = Self {
            program: Mutex::new(None),
            name: name.to_owned(),
            version: String::new(),
            cluster,
            env,
            ports,
            folder: Folder::new()?,
        };
        server.start().await?;
        server.version = match name {
            "kafka" => "4.1.2".to_owned(),
            "s3" => "0.14.1".to_owned(),
            _ => server.ask_version().await?,
        };
        Ok(server)
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end. (Kafka's clients take [`Server::addr`].)
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Where it answers; the same after every start.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.ports.addr()
    }

    /// The version that it says it is, e.g. `7.10.2`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What `servers.sh` calls it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The random name of its cluster.
    pub(crate) fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Its folder: `data`, `logs`, `repo` (a place for snapshots), `out.log`.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Its process id while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.program.lock().as_ref().map(Program::id)
    }

    /// Ends it as an operator would (`SIGTERM`) and waits until it is gone. Data and port stay.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub async fn stop(&self) -> anyhow::Result<()> {
        let taken = self.program.lock().take();
        if let Some(mut program) = taken {
            program.resume();
            program.terminate(STOP_LIMIT).await?;
        }
        Ok(())
    }

    /// `kill -9`. Data and port stay.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub async fn kill(&self) -> anyhow::Result<()> {
        let taken = self.program.lock().take();
        if let Some(mut program) = taken {
            program.kill().await?;
        }
        Ok(())
    }

    /// Starts it (again) on the same data and port; returns when it answers.
    ///
    /// # Errors
    /// When it runs already, ends before it answers, or doesn't answer in three minutes.
    pub async fn start(&self) -> anyhow::Result<()> {
        ensure!(self.program.lock().is_none(), "{} runs already", self.name);
        let port = self.ports.first().to_string();
        let folder = self.folder.path().display().to_string();
        let mut env = vec![("TESTBED_CLUSTER", self.cluster.as_str())];
        env.extend(self.env.iter().map(|(name, value)| (*name, value.as_str())));
        let args = ["run", &self.name, &folder, &port];
        let mut program = Program::start(SCRIPT, args, &env, &self.log())?;
        let began = Instant::now();
        while !self.answers().await {
            if let Some(status) = program.ended()? {
                bail!("{} ended at its start: {status}\n{}", self.name, self.log_end());
            }
            if began.elapsed() > START_LIMIT {
                bail!("{} doesn't answer after 3 minutes\n{}", self.name, self.log_end());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        *self.program.lock() = Some(program);
        Ok(())
    }

    /// `SIGSTOP`: its sockets stay open, nothing answers.
    pub fn pause(&self) {
        if let Some(program) = self.program.lock().as_ref() {
            program.pause();
        }
    }

    /// Lets it go on after [`Server::pause`].
    pub fn resume(&self) {
        if let Some(program) = self.program.lock().as_ref() {
            program.resume();
        }
    }

    /// Does *this* server answer, and is it able to work?
    async fn answers(&self) -> bool {
        let asked = async {
            match self.name.as_str() {
                "kafka" => return kafka::is_ready(self.addr(), &self.cluster).await,
                "s3" => return s3::is_ready(&self.url()).await,
                _ => {}
            }
            let health = "_cluster/health?wait_for_status=yellow&timeout=1s";
            let answer = reqwest::get(format!("{}/{health}", self.url())).await.ok()?;
            if !answer.status().is_success() {
                return None;
            }
            let body: serde_json::Value = answer.json().await.ok()?;
            (body["cluster_name"] == self.cluster.as_str()).then_some(())
        };
        matches!(tokio::time::timeout(Duration::from_secs(3), asked).await, Ok(Some(())))
    }

    async fn ask_version(&self) -> anyhow::Result<String> {
        let root: serde_json::Value = reqwest::get(self.url()).await?.json().await?;
        let number = root["version"]["number"].as_str();
        number.map(str::to_owned).with_context(|| format!("{} tells no version", self.name))
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("out.log")
    }

    fn log_end(&self) -> String {
        let mut end = Vec::new();
        if let Ok(mut log) = std::fs::File::open(self.log()) {
            let length = log.metadata().map_or(0, |log| log.len());
            let _ = log.seek(SeekFrom::Start(length.saturating_sub(4_000)));
            let _ = log.take(4_000).read_to_end(&mut end);
        }
        String::from_utf8_lossy(&end).into_owned()
    }
}

/// Gets a server into the cache, for a start where nothing can be fetched.
///
/// # Errors
/// When it can't be had.
pub async fn fetch(name: &str) -> anyhow::Result<()> {
    let mut script =
        Program::start_with(SCRIPT, ["fetch", name], &[], Stdio::null(), Stdio::inherit())?;
    let status = script.wait().await?;
    ensure!(status.success(), "cannot fetch {name}; see the messages above");
    Ok(())
}

/// Installs what the named sets of `servers.sh tools` lack.
///
/// # Errors
/// When something is missing and can't be installed; what it is was said on stderr.
pub async fn install_tools(sets: &[&str]) -> anyhow::Result<()> {
    let args = ["tools"].iter().chain(sets);
    let mut script = Program::start_with(SCRIPT, args, &[], Stdio::null(), Stdio::inherit())?;
    let status = script.wait().await?;
    ensure!(status.success(), "tools are missing: {}; see the messages above", sets.join(", "));
    Ok(())
}

/// Is there a JDK for this server? Installs one where that is possible.
async fn has_jdk(name: &str) -> anyhow::Result<bool> {
    let ask = || async {
        let output: std::io::Result<Output> =
            tokio::process::Command::new(SCRIPT).args(["jdk", name]).output().await;
        output.with_context(|| format!("cannot run {SCRIPT}"))
    };
    if ask().await?.status.success() {
        return Ok(true);
    }
    install_tools(&["servers"]).await?;
    let again = ask().await?;
    if !again.status.success() {
        eprint!("{}", String::from_utf8_lossy(&again.stderr));
    }
    Ok(again.status.success())
}

/// 22 characters that serve as a cluster's name and as a Kafka cluster id (base64 of 16 bytes).
pub(crate) fn cluster_token() -> String {
    let mut random = rand::rng();
    let letters = (0..21).map(|_| char::from(random.sample(rand::distr::Alphanumeric)));
    letters.chain(['A']).collect()
}
