//! What a client sees, and whether it is what was sent.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::ExpectedDocument;
use super::session::Session;

/// More than any index of a history has, and what a search gives at once.
const MOST: usize = 10_000;

impl Session {
    /// The documents of an index, by type and id.
    pub(super) async fn found(&self, index: &str) -> anyhow::Result<Vec<ExpectedDocument>> {
        let mut query = json!({"query": {"match_all": {}}, "size": MOST, "version": true});
        if self.dialect.before(2, 0) {
            query["fields"] = json!(["_source", "_routing", "_parent"]);
        }
        if self.dialect.has_sequence_numbers() {
            query["seq_no_primary_term"] = json!(true);
        }
        if index == "odd" {
            // A source is shown as it was sent, comments and all, unless it is filtered.
            query["_source"] = json!(["*"]);
            if let Some(query) = query.as_object_mut() {
                query.remove("fields");
            }
        }
        let answer = self.search(index, &query).await?;
        ensure!(answer["_shards"]["failed"] == 0, "the search in {index}: {answer}");
        let hits = answer["hits"]["hits"].as_array().context("an answer without hits")?;
        ensure!(hits.len() < MOST, "more than {MOST} documents in {index}");
        let mut found: Vec<_> =
            hits.iter().map(|hit| self.document(hit)).collect::<anyhow::Result<_>>()?;
        found.sort_by(|a, b| (&a.doc_type, &a.id).cmp(&(&b.doc_type, &b.id)));
        Ok(found)
    }

    fn document(&self, hit: &Value) -> anyhow::Result<ExpectedDocument> {
        let text = |name: &str| {
            let shown = hit[name].as_str().or_else(|| hit["fields"][name].as_str());
            shown.map(str::to_owned)
        };
        let source = hit.get("_source").with_context(|| format!("a hit without source: {hit}"))?;
        Ok(ExpectedDocument {
            index: text("_index").context("a hit without index")?,
            id: text("_id").context("a hit without id")?,
            doc_type: text("_type").filter(|_| self.dialect.has_types()),
            routing: text("_routing"),
            parent: text("_parent"),
            seq_no: hit["_seq_no"].as_u64(),
            primary_term: hit["_primary_term"].as_u64(),
            version: hit["_version"].as_u64().with_context(|| format!("no version: {hit}"))?,
            source: source.clone(),
        })
    }

    /// Are they those that were written, as they were written?
    pub(super) fn check(&self, found: &[ExpectedDocument]) -> anyhow::Result<()> {
        let mut missing: BTreeMap<_, _> = self
            .documents
            .iter()
            .map(|((index, type_name, id), item)| {
                let type_name = self.dialect.has_types().then(|| (*type_name).to_owned());
                (((*index).to_owned(), type_name, id.clone()), item)
            })
            .collect();
        for document in found {
            let key = (document.index.clone(), document.doc_type.clone(), document.id.clone());
            let Some(item) = missing.remove(&key) else { bail!("{key:?} is there") };
            let same = item.body.as_ref() == Some(&document.source);
            ensure!(same, "{key:?}: {:?} became {}", item.body, document.source);
            if let Some(version) = item.version {
                ensure!(document.version == version, "{key:?} has version {}", document.version);
            }
        }
        match missing.keys().next() {
            Some(key) => bail!("{} documents are missing, as {key:?}", missing.len()),
            None => Ok(()),
        }
    }
}
