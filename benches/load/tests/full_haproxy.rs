//! Two proxies behind HAProxy, drained and started again in turn under load: no request fails, every acknowledged write is
//! on the source, the journal is whole, and the replay converges.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use load::compare::{clusters, with_ledger};
use load::programs::{Replay, binary};
use load::{Cities, Ledger, LoadSettings, Mix, create_indices, run};
use testbed::{Folder, Ports, Program, Testbed};

/// How often each proxy is drained.
const ROUNDS: usize = 4;
/// What an operator begins with.
const CONFIGURATION: &str = include_str!("../../../config/haproxy.cfg");

struct Proxy {
    name: &'static str,
    ports: Ports,
    args: Vec<String>,
    log: PathBuf,
    program: Program,
}

impl Proxy {
    fn start(name: &'static str, source: &str, journal: &str, folder: &Folder) -> Proxy {
        let ports = Ports::take().unwrap();
        let (listen, admin) = (ports.addr().to_string(), ports.second_addr().to_string());
        let spill = folder.path().join(format!("{name}.spill")).display().to_string();
        let args =
            ["--listen", &listen, "--admin", &admin, "--source", source, "--journal", journal];
        // Twice what HAProxy takes to notice, and more.
        let args =
            args.into_iter().chain(["--spill", &spill, "--drain-delay", "3s", "--drain", "20s"]);
        let args: Vec<String> = args.map(str::to_owned).collect();
        let log = folder.path().join(format!("{name}.log"));
        let program = Program::start(binary("capture-proxy").unwrap(), &args, &[], &log).unwrap();
        Proxy { name, ports, args, log, program }
    }

    async fn drain(&mut self) {
        let status = self.program.terminate(Duration::from_secs(60)).await.unwrap();
        assert!(status.success(), "{status}\n{:?}", std::fs::read_to_string(&self.log));
    }

    fn start_again(&mut self) {
        let program = binary("capture-proxy").unwrap();
        self.program = Program::start(program, &self.args, &[], &self.log).unwrap();
    }
}

struct Balancer {
    ports: Ports,
    log: PathBuf,
    program: Program,
}

impl Balancer {
    async fn start(proxies: &[Proxy], folder: &Folder) -> Balancer {
        testbed::install_tools(&["balancer"]).await.unwrap();
        let ports = Ports::take().unwrap();
        let mut text = CONFIGURATION.replace("127.0.0.1:9200", &ports.addr().to_string());
        text = text.replace("127.0.0.1:9210", &ports.second_addr().to_string());
        for (number, proxy) in (1..).zip(proxies) {
            let there = format!("127.0.0.1:920{number} port 921{number}");
            let here = format!("{} port {}", proxy.ports.addr(), proxy.ports.second_addr().port());
            assert!(text.contains(&there), "{there}");
            text = text.replace(&there, &here);
        }
        let (file, log) = (folder.path().join("haproxy.cfg"), folder.path().join("haproxy.log"));
        std::fs::write(&file, text).unwrap();
        let args = ["-db", "-f", &file.display().to_string()].map(str::to_owned);
        let program = Program::start("haproxy", args, &[], &log).unwrap();
        Balancer { ports, log, program }
    }

    fn url(&self) -> String {
        format!("http://{}", self.ports.addr())
    }

    /// Until a server is, or isn't, one that requests go to.
    async fn until(&mut self, server: &str, state: &str) {
        let (url, began) = (format!("http://{}/;csv", self.ports.second_addr()), Instant::now());
        let mut look = tokio::time::interval(Duration::from_millis(20));
        loop {
            look.tick().await;
            assert!(
                self.program.ended().unwrap().is_none(),
                "{:?}",
                std::fs::read_to_string(&self.log)
            );
            assert!(began.elapsed() < Duration::from_secs(60), "{server} does not get {state}");
            let Ok(answer) = reqwest::get(&url).await else { continue };
            let table = answer.text().await.unwrap();
            let wanted = format!("capture,{server},");
            let row = table.lines().find(|row| row.starts_with(&wanted)).unwrap_or_default();
            if row.split(',').any(|column| column == state) {
                return;
            }
        }
    }
}

/// Loads until it is told to stop.
async fn load(url: String, stop: Arc<AtomicBool>) -> Ledger {
    let mut ledger = Ledger::default();
    for number in 0.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let settings = LoadSettings {
            url: url.clone(),
            mix: if number % 2 == 0 { Mix::Inserts } else { Mix::Updates },
            clients: 16,
            cities: Cities::made_up(3_000),
            seed: number,
            patience: Duration::ZERO,
            progress: ProgressBar::hidden(),
        };
        ledger = run(&settings, ledger).await.unwrap().0;
    }
    ledger
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_drained_in_turn_behind_a_balancer_cost_no_request() {
    let folder = Folder::new().unwrap();
    let (kafka, source, target) =
        tokio::join!(Testbed::kafka(), Testbed::elasticsearch("7.10"), Testbed::opensearch("2"));
    let (kafka, source, target) = (kafka.unwrap(), source.unwrap(), target.unwrap());
    let journal = kafka.journal("balanced");
    kafka.create_topic("balanced", 4).await.unwrap();
    let start = |name| Proxy::start(name, &source.url(), &journal, &folder);
    let mut proxies = [start("proxy-1"), start("proxy-2")];
    let mut balancer = Balancer::start(&proxies, &folder).await;
    for proxy in &proxies {
        balancer.until(proxy.name, "UP").await;
    }
    create_indices(&balancer.url()).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let loading = tokio::spawn(load(balancer.url(), Arc::clone(&stop)));
    for _ in 0..ROUNDS {
        for proxy in &mut proxies {
            proxy.drain().await;
            proxy.start_again();
            balancer.until(proxy.name, "UP").await;
        }
    }
    stop.store(true, Ordering::Release);
    let ledger = loading.await.unwrap();
    println!("{} acknowledged, {} refused by the source", ledger.acknowledged, ledger.refused);
    assert_eq!(ledger.unanswered, 0, "requests failed");
    assert!(ledger.acknowledged > 5_000, "{}", ledger.acknowledged);
    for proxy in &mut proxies {
        proxy.drain().await;
    }

    let audit = ["audit", "--journal", &journal];
    let audit = Command::new(binary("capture-proxy").unwrap()).args(audit).output().unwrap();
    let said = String::from_utf8_lossy(&audit.stdout);
    println!("{said}");
    assert!(audit.status.success(), "{said}");
    let hidden = ProgressBar::hidden();
    let kept = with_ledger(&source.url(), &ledger, &hidden).await.unwrap();
    assert_eq!(kept.differences, []);
    let (tuples, log) = (folder.path().join("tuples"), folder.path().join("replayer.log"));
    let (from, to) = (source.url(), target.url());
    let replay =
        Replay { journal: &journal, target: &to, source: Some(&from), tuples: &tuples, log: &log };
    replay.run().await.unwrap();
    let compared = clusters(&from, &to, &hidden).await.unwrap();
    assert_eq!(compared.differences, []);
    assert!(compared.documents > 3_000, "{}", compared.documents);
    let kept = with_ledger(&target.url(), &ledger, &hidden).await.unwrap();
    assert_eq!(kept.differences, []);
}
