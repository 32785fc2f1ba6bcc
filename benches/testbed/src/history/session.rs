//! Requests to the server, and what the documents must be after them.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::dialect::Dialect;
use super::odd::Body;

/// One line of a bulk request.
#[derive(Debug, Clone)]
pub(super) struct Item {
    action: &'static str,
    pub(super) index: &'static str,
    pub(super) type_name: &'static str,
    pub(super) id: String,
    routing: Option<String>,
    parent: Option<String>,
    /// A version that the client brings.
    pub(super) version: Option<u64>,
    pub(super) body: Option<Value>,
}

impl Item {
    pub(super) fn new(index: &'static str, id: String, source: Value) -> Self {
        Self {
            action: "index",
            index,
            type_name: "doc",
            id,
            routing: None,
            parent: None,
            version: None,
            body: Some(source),
        }
    }

    pub(super) fn routed(self, routing: String) -> Self {
        Self { routing: Some(routing), ..self }
    }

    pub(super) fn typed(self, type_name: &'static str) -> Self {
        Self { type_name, ..self }
    }

    pub(super) fn child_of(self, parent: &str) -> Self {
        Self { parent: Some(parent.to_owned()), ..self }
    }

    pub(super) fn versioned(self, version: u64) -> Self {
        Self { version: Some(version), ..self }
    }

    pub(super) fn delete(self) -> Self {
        Self { action: "delete", body: None, version: self.version.map(|old| old + 1), ..self }
    }

    pub(super) fn index(self, source: Value) -> Self {
        Self { action: "index", body: Some(source), ..self }
    }

    /// Changes these fields and leaves the others.
    pub(super) fn update(self, fields: Value) -> Self {
        Self { action: "update", body: Some(fields), ..self }
    }

    fn key(&self) -> Key {
        (self.index, self.type_name, self.id.clone())
    }

    fn lines(&self, dialect: Dialect) -> String {
        let mut about = json!({"_index": self.index, "_id": self.id});
        if dialect.has_types() {
            about["_type"] = json!(self.type_name);
        }
        if let Some(routing) = &self.routing {
            about["routing"] = json!(routing);
        }
        if let Some(parent) = &self.parent {
            about["parent"] = json!(parent);
        }
        if let Some(version) = self.version {
            about["version"] = json!(version);
            about["version_type"] = json!("external");
        }
        let action = json!({ self.action: about });
        match (&self.body, self.action) {
            (None, _) => format!("{action}\n"),
            (Some(fields), "update") => format!("{action}\n{}\n", json!({ "doc": fields })),
            (Some(source), _) => format!("{action}\n{source}\n"),
        }
    }
}

type Key = (&'static str, &'static str, String);

pub(super) struct Session {
    client: reqwest::Client,
    url: String,
    pub(super) dialect: Dialect,
    /// What must be there.
    pub(super) documents: BTreeMap<Key, Item>,
    pub(super) refused: Vec<(String, String)>,
}

impl Session {
    pub(super) fn new(url: String, dialect: Dialect) -> Self {
        let client = reqwest::Client::new();
        Self { client, url, dialect, documents: BTreeMap::new(), refused: Vec::new() }
    }

    pub(super) async fn create(&self, index: &str, definition: &Value) -> anyhow::Result<()> {
        self.put(index, definition).await
    }

    /// What is alive in an index.
    pub(super) fn live(&self, index: &'static str) -> impl Iterator<Item = Item> {
        self.documents.values().filter(move |item| item.index == index).cloned()
    }

