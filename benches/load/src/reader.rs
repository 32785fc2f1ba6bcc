//! All documents of an index, in the order of their ids, a page at a time.

use std::collections::VecDeque;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

/// Documents a page; pages are all that is held in memory.
const PAGE: usize = 4_000;

/// A document as a cluster has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Document {
    #[serde(rename = "_id")]
    pub id: String,
    #[serde(rename = "_routing")]
    pub routing: Option<String>,
    #[serde(rename = "_source")]
    pub source: Value,
}

/// Reads one index to its end. The index must not change meanwhile.
#[derive(Debug)]
pub struct Documents {
    http: reqwest::Client,
    url: String,
    page: VecDeque<Document>,
    after: Option<String>,
    ended: bool,
}

#[derive(Deserialize)]
struct Page {
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Shards,
    hits: Hits,
}

#[derive(Deserialize)]
struct Shards {
    total: u32,
    successful: u32,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Document>,
}

impl Documents {
    /// Refreshes the index, so that all of it is seen, and starts at its beginning.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn of(cluster: &str, index: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::new();
        let refreshed = http.post(format!("{cluster}/{index}/_refresh")).send().await?;
        ensure!(refreshed.status().is_success(), "refreshing {index}: {}", refreshed.text().await?);
        let url = format!("{cluster}/{index}/_search");
        Ok(Self { http, url, page: VecDeque::new(), after: None, ended: false })
    }

    /// The next document.
    ///
    /// # Errors
    /// When the cluster refuses, or doesn't answer for all shards.
    pub async fn next(&mut self) -> anyhow::Result<Option<Document>> {
        if self.page.is_empty() && !self.ended {
            self.turn().await?;
        }
        Ok(self.page.pop_front())
    }

    async fn turn(&mut self) -> anyhow::Result<()> {
        let mut query = json!({"size": PAGE, "sort": [{"_id": "asc"}], "track_total_hits": false});
        if let Some(after) = &self.after {
            query["search_after"] = json!([after]);
        }
        let answer = self.http.post(&self.url).json(&query).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        ensure!(status.is_success(), "{}: {status} {}", self.url, String::from_utf8_lossy(&body));
        let page: Page =
            serde_json::from_slice(&body).with_context(|| format!("answer of {}", self.url))?;
        ensure!(
            !page.timed_out && page.shards.successful == page.shards.total,
            "{} answered for {} of {} shards",
            self.url,
            page.shards.successful,
            page.shards.total
        );
        self.ended = page.hits.hits.len() < PAGE;
        self.after = page.hits.hits.last().map(|document| document.id.clone());
        self.page = page.hits.hits.into();
        Ok(())
    }
}

/// The names of a cluster's indices but the hidden ones and the replayer's own, sorted.
///
/// # Errors
/// When the cluster refuses.
pub async fn indices(cluster: &str) -> anyhow::Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Row {
        index: String,
    }
    let url = format!("{cluster}/_cat/indices?format=json&h=index");
    let answer = reqwest::get(url).await?.error_for_status()?;
    let rows: Vec<Row> = answer.json().await?;
    let visible = |name: &String| !name.starts_with('.') && !name.starts_with("godwit");
    let mut names: Vec<String> = rows.into_iter().map(|row| row.index).filter(visible).collect();
    names.sort_unstable();
    Ok(names)
}
