use std::time::Duration;
use indicatif::ProgressBar;
use load::compare::*;
use load::*;
#[tokio::test(flavor = "multi_thread")]
async fn big() {
    let cities = Cities::load().await.unwrap().first(60_000);
    let es = testbed::Testbed::elasticsearch("7.10").await.unwrap();
    let folder = testbed::Folder::new().unwrap();
    let ports = testbed::Ports::take().unwrap();
    let (l, a, j) = (ports.addr().to_string(), ports.second_addr().to_string(), format!("file://{}/journal", folder.path().display()));
    let log = folder.path().join("log");
    let mut p = testbed::Program::start("/work/main/target/debug/capture-proxy", ["--listen", &l, "--source", &es.url(), "--journal", &j, "--admin", &a], &[], &log).unwrap();
    let url = format!("http://{l}");
    while !reqwest::get(format!("http://{a}/readyz")).await.is_ok_and(|x| x.status().is_success()) {
        if p.ended().unwrap().is_some() { panic!("{}", std::fs::read_to_string(&log).unwrap()) }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    create_indices(&url).await.unwrap();
    for mix in [Mix::Inserts, Mix::Updates] {
    let s = LoadSettings { url: url.clone(), mix, clients: 16, cities: cities.clone(), seed: 1, patience: Duration::from_secs(5), progress: ProgressBar::hidden() };
    let (ledger, stats) = run(&s, Ledger::default()).await.unwrap();
    println!("{} {:?} ack {} refused {} un {}", stats.requests(), stats.took, ledger.acknowledged, ledger.refused, ledger.unanswered);
    if mix == Mix::Inserts {
    let c = with_ledger(&es.url(), &ledger, &ProgressBar::hidden()).await.unwrap();
    println!("{} {}", c.documents, c.differences.len());
    }
    println!("{}", load::table::requests(&stats.figures, &Default::default()));
    es.stop().await.unwrap(); es.start().await.unwrap();
    }
    println!("{:?}", p.terminate(Duration::from_secs(60)).await);
    let m = std::fs::read_to_string(&log).unwrap(); println!("{}", &m[..m.len().min(3000)]);
    println!("{}", String::from_utf8_lossy(&std::process::Command::new("du").arg("-a").arg(folder.path()).output().unwrap().stdout));
}
