//! Every document of an index, for comparison.

use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Cluster, ClusterError, Document, Request, Wanted, index::encode_segment, sweep::parse_hits,
};

/// A scroll over a whole index: a view of one moment, in no order that means anything.
#[derive(Debug)]
pub struct Scan {
    cluster: Cluster,
    scroll: String,
    wanted: Wanted,
    page: Option<Vec<Document>>,
}

impl Cluster {
    /// Begins to read all of `index` (after a refresh), `page` documents at a time.
    pub async fn scan(&self, index: &str, page: usize) -> Result<Scan, ClusterError> {
        self.scan_where(index, &json!({"match_all": {}}), page).await
    }

    /// As [`Cluster::scan`], without the documents' sources.
    pub async fn scan_numbers(&self, index: &str, page: usize) -> Result<Scan, ClusterError> {
        self.begin_scan(index, &json!({"match_all": {}}), page, Wanted::Numbers).await
    }

    /// As [`Cluster::scan`], only those that a query finds.
    pub async fn scan_where(
        &self,
        index: &str,
        query: &Value,
        page: usize,
    ) -> Result<Scan, ClusterError> {
        self.begin_scan(index, query, page, Wanted::Document).await
    }

    async fn begin_scan(
        &self,
        index: &str,
        query: &Value,
        page: usize,
        wanted: Wanted,
    ) -> Result<Scan, ClusterError> {
        self.refresh(index).await?;
        let path = format!("/{}/_search?scroll=5m", encode_segment(index));
        let mut body = json!({
            "size": page.clamp(1, 10_000),
            "query": query,
            "version": true,
            "_source": wanted == Wanted::Document,
            "sort": ["_doc"],
        });
        self.ask_for_numbers(&mut body);
        let reply = self.call(Request::json(Method::POST, path.clone(), body.to_string())).await?;
        let (scroll, page) =
            parse_page(&reply.body, wanted).map_err(|e| self.answer_error(&path, e))?;
        Ok(Scan { cluster: self.clone(), scroll, wanted, page: Some(page) })
    }
}

impl Scan {
    /// The cluster that is read.
    pub fn url(&self) -> &str {
        self.cluster.url()
    }

    /// The next documents; an empty page is the end.
    pub async fn next_page(&mut self) -> Result<Vec<Document>, ClusterError> {
        if let Some(first) = self.page.take() {
            return Ok(first);
        }
        let path = "/_search/scroll";
        let body = json!({"scroll": "5m", "scroll_id": self.scroll});
        let request = Request::json(Method::POST, path, body.to_string());
        // Not through `call`: a scroll that is asked twice skips a page.
        let reply = self.cluster.send(request).await?;
        if reply.status == 404 {
            // Of a node that has left, or too old: only a new one helps.
            return Err(self.cluster.unavailable(path, "the scroll isn't there any more".into()));
        }
        if !reply.is_success() {
            return Err(ClusterError::Status {
                url: self.cluster.url().to_owned(),
                method: "POST".into(),
                path: path.into(),
                status: reply.status,
                body: reply.excerpt(),
            });
        }
        let (scroll, page) =
            parse_page(&reply.body, self.wanted).map_err(|e| self.cluster.answer_error(path, e))?;
        self.scroll = scroll;
        if page.is_empty() {
            let body = json!({"scroll_id": [self.scroll]}).to_string();
            // The cluster forgets it by itself after five minutes, so a failure here changes nothing.
            let _ = self.cluster.send(Request::json(Method::DELETE, path, body)).await;
        }
        Ok(page)
    }
}

fn parse_page(body: &Bytes, wanted: Wanted) -> Result<(String, Vec<Document>), String> {
    #[derive(Deserialize)]
    struct Answer {
        _scroll_id: String,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    Ok((answer._scroll_id, parse_hits(body, wanted)?))
}