    /// Sends a bulk, of which no item may fail.
    pub(super) async fn bulk(&mut self, items: Vec<Item>) -> anyhow::Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        let lines: String = items.iter().map(|item| item.lines(self.dialect)).collect();
        let request = self.client.post(format!("{}/_bulk", self.url)).body(lines);
        let answer = json_of(request.header("content-type", "application/x-ndjson")).await?;
        let answers = answer["items"].as_array().context("a bulk without items")?;
        ensure!(answers.len() == items.len(), "{} answers to {}", answers.len(), items.len());
        for (item, answer) in items.into_iter().zip(answers) {
            let status = answer[item.action]["status"].as_u64().unwrap_or(0);
            ensure!((200..300).contains(&status), "{} was answered {answer}", item.id);
            self.apply(item);
        }
        Ok(())
    }

    fn apply(&mut self, item: Item) {
        match (item.action, &item.body) {
            ("delete", _) => drop(self.documents.remove(&item.key())),
            ("update", Some(Value::Object(fields))) => {
                let old = self.documents.get_mut(&item.key());
                if let Some(Value::Object(source)) = old.and_then(|old| old.body.as_mut()) {
                    source.extend(fields.clone());
                }
            }
            _ => drop(self.documents.insert(item.key(), item)),
        }
    }

    /// Writes a source of JSON that is kept to the byte.
    pub(super) async fn put_text(
        &mut self,
        index: &'static str,
        id: &str,
        text: String,
    ) -> anyhow::Result<()> {
        let means = serde_json::from_str(&text).with_context(|| format!("the text {id}"))?;
        let body = Body { content_type: "application/json", bytes: text.into_bytes(), means };
        match self.try_put(index, id, body).await? {
            None => Ok(()),
            Some(reason) => bail!("{id} was refused: {reason}"),
        }
    }

    /// Writes a source that not every version takes.
    pub(super) async fn offer(
        &mut self,
        what: &str,
        index: &'static str,
        id: &str,
        body: Body,
    ) -> anyhow::Result<()> {
        if let Some(reason) = self.try_put(index, id, body).await? {
            self.refused.push((what.to_owned(), reason));
        }
        Ok(())
    }

    /// The reason when it was refused.
    async fn try_put(
        &mut self,
        index: &'static str,
        id: &str,
        body: Body,
    ) -> anyhow::Result<Option<String>> {
        let type_name = if self.dialect.has_types() { "doc" } else { "_doc" };
        let url = format!("{}/{index}/{type_name}/{id}", self.url);
        let request = self.client.put(url).header("content-type", body.content_type);
        let request = request.header("accept", "application/json");
        let answer = request.body(body.bytes).send().await?;
        if answer.status().is_client_error() {
            return Ok(Some(answer.text().await?));
        }
        ensure!(answer.status().is_success(), "{id}: {}", answer.text().await?);
        self.apply(Item::new(index, id.to_owned(), body.means));
        Ok(None)
    }

    pub(super) async fn refresh(&self) -> anyhow::Result<()> {
        self.post("_refresh").await
    }

    pub(super) async fn flush(&self) -> anyhow::Result<()> {
        self.post("_flush").await
    }

    pub(super) async fn force_merge(&self, index: &str) -> anyhow::Result<()> {
        self.post(&format!("{index}/{}?max_num_segments=1", self.dialect.force_merge())).await
    }

    pub(super) async fn register(&self, settings: &Value) -> anyhow::Result<()> {
        self.put("_snapshot/godwit", &json!({"type": "fs", "settings": settings})).await
    }

    /// Makes a snapshot of these indices and the cluster's state.
    pub(super) async fn snapshot(&self, name: &str, indices: &[&str]) -> anyhow::Result<()> {
        let url = format!("{}/_snapshot/godwit/{name}?wait_for_completion=true", self.url);
        let answer =
            json_of(self.client.put(url).json(&json!({"indices": indices.join(",")}))).await?;
        let snapshot = &answer["snapshot"];
        let complete = snapshot["state"] == "SUCCESS" && snapshot["shards"]["failed"] == 0;
        ensure!(complete, "the snapshot {name} is not complete: {answer}");
        Ok(())
    }

    pub(super) async fn search(&self, index: &str, query: &Value) -> anyhow::Result<Value> {
        json_of(self.client.post(format!("{}/{index}/_search", self.url)).json(query)).await
    }

    async fn put(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        json_of(self.client.put(format!("{}/{path}", self.url)).json(body)).await.map(drop)
    }

    async fn post(&self, path: &str) -> anyhow::Result<()> {
        json_of(self.client.post(format!("{}/{path}", self.url))).await.map(drop)
    }
}

async fn json_of(request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
    let answer = request.send().await?;
    let (status, path) = (answer.status(), answer.url().path().to_owned());
    let text = answer.text().await?;
    ensure!(status.is_success(), "{path} was answered {status}: {text}");
    serde_json::from_str(&text).with_context(|| format!("the answer to {path}"))
}
