//! A repository in a real S3 server: signatures, listings, ranges, refusals.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::{fs, path::Path};

use settings::Secret;
use snapshot::{Location, Repository, Settings, SnapshotError};
use testbed::{S3, Testbed};

const VERSIONS: [&str; 3] = ["es-1.7", "es-8", "opensearch-3"];

fn settings(server: &S3, prefix: &str) -> Settings {
    let url = format!("s3://{}/{prefix}", S3::BUCKET);
    let mut settings = Settings::new(Location::parse(&url).unwrap());
    settings.endpoint = Some(server.url());
    settings.allow_http = true;
    settings.path_style = true;
    settings.region = Some("us-east-1".to_owned());
    settings.options = vec![
        ("aws_access_key_id".to_owned(), Secret::new(server.access_key())),
        ("aws_secret_access_key".to_owned(), Secret::new(server.secret_key())),
    ];
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_in_s3_read_as_they_do_from_a_directory() {
    let server = Testbed::s3().await.unwrap();
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/repositories");
    for version in VERSIONS {
        let prefix = format!("some where/{version}");
        server.put_folder(&local.join(version), &prefix).unwrap();
        let copied = server.bucket_folder().join(&prefix);
        let _ = fs::remove_file(copied.join("index.latest")); // so that it must be listed
        let here = Location::parse(local.join(version).to_str().unwrap()).unwrap();
        let here = Repository::open(Settings::new(here)).await.unwrap();
        let there = Repository::open(settings(&server, &prefix.replace(' ', "%20"))).await.unwrap();
        assert_eq!(there.root(), here.root(), "{version}");
        let (here, there) = (here.snapshot("snap1").await.unwrap(), there.snapshot("snap1").await);
        let there = there.unwrap();
        assert_eq!(there.info(), here.info(), "{version}");
        assert_eq!(there.global().await.unwrap(), here.global().await.unwrap(), "{version}");
        let (here, there) = (here.index("unicode").await, there.index("unicode").await);
        let (here, there) = (here.unwrap(), there.unwrap());
        assert_eq!(there.metadata, here.metadata, "{version}");
        let (here, there) = (here.shard(0).await.unwrap(), there.shard(0).await.unwrap());
        let mut read = 0;
        for file in there.files().iter().filter(|file| file.length <= 4096) {
            let bytes = there.read(file, 4096).await.unwrap();
            assert_eq!(bytes, here.read(file, 4096).await.unwrap(), "{version}");
            let range = there.read_range(file, 5..file.length - 3).await.unwrap();
            assert_eq!(range, bytes.slice(5..bytes.len() - 3), "{version}");
            read += 1;
        }
        assert!(read > 3, "{version}: {read}");
        let large = there.files().iter().find(|file| file.length > 4999).unwrap();
        let error = there.read(large, 1 << 20).await.unwrap_err();
        assert!(error.is_missing(), "{error}");
    }

    let error = Repository::open(settings(&server, "nothing")).await.unwrap_err();
    assert!(matches!(error, SnapshotError::NoRepository { .. }), "{error}");

    let mut wrong = settings(&server, "some%20where/es-8");
    wrong.options[1].1 = Secret::new("wrong");
    let error = Repository::open(wrong).await.unwrap_err();
    assert!(matches!(error, SnapshotError::Denied { .. }), "{error}");
    assert!(error.to_string().contains("check the credentials"), "{error}");

    let mut gone = settings(&server, "some%20where/es-8");
    server.kill().await.unwrap();
    gone.retry.attempts = 2;
    let error = Repository::open(gone).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains("in 2 attempts"), "{error}");
}
