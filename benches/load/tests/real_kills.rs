//! `kill -9` at random moments, of the proxy while clients write and of the replayer while it
//! replays: nothing that was acknowledged is missing on the target, and nothing else is there.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::path::PathBuf;
use std::time::Duration;

use indicatif::ProgressBar;
use load::compare::{clusters, with_ledger};
use load::programs::binary;
use load::{Cities, Ledger, LoadSettings, Mix, create_indices, run};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testbed::{Folder, Ports, Program, Testbed};
use tokio::net::TcpStream;

const KILLS: usize = 20;
/// Acknowledged writes, and documents, for the comparison to mean something.
const ENOUGH: u64 = 1_000;

struct Proxy {
    ports: Ports,
    args: Vec<String>,
    log: PathBuf,
    program: Program,
}

impl Proxy {
    async fn start(source: &str, journal: &str, folder: &Folder) -> Proxy {
        let ports = Ports::take().unwrap();
        let listen = ports.addr().to_string();
        let args = ["--listen", &listen, "--source", source, "--journal", journal];
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        let log = folder.path().join("proxy.log");
        let program = Program::start(binary("capture-proxy").unwrap(), &args, &[], &log).unwrap();
        let mut proxy = Proxy { ports, args, log, program };
        proxy.wait().await;
        proxy
    }

    async fn kill_and_start(&mut self) {
        self.program.kill().await.unwrap();
        self.program =
            Program::start(binary("capture-proxy").unwrap(), &self.args, &[], &self.log).unwrap();
        self.wait().await;
    }

    /// Until it accepts.
    async fn wait(&mut self) {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        while TcpStream::connect(self.ports.addr()).await.is_err() {
            let ended = self.program.ended().unwrap();
            assert!(ended.is_none(), "{:?}", std::fs::read_to_string(&self.log));
            look.tick().await;
        }
    }
}

fn seed() -> u64 {
    let seed = std::env::var("GODWIT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random);
    println!("seed {seed}: repeat with GODWIT_SEED={seed}");
    seed
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_at_any_moment_loses_an_acknowledged_write() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let folder = Folder::new().unwrap();
    let (es, os) = tokio::join!(Testbed::elasticsearch("7.10"), Testbed::opensearch("3"));
    let (es, os) = (es.unwrap(), os.unwrap());
    let journal = format!("file://{}", folder.path().join("journal").display());
    let mut proxy = Proxy::start(&es.url(), &journal, &folder).await;
    let url = format!("http://{}", proxy.ports.addr());
    create_indices(&url).await.unwrap();

    let mut ledger = Ledger::default();
    let (mut kills, mut loads) = (0, 0);
    // A busy machine acknowledges little between kills: then without them, until there is enough to compare.
    while kills < KILLS || ledger.acknowledged <= ENOUGH {
        loads += 1;
        let settings = LoadSettings {
            url: url.clone(),
            mix: if loads % 2 == 1 { Mix::Inserts } else { Mix::Updates },
            clients: 8,
            cities: Cities::made_up(3_000),
            seed: seed.wrapping_add(loads),
            patience: Duration::from_secs(30),
            progress: ProgressBar::hidden(),
        };
        let running = tokio::spawn(async move { run(&settings, ledger).await });
        while !running.is_finished() && kills < KILLS {
            // Not to wait for something: the moment is what is random.
            tokio::time::sleep(Duration::from_millis(random.random_range(20..400))).await;
            proxy.kill_and_start().await;
            kills += 1;
        }
        ledger = running.await.unwrap().unwrap().0;
    }
    println!(
        "{kills} kills of the proxy in {loads} loads: {} writes without answer",
        ledger.unanswered
    );
    let ended = proxy.program.terminate(Duration::from_secs(60)).await.unwrap();
    assert!(ended.success(), "{ended}");

    let (log, tuples) = (folder.path().join("replayer.log"), folder.path().join("tuples"));
    let (target, source, tuples) = (os.url(), es.url(), tuples.display().to_string());
    let mut args = vec!["--journal", &journal, "--target", &target, "--source", &source];
    args.extend(["--tuples", &tuples, "--group", "kills", "--speedup", "1000000"]);
    args.extend(["--exit-at-end", "--output", "json"]);
    let (mut kills, mut ends) = (0, 0);
    let status = loop {
        let mut program =
            Program::start(binary("traffic-replayer").unwrap(), &args, &[], &log).unwrap();
        if kills == KILLS {
            break program.wait().await.unwrap();
        }
        let moment = Duration::from_millis(random.random_range(50..1_500));
        if let Ok(ended) = tokio::time::timeout(moment, program.wait()).await {
            let ended = ended.unwrap();
            assert!(ended.success(), "{ended}\n{}", std::fs::read_to_string(&log).unwrap());
            ends += 1;
            if ends == 1 {
                // Faster than the kills: all of it again from the beginning, on top of what is there.
                args.extend(["--from", "beginning"]);
            }
            continue;
        }
        program.kill().await.unwrap();
        kills += 1;
    };
    println!("{kills} kills of the replayer, which ended {ends} times between them");
    assert!(status.success(), "{status}\n{}", std::fs::read_to_string(&log).unwrap());

    let hidden = ProgressBar::hidden();
    let compared = clusters(&source, &target, &hidden).await.unwrap();
    assert_eq!(compared.differences, [], "seed {seed}");
    let kept = with_ledger(&target, &ledger, &hidden).await.unwrap();
    assert_eq!(kept.differences, [], "seed {seed}");
    assert!(compared.documents > ENOUGH, "{}", compared.documents);
}
