//! An S3 server: a [`Server`] with one bucket, an access key and a secret.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::server::Server;

/// An S3 server (s3s-fs: objects are files in a folder). Everything that a [`Server`] can; requests
/// without a good signature are answered 403. Clients want path-style addresses.
#[derive(Debug)]
pub struct S3 {
    server: Server,
    secret: String,
}

impl S3 {
    /// The one bucket that is there.
    pub const BUCKET: &str = "bucket";

    pub(crate) fn over(server: Server) -> anyhow::Result<Self> {
        let file = server.folder().join("secret");
        let secret = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Self { server, secret: secret.trim().to_owned() })
    }

    /// The access key.
    #[must_use]
    pub fn access_key(&self) -> &str {
        self.server.cluster()
    }

    /// The secret key that belongs to it.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.secret
    }

    /// The folder behind the bucket: a file put there is an object, also while the server runs.
    #[must_use]
    pub fn bucket_folder(&self) -> PathBuf {
        self.server.folder().join("data").join(Self::BUCKET)
    }
}

impl S3 {
    /// Puts a folder and all in it under `prefix` of the bucket.
    ///
    /// # Errors
    /// When a file can't be copied.
    pub fn put_folder(&self, folder: &Path, prefix: &str) -> anyhow::Result<()> {
        let into = self.bucket_folder().join(prefix);
        copy(folder, &into).with_context(|| format!("cannot put {}", folder.display()))
    }
}

fn copy(from: &Path, into: &Path) -> std::io::Result<()> {
    fs::create_dir_all(into)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, into) = (entry.path(), into.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &into)?;
        } else {
            fs::copy(&path, &into)?;
        }
    }
    Ok(())
}

impl Deref for S3 {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.server
    }
}

/// `Some` when an S3 server answers there: it refuses who has no credentials.
pub(crate) async fn is_ready(url: &str) -> Option<()> {
    let answer = reqwest::get(url).await.ok()?;
    (answer.status() == reqwest::StatusCode::FORBIDDEN).then_some(())
}
