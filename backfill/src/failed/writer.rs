//! The writer of one unit of work.

use bytes::Bytes;
use serde::Deserialize;

use super::store::{plain, plain_name};
use super::{FailedDocument, FailedError, FailedStore, PartName, Source};
use crate::send::{Batch, Class, FailedItem};

/// Where a document came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The source's index.
    pub index: &'a str,
    pub shard: u32,
    pub segment: &'a str,
    pub document: u32,
}

/// Gathers failed documents. None is durable before [`FailedWriter::flush`] returns, so it comes before
/// every checkpoint that counts them.
#[derive(Debug)]
pub struct FailedWriter {
    store: FailedStore,
    run: String,
    /// The name of the next part.
    next: PartName,
    part_bytes: usize,
    lines: Vec<u8>,
    /// Documents in `lines`.
    held: u64,
}

impl FailedWriter {
    pub(super) fn new(
        store: FailedStore,
        run: &str,
        unit: &str,
        worker: &str,
        part_bytes: usize,
    ) -> Self {
        let token: u64 = rand::random();
        let next = PartName {
            folder: store.folder(run),
            unit: plain_name(unit),
            worker: plain(worker, 80),
            token: format!("{token:016x}"),
            number: 0,
        };
        let (run, lines) = (run.to_owned(), Vec::new());
        Self { store, run, next, part_bytes, lines, held: 0 }
    }

    /// What tells the parts of this writer from all others.
    pub fn token(&self) -> &str {
        &self.next.token
    }

    /// Forgets everything that was kept.
    ///
    /// # Errors
    /// When the store can't be written to.
    pub async fn discard(self) -> Result<(), FailedError> {
        for number in 0..self.next.number {
            self.store.delete(&PartName { number, ..self.next.clone() }).await?;
        }
        Ok(())
    }

    /// Keeps a document that the target refused, out of the batch that held it.
    ///
    /// # Errors
    /// When a part got full and can't be written.
    pub async fn refused(
        &mut self,
        origin: Origin<'_>,
        batch: &Batch,
        failed: &FailedItem,
        at: jiff::Timestamp,
    ) -> Result<(), FailedError> {
        let action = String::from_utf8_lossy(batch.action(failed.position)).into_owned();
        let names = Names::read(&action);
        let mut document = FailedDocument {
            id: names.id,
            routing: names.routing,
            version: names.version,
            action: Some(with_index(action, batch.index.as_deref())),
            // A view would keep the whole batch in memory.
            source: Some(Source(Bytes::copy_from_slice(batch.source(failed.position)))),
            ..self.blank(origin, at)
        };
        document.blame(failed, at);
        self.push(&document).await
    }

    /// Keeps the place of a document that couldn't be read from the snapshot.
    ///
    /// # Errors
    /// As [`FailedWriter::refused`].
    pub async fn unreadable(
        &mut self,
        origin: Origin<'_>,
        id: Option<&str>,
        reason: &str,
        at: jiff::Timestamp,
    ) -> Result<(), FailedError> {
        let (id, reason) = (id.map(str::to_owned), reason.to_owned());
        let document = FailedDocument { id, reason, ..self.blank(origin, at) };
        self.push(&document).await
    }

    /// Keeps the place of a document that the user's rules gave nothing for that could be sent.
    ///
    /// # Errors
    /// As [`FailedWriter::refused`].
    pub async fn ruled_out(
        &mut self,
        origin: Origin<'_>,
        id: Option<&str>,
        reason: &str,
        at: jiff::Timestamp,
    ) -> Result<(), FailedError> {
        let (id, reason, class) = (id.map(str::to_owned), reason.to_owned(), Class::Rule);
        let document = FailedDocument { id, reason, class, ..self.blank(origin, at) };
        self.push(&document).await
    }

    /// Keeps a document.
    ///
    /// # Errors
    /// As [`FailedWriter::refused`].
    pub async fn push(&mut self, document: &FailedDocument) -> Result<(), FailedError> {
        document.write(&mut self.lines);
        self.held += 1;
        if self.lines.len() >= self.part_bytes {
            self.flush().await?;
        }
        Ok(())
    }

    /// Makes everything durable that was kept so far. May be repeated when it failed.
    ///
    /// # Errors
    /// When the store can't be written to; nothing is lost then, and nothing durable.
    pub async fn flush(&mut self) -> Result<(), FailedError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let lines = Bytes::from(std::mem::take(&mut self.lines));
        if let Err(error) = self.store.put(&self.next, lines.clone()).await {
            self.lines = lines.into();
            return Err(error);
        }
        self.next.number += 1;
        self.held = 0;
        Ok(())
    }

    /// Documents that aren't durable yet.
    pub fn held(&self) -> u64 {
        self.held
    }

    fn blank(&self, origin: Origin<'_>, at: jiff::Timestamp) -> FailedDocument {
        FailedDocument {
            run: self.run.clone(),
            index: origin.index.to_owned(),
            shard: origin.shard,
            segment: origin.segment.to_owned(),
            document: origin.document,
            id: None,
            routing: None,
            version: None,
            class: Class::Unreadable,
            status: 0,
            kind: String::new(),
            reason: String::new(),
            attempts: 0,
            at,
            action: None,
            source: None,
        }
    }
}

/// What an action line says of its document.
#[derive(Debug, Default, Deserialize)]
struct Names {
    #[serde(rename = "_id")]
    id: Option<String>,
    routing: Option<String>,
    version: Option<u64>,
}

impl Names {
    fn read(action: &str) -> Self {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Line {
            Index(Names),
            Create(Names),
        }
        match serde_json::from_str(action) {
            Ok(Line::Index(names) | Line::Create(names)) => names,
            Err(_) => Self::default(),
        }
    }
}

/// Names the index of the request's path in the line itself: a retry sends documents of several indices.
fn with_index(action: String, index: Option<&str>) -> String {
    let Some(index) = index else { return action };
    let name = serde_json::Value::from(index);
    match action.split_once(":{") {
        Some((operation, rest)) => format!("{operation}:{{\"_index\":{name},{rest}"),
        None => action,
    }
}
