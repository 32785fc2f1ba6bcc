//! The S3 server of the testbed. What it does with signed requests is tested where there is a client
//! that signs them.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use reqwest::StatusCode;
use testbed::{S3, Testbed};

#[tokio::test]
async fn s3_refuses_strangers_and_comes_back_with_its_bucket_and_keys() {
    let s3 = Testbed::s3().await.unwrap();
    let object = format!("{}/{}/object", s3.url(), S3::BUCKET);
    std::fs::write(s3.bucket_folder().join("object"), "secret").unwrap();
    assert_eq!(reqwest::get(&object).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert!(s3.access_key().len() == 22 && s3.secret_key().len() == 22);

    let secret = s3.secret_key().to_owned();
    s3.kill().await.unwrap();
    assert!(reqwest::get(&object).await.is_err());
    s3.start().await.unwrap();
    assert_eq!(reqwest::get(&object).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(std::fs::read_to_string(s3.folder().join("secret")).unwrap().trim(), secret);
    assert!(s3.bucket_folder().join("object").exists());

    let folder = s3.folder().to_owned();
    drop(s3);
    assert!(!folder.exists());
}
