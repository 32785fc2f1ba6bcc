//! A target that forgets deletes at once: an older write that comes later would bring a document
//! back. Clients race for the same documents, and every connection is replayed at its own pace.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::Duration;

use indicatif::ProgressBar;
use load::compare::{clusters, with_ledger};
use load::programs::{Proxy, Replay};
use load::{Cities, Ledger, LoadSettings, Mix, create_indices, run};
use serde_json::json;
use testbed::{Folder, Testbed};

#[tokio::test(flavor = "multi_thread")]
async fn deletes_that_the_target_forgets_are_sent_again() {
    let folder = Folder::new().unwrap();
    let (es, os) = tokio::join!(Testbed::elasticsearch("7.10"), Testbed::opensearch("3"));
    let (es, os) = (es.unwrap(), os.unwrap());
    let settings = json!({"index": {"gc_deletes": "1ms", "refresh_interval": "100ms"}});
    let template = json!({"index_patterns": ["*"], "template": {"settings": settings}});
    let put = reqwest::Client::new().put(format!("{}/_index_template/forgetful", os.url()));
    assert!(put.json(&template).send().await.unwrap().status().is_success());

    let journal = format!("file://{}", folder.path().join("journal").display());
    let proxy = Proxy::start(&es.url(), &journal, folder.path()).await.unwrap();
    create_indices(&proxy.url()).await.unwrap();
    let settings = LoadSettings {
        url: proxy.url(),
        mix: Mix::Inserts,
        clients: 16,
        cities: Cities::made_up(12_000),
        seed: 11,
        patience: Duration::from_secs(30),
        progress: ProgressBar::hidden(),
    };
    let (ledger, _) = run(&settings, Ledger::default()).await.unwrap();
    proxy.stop().await.unwrap();

    let replay = Replay {
        journal: &journal,
        target: &os.url(),
        source: None,
        tuples: &folder.path().join("tuples"),
        log: &folder.path().join("replayer.log"),
    };
    let proven = replay.run().await.unwrap();
    assert!(proven > 12_000, "{proven}");
    let hidden = ProgressBar::hidden();
    assert_eq!(clusters(&es.url(), &os.url(), &hidden).await.unwrap().differences, []);
    assert_eq!(with_ledger(&os.url(), &ledger, &hidden).await.unwrap().differences, []);
}
