//! Real brokers that want to know who comes: every way in leads to the topic, and whoever is turned away is told why.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod conformance;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use conformance::PATIENCE;
use futures::future::join_all;
use journal::*;
use tempfile::TempDir;
use testbed::{Door, SecuredKafka, Testbed};

fn properties(texts: &[String]) -> KafkaProperties {
    KafkaProperties::parse(texts).unwrap()
}

async fn open(url: &JournalUrl, properties: &KafkaProperties) -> Result<Appender, AppendError> {
    let kafka_properties = properties.clone();
    let (url, settings) =
        (url.clone(), AppendSettings { kafka_properties, ..AppendSettings::default() });
    tokio::task::spawn_blocking(move || Appender::open(&url, &settings)).await.unwrap()
}

/// Appends so many records, and reads all that there are of the connection.
async fn append_and_read(url: &JournalUrl, properties: &KafkaProperties, id: &str) -> Vec<u64> {
    let began = Instant::now();
    let appender = open(url, properties).await.unwrap();
    let lane = appender.lane(id);
    for number in 1..=20 {
        let record = conformance::record(id, number, number as usize * 500);
        appender.append(&lane, number, record, Urgency::Held).unwrap();
    }
    tokio::time::timeout(PATIENCE, lane.durable().reached(20)).await.unwrap().unwrap();
    let opening = Reader::open(url, "g", StartFrom::Beginning, properties);
    let mut reader = opening.await.unwrap();
    let ends = reader.ends().await.unwrap();
    let mut found = Vec::new();
    while !reader.has_reached(&ends) {
        let entry = tokio::time::timeout(PATIENCE, reader.next()).await.unwrap().unwrap();
        let record = entry.record.unwrap();
        found.extend((record.connection == id).then_some(record.number));
    }
    // The group's offsets are kept by another request.
    reader.commit(0, 0).await.unwrap();
    println!("{id}: {:?}", began.elapsed());
    found
}

