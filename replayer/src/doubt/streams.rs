//! Documents of data streams: the target's stream gets what the source's has.
//!
//! A data stream takes `create` alone, and no versions from outside; so nothing of it is sent as the journal has it. Both sides are
//! searched by id, the target first, and what differs is created, replaced or deleted there on the condition that it hasn't
//! changed since. What has is looked at again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::{BufMut as _, Bytes, BytesMut};
use cluster::{
    ClusterError, Document, HeaderValue, Method, Repeat, Request, data_stream_of, encode_segment,
};
use converge::{Outcome, Shape};
use serde_json::json;

use super::reading::Reading;
use crate::{
    operations,
    rules::{Kept, Ruled},
    sender::Answers,
};

/// Looks at documents that change while they are written, at most.
const ROUNDS: usize = 5;
/// Bytes of documents in one bulk, about.
const PART: usize = 8 << 20;

impl Reading<'_> {
    /// The data stream that an index of the source is of.
    pub(super) async fn stream(&mut self, index: &str) -> Result<Option<Arc<str>>, ClusterError> {
        let known = self.context.indices.stream(index);
        if known.is_some() || data_stream_of(index).is_none() {
            return Ok(known);
        }
        let prepared = self.context.indices.prepare(index, u64::MAX).await;
        if let Err(why) = operations::settle(prepared)? {
            self.failures.insert(index.to_owned(), why);
        }
        Ok(self.context.indices.stream(index))
    }

    /// Documents in the data streams behind a name, each of which is searched once, as a whole. Gives the other indices behind it.
    pub(super) async fn outside_streams(
        &mut self,
        name: &str,
        ids: &[&str],
    ) -> Result<Vec<String>, ClusterError> {
        let (mut others, mut streams) = (Vec::new(), BTreeMap::new());
        for index in self.behind(name).await? {
            match self.stream(&index).await? {
                Some(stream) => drop(streams.entry(stream).or_insert(index)),
                None => others.push(index),
            }
        }
        for (stream, index) in streams {
            for ids in ids.chunks(self.context.settings.doubt_batch) {
                let ids = ids.iter().map(|id| (*id).to_owned()).collect();
                self.in_stream(&index, &stream, ids, "id").await?;
            }
        }
        Ok(others)
    }

    /// Makes documents of the target's stream what they are on the source. `index`: under which failures are kept.
    pub(super) async fn in_stream(
        &mut self,
        index: &str,
        stream: &str,
        mut ids: BTreeSet<String>,
        how: &'static str,
    ) -> Result<(), ClusterError> {
        for _ in 0..ROUNDS {
            if ids.is_empty() {
                return Ok(());
            }
            let asked: Vec<&str> = ids.iter().map(String::as_str).collect();
            self.source.rate.take(asked.len()).await;
            let there = self.context.sender.target.find_ids(stream, &asked).await?;
            let live = self.source.cluster.find_ids(stream, &asked).await?;
            let mut there: BTreeMap<String, Document> =
                there.into_iter().map(|document| (document.id.clone(), document)).collect();
            let (mut creates, mut changes) = (BTreeMap::new(), BTreeMap::new());
            for document in live {
                let id = document.id.clone();
                match there.remove(&id) {
                    // Backing indices know nothing of each other's ids.
                    _ if creates.contains_key(&id) || changes.contains_key(&id) => {
                        let why = "two indices of the data stream have a document of this id";
                        self.failures.insert(format!("{index}/{id}"), why.to_owned());
                    }
                    None => drop(creates.insert(id, document)),
                    Some(old)
                        if old.source == document.source && old.routing == document.routing => {}
                    Some(_) => drop(changes.insert(id, Some(document))),
                }
            }
            changes.extend(there.into_keys().map(|id| (id, None)));
            ids = self.create(index, stream, creates, how).await?;
            ids.extend(self.change(index, stream, changes, how).await?);
        }
        for id in ids {
            let why = "it changes on the target while it is written; who else writes there?";
            self.failures.insert(format!("{index}/{id}"), why.to_owned());
        }
        Ok(())
    }

    /// Deletes what the target's stream has and the source's hasn't.
    pub(super) async fn find_gone_in_stream(
        &mut self,
        index: &str,
        stream: Arc<str>,
    ) -> Result<(), ClusterError> {
        if !self.walked.insert(Arc::clone(&stream)) {
            return Ok(());
        }
        let page = self.context.settings.doubt_batch;
        let mut scan = self.context.sender.target.scan_numbers(&stream, page).await?;
        loop {
            let page = scan.next_page().await?;
            if page.is_empty() {
                return Ok(());
            }
            let ids = page.into_iter().map(|document| document.id).collect();
            self.in_stream(index, &stream, ids, "walk").await?;
        }
    }

    /// Gives those that are to be looked at again.
    async fn create(
        &mut self,
        index: &str,
        stream: &str,
        documents: BTreeMap<String, Document>,
        how: &'static str,
    ) -> Result<BTreeSet<String>, ClusterError> {
        let mut again = BTreeSet::new();
        let mut documents = documents.into_values().peekable();
        while documents.peek().is_some() {
            let (mut body, mut ids) = (BytesMut::new(), Vec::new());
            while let Some(document) = documents.next_if(|_| body.len() < PART) {
                let mut action = json!({"_index": stream, "_id": document.id, "pipeline": "_none"});
                if let Some(routing) = &document.routing {
                    action["routing"] = json!(routing);
                }
                body.put_slice(json!({"create": action}).to_string().as_bytes());
                body.put_u8(b'\n');
                body.put_slice(&document.source);
                body.put_u8(b'\n');
                ids.push(document.id);
            }
            let mut request = Request::new(Method::POST, "/_bulk");
            request.body = body.freeze();
            let kind = HeaderValue::from_static("application/x-ndjson");
            request.headers.insert("content-type", kind);
            let Some((status, body)) = self.send(index, request, &ids).await? else { continue };
            let outcomes = converge::outcomes(Shape::Bulk, status, &body, ids.len());
            let outcomes = outcomes.unwrap_or_else(|error| {
                vec![Outcome::Retry { status, kind: error.to_string() }; ids.len()]
            });
            for (id, outcome) in ids.into_iter().zip(outcomes) {
                match outcome {
                    Outcome::Applied => {
                        self.context.metrics.operations.with_label_values(&[how]).inc();
                    }
                    Outcome::AlreadyNewer | Outcome::Retry { .. } => drop(again.insert(id)),
                    other => {
                        self.failures.insert(format!("{index}/{id}"), format!("{other:?}"));
                    }
                }
            }
        }
        Ok(again)
    }

    /// Replaces documents, or (`None`) deletes them, in the backing index that has them. Gives those that are to be looked at
    /// again.
    async fn change(
        &mut self,
        index: &str,
        stream: &str,
        mut documents: BTreeMap<String, Option<Document>>,
        how: &'static str,
    ) -> Result<BTreeSet<String>, ClusterError> {
        let mut again = BTreeSet::new();
        if documents.is_empty() {
            return Ok(again);
        }
        let backing = self.context.sender.target.index_definitions(stream).await?;
        for backing in backing.keys() {
            let ids: Vec<&str> = documents.keys().map(String::as_str).collect();
            for old in self.context.sender.target.find_ids(backing, &ids).await? {
                let Some(wanted) = documents.remove(&old.id) else { continue };
                let mut path = format!(
                    "/{}/_doc/{}?if_seq_no={}&if_primary_term={}",
                    encode_segment(backing),
                    encode_segment(&old.id),
                    old.seq_no,
                    old.primary_term
                );
                if let Some(routing) = &old.routing {
                    path.push_str(&format!("&routing={}", encode_segment(routing)));
                }
                let request = match wanted {
                    Some(document) => {
                        path.push_str("&pipeline=_none");
                        Request::json(Method::PUT, path, document.source)
                    }
                    None => Request::new(Method::DELETE, path),
                };
                let id = [old.id];
                let Some((status, body)) = self.send(index, request, &id).await? else { continue };
                let [id] = id;
                match status {
                    200..300 => {
                        self.context.metrics.operations.with_label_values(&[how]).inc();
                    }
                    404 | 409 => drop(again.insert(id)),
                    _ => {
                        let why = format!("{status}: {}", String::from_utf8_lossy(&body));
                        self.failures.insert(format!("{index}/{id}"), why);
                    }
                }
            }
        }
        // In none of them any more.
        again.extend(documents.into_keys());
        Ok(again)
    }

    /// Through the rules; `None`: nothing is sent.
    async fn send(
        &mut self,
        index: &str,
        request: Request,
        ids: &[String],
    ) -> Result<Option<(u16, Bytes)>, ClusterError> {
        let request = match self.context.transforms.apply(request, None, Kept::Operations).await {
            Ruled::Send(request) => request,
            Ruled::Dropped => return Ok(None),
            Ruled::Failed(why) => {
                let failed = ids.iter().map(|id| (format!("{index}/{id}"), why.clone()));
                self.failures.extend(failed);
                return Ok(None);
            }
        };
        let mut answers = Answers::default();
        let sender = &self.context.sender;
        let reply = sender.deliver(&request, Repeat::Safe, |_| false, &mut answers).await?;
        Ok(Some((reply.status, reply.body.clone())))
    }
}
