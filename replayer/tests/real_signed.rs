//! A replay to a target that only signed requests reach, with keys of a container that hold for seconds.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{Router, routing::get};
use lab::{Lab, awkward};
use parking_lot::Mutex;
use serde_json::json;
use testbed::{SignedFront, SigningKey};

const LIFE: Duration = Duration::from_secs(4);

/// The service that a container gets its keys from: another key each time, of which the door knows the last two.
async fn container(front: Arc<SignedFront>) -> (String, Arc<Mutex<VecDeque<SigningKey>>>) {
    let issued = Arc::new(Mutex::new(VecDeque::new()));
    let known = Arc::clone(&issued);
    let issue = move || {
        let mut known = known.lock();
        let id = format!("K{}", known.len());
        let key = SigningKey {
            secret: format!("secret of {id}"),
            session_token: Some(format!("token/of+{id}==")),
            id,
        };
        known.push_back(key.clone());
        front.set_keys(known.iter().rev().take(2).cloned());
        let expiry = jiff::Timestamp::try_from(SystemTime::now() + LIFE).unwrap();
        let answer = json!({
            "AccessKeyId": key.id, "SecretAccessKey": key.secret, "Token": key.session_token,
            "Expiration": expiry.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        });
        async move { ([("content-type", "application/json")], answer.to_string()) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let app = Router::new().route("/keys", get(issue));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, issued)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_replay_ends_equal() {
    let lab = Lab::start("signed").await;
    awkward::awkward(&lab, 7, 4, 60).await;
    lab.stop_proxy().await;
    let front =
        SignedFront::in_front_of(lab.target.addr(), "es", "eu-central-1", []).await.unwrap();
    let front = Arc::new(front);
    let (keys, issued) = container(Arc::clone(&front)).await;
    let folder = tempfile::tempdir().unwrap();
    let ended = tokio::process::Command::new(env!("CARGO_BIN_EXE_traffic-replayer"))
        .args(["--journal", &lab.journal().to_string(), "--tuples", "none", "--exit-at-end"])
        .args(["--source", &lab.source_url(), "--target", &front.url(), "--rate", "40"])
        .args(["--target-auth", "sigv4:es:eu-central-1", "--target-gzip"])
        .env_clear()
        .env("HOME", folder.path())
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &keys)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(Duration::from_secs(120), ended).await.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{}{errors}", String::from_utf8_lossy(&ended.stdout));
    assert_eq!(lab.differences().await, Vec::<String>::new());
    assert_eq!(front.refused(), Vec::<String>::new());
    assert!(front.passed().len() > 100, "{}", front.passed().len());
    let issued = issued.lock().len();
    assert!(issued >= 3, "{issued} keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_a_replay_ends_at_once() {
    let lab = Lab::start("keyless").await;
    lab.stop_proxy().await;
    let folder = tempfile::tempdir().unwrap();
    let replay = |auth: &str| {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_traffic-replayer"))
            .args(["--journal", &lab.journal().to_string(), "--tuples", "none", "--exit-at-end"])
            .args(["--target", &lab.target.url(), "--target-auth", auth])
            .env_clear()
            .env("HOME", folder.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .kill_on_drop(true)
            .output()
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), replay("sigv4:es:eu-west-1")).await;
    let ended = ended.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(errors.contains("no AWS keys") && errors.contains("AWS_PROFILE"), "{errors}");
    assert_eq!(ended.status.code(), Some(69), "{errors}");
    let ended = replay("sigv4:es").await.unwrap();
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(errors.contains("AWS_REGION"), "{errors}");
    assert_eq!(ended.status.code(), Some(78), "{errors}");
}