/// Why neither end can be opened, and that it is said soon.
async fn refusal(url: &JournalUrl, texts: &[String]) -> String {
    let (properties, began) = (properties(texts), Instant::now());
    let appending = open(url, &properties).await.unwrap_err().to_string();
    let reading = Reader::open(url, "g", StartFrom::Beginning, &properties).await;
    let reading = reading.unwrap_err().to_string();
    println!("{:?}: {appending}\n{reading}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(25), "it takes {:?}", began.elapsed());
    for text in [&appending, &reading] {
        assert!(text.contains("turn us away"), "{text}");
        assert!(!text.contains(SecuredKafka::PASSWORD), "{text}");
    }
    appending
}

fn sasl(mechanism: &str, password: &Path) -> Vec<String> {
    vec![
        "security.protocol=SASL_PLAINTEXT".into(),
        format!("sasl.mechanism={mechanism}"),
        format!("sasl.username={}", SecuredKafka::USER),
        format!("sasl.password-file={}", password.display()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_leads_to_the_topic_and_is_shut_for_others() {
    let kafka = Testbed::kafka_secured().await.unwrap();
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let password = file("password", &format!("{}\n", SecuredKafka::PASSWORD));
    let wrong = file("wrong", "not it\n");
    let url = |door| kafka.journal_behind(door, "secured").parse::<JournalUrl>().unwrap();
    let all: Vec<u64> = (1..=20).collect();
    let ca = format!("ssl.ca.location={}", kafka.ca_file().display());
    let encrypted = |mut texts: Vec<String>| {
        texts.extend(["security.protocol=SASL_SSL".into(), ca.clone()]);
        texts
    };

    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let texts = sasl(mechanism, &password);
        let found = append_and_read(&url(Door::Sasl), &properties(&texts), mechanism).await;
        assert_eq!(found, all, "{mechanism}");
        let id = format!("{mechanism} over TLS");
        let texts = properties(&encrypted(texts));
        assert_eq!(append_and_read(&url(Door::SaslTls), &texts, &id).await, all, "{id}");
    }
    let shut = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].map(|mechanism| {
        let (url, texts) = (url(Door::Sasl), sasl(mechanism, &wrong));
        async move { refusal(&url, &texts).await }
    });
    for why in join_all(shut).await {
        assert!(why.to_lowercase().contains("authentication failed"), "{why}");
    }

    // A certificate, with a key that has a password of its own or none.
    let client = kafka.authority().client("godwit").unwrap();
    let certificate = file("client.crt", &client.certificate);
    let key = file("client.key", &client.key);
    let without = vec!["security.protocol=SSL".to_owned(), ca.clone()];
    let mut with = without.clone();
    with.push(format!("ssl.certificate.location={}", certificate.display()));
    with.push(format!("ssl.key.location={}", key.display()));
    let found = append_and_read(&url(Door::Tls), &properties(&with), "certificate").await;
    assert_eq!(found, all);
    // A broker whose certificate nobody that we trust has made.
    let stranger = testbed::Authority::new("a stranger").unwrap();
    let strange = file("stranger.pem", &stranger.certificate());
    let mistrust =
        vec!["security.protocol=SSL".to_owned(), format!("ssl.ca.location={}", strange.display())];
    // An encrypted door, and nobody said so.
    let (door, unsaid) = (url(Door::Tls), KafkaProperties::default());
    let (missing, mistrusted, plain) =
        tokio::join!(refusal(&door, &without), refusal(&door, &mistrust), open(&door, &unsaid));
    assert!(missing.contains("certificate"), "{missing}");
    assert!(mistrusted.contains("certificate verify failed"), "{mistrusted}");
    let plain = plain.unwrap_err().to_string();
    println!("{plain}");
    assert!(plain.contains("connection closed by peer"), "{plain}");
    assert!(plain.contains("security.protocol?"), "{plain}");
}

/// A token as the broker takes it that trusts everybody's word.
fn token(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = format!(r#"{{"sub":"godwit","iat":{now},"exp":{}}}"#, now + seconds);
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(claims))
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_shown_and_renewed() {
    let kafka = Testbed::kafka_secured().await.unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, token(6)).unwrap();
    let url: JournalUrl = kafka.journal_behind(Door::SaslTls, "tokens").parse().unwrap();
    let properties = properties(&[
        format!("sasl.oauthbearer.token-file={}", file.display()),
        format!("ssl.ca.location={}", kafka.ca_file().display()),
    ]);
    let found = append_and_read(&url, &properties, "token").await;
    assert_eq!(found, (1..=20).collect::<Vec<_>>());

    // The first token runs out; all connections are lost, and those that follow show the second.
    fs::write(&file, token(6)).unwrap();
    let appender = open(&url, &properties).await.unwrap();
    let reading = Reader::open(&url, "later", StartFrom::Beginning, &properties);
    let mut reader = reading.await.unwrap();
    let lane = appender.lane("renewed");
    let append = |number| {
        let record = conformance::record("renewed", number, 100);
        appender.append(&lane, number, record, Urgency::Held).unwrap();
    };
    append(1);
    tokio::time::timeout(PATIENCE, lane.durable().reached(1)).await.unwrap().unwrap();
    fs::write(&file, token(600)).unwrap();
    let mut seen = 0;
    let over = Instant::now() + Duration::from_secs(8);
    let mut read = async |until: &dyn Fn(u64) -> bool| {
        while !until(seen) {
            let next = tokio::time::timeout(Duration::from_millis(200), reader.next()).await;
            let Ok(entry) = next else { continue };
            let record = entry.unwrap().record.unwrap();
            if record.connection == "renewed" {
                seen = record.number;
            }
        }
    };
    read(&|seen| seen == 1 && Instant::now() > over).await;
    kafka.kill().await.unwrap();
    kafka.start().await.unwrap();
    append(2);
    tokio::time::timeout(PATIENCE, lane.durable().reached(2)).await.unwrap().unwrap();
    tokio::time::timeout(PATIENCE, read(&|seen| seen == 2)).await.unwrap();
}

#[tokio::test]
async fn what_is_compressed_is_read() {
    let kafka = Testbed::kafka().await.unwrap();
    let url: JournalUrl = kafka.journal("compressed").parse().unwrap();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let properties = properties(&[format!("compression.type={codec}")]);
        let found = append_and_read(&url, &properties, codec).await;
        assert_eq!(found, (1..=20).collect::<Vec<_>>(), "{codec}");
    }
    let wrong = open(&url, &properties(&["compression.type=brotli".into()])).await.unwrap_err();
    assert!(wrong.to_string().contains("compression.type"), "{wrong}");
    let unknown = open(&url, &properties(&["sasl.pasword=hunter2".into()])).await.unwrap_err();
    let unknown = unknown.to_string();
    assert!(unknown.contains("sasl.pasword") && !unknown.contains("hunter2"), "{unknown}");
}
