//! Documents of indices that have parts on the target: a document is one of an index, a type and an id.
//!
//! The source is asked by type, and each of the target's indices for itself. Where types are united, two documents of one
//! id have one place: then neither is written, and that is said.

use std::{collections::BTreeMap, sync::Arc};

use cluster::{ClusterError, Document, DocumentId, Found, Wanted};
use deletes::Delete;

use super::{
    Swept,
    reading::{Reading, id_of, version_of},
};
use crate::{
    indices::{Part, Place},
    noted, operations,
};

/// Indices that are read as a whole once more because they turned out to be others meanwhile, at most.
const ROUNDS: usize = 5;

impl Reading<'_> {
    /// Reads those indices as a whole whose images were replaced. What stood for them before is deleted after that.
    pub(super) async fn fill_replaced(&mut self, swept: &mut Swept) -> Result<(), ClusterError> {
        for _ in 0..ROUNDS {
            for index in std::mem::take(&mut self.replaced) {
                let done = self.sweep(&index, swept, "walk").await;
                self.bear(index.clone(), done)?;
                // What failed is read again the next time, and by then something has to say so.
                let of_index = |key: &String| key.split('/').next() == Some(&*index);
                let failed = self.failures.keys().any(of_index);
                if self.unavailable.keys().any(of_index) {
                    // Its doubts are asked again, and it is filled then.
                    self.context.indices.replaced_again(index);
                    continue;
                }
                if !failed && !self.replaced.contains(&index) {
                    self.context.indices.drop_stale(&index).await?;
                }
            }
        }
        for index in std::mem::take(&mut self.replaced) {
            let why = "it is made again on the source while it is read";
            self.failures.insert(index, why.to_owned());
        }
        Ok(())
    }

    /// Whether an index has parts on the target, by the types that the source has now. `ids`: what has failed if that
    /// can't be told.
    pub(super) async fn has_parts(
        &mut self,
        index: &str,
        ids: &[&str],
    ) -> Result<bool, ClusterError> {
        let indices = &self.context.indices;
        if !indices.has_types() {
            return Ok(false);
        }
        if self.looked.insert(index.to_owned()) {
            // A type that has come since makes another index of it.
            indices.forget(index);
        }
        if let Err(why) = operations::settle(indices.prepare(index, u64::MAX).await)? {
            self.failures.extend(ids.iter().map(|id| (format!("{index}/{id}"), why.clone())));
            self.failures.insert(index.to_owned(), why);
        }
        if indices.take_replaced(index) {
            self.replaced.insert(index.to_owned());
        }
        Ok(indices.parts(index).is_some())
    }

    fn parts(&self, index: &str) -> Arc<[Part]> {
        self.context.indices.parts(index).unwrap_or_default()
    }

    pub(super) async fn by_id_in_parts(
        &mut self,
        index: &str,
        ids: &[DocumentId],
    ) -> Result<(), ClusterError> {
        let place = |id: &&DocumentId| self.context.indices.place(index, id.doc_type.as_deref());
        let left_out = ids.iter().filter(|id| place(id) == Place::LeftOut).count();
        self.context.metrics.type_left_out(left_out as u64);
        for part in &*self.parts(index) {
            let is_here = |id: &&DocumentId| match &id.doc_type {
                Some(name) => part.types.contains(name),
                // It may be of any type.
                None => true,
            };
            let bare = |id: &DocumentId| DocumentId { doc_type: None, ..id.clone() };
            let mut ids: Vec<DocumentId> = ids.iter().filter(is_here).map(bare).collect();
            ids.sort_by(|a, b| (&a.id, &a.routing).cmp(&(&b.id, &b.routing)));
            ids.dedup();
            for ids in ids.chunks(self.context.settings.doubt_batch) {
                let gone = self.read_in(index, part, ids).await?;
                let notes = gone.iter().map(|id| Delete::Gone { id: id.id.clone() });
                noted::in_part(self.context, part, notes.collect()).await?;
                // What a backfill wrote between that and the note, it won't find again.
                self.read_in(index, part, &gone).await?;
            }
        }
        Ok(())
    }

    /// Reads documents of any of a part's types. Gives those that the source hasn't.
    async fn read_in(
        &mut self,
        index: &str,
        part: &Part,
        ids: &[DocumentId],
    ) -> Result<Vec<DocumentId>, ClusterError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.source.rate.take(ids.len() * part.types.len()).await;
        // Before the source is read, as ever.
        let versions = self.context.sender.target.versions(&part.name, ids).await?;
        let mut live: Vec<Vec<Document>> = ids.iter().map(|_| Vec::new()).collect();
        let mut unknown = vec![false; ids.len()];
        for doc_type in &part.types {
            let typed = of_type(ids, doc_type);
            let found = self.source.cluster.multi_get_typed(index, &typed, Wanted::Document);
            for (at, found) in found.await?.into_iter().enumerate() {
                match found {
                    Found::Live(document) => live[at].push(document),
                    Found::Gone => {}
                    Found::NoIndex => unknown[at] = true,
                    Found::Unreadable(why) => {
                        unknown[at] = true;
                        self.failures.insert(format!("{index}/{}", ids[at].id), why);
                    }
                }
            }
        }
        let (mut written, mut gone, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for (at, mut live) in live.into_iter().enumerate() {
            let id = &ids[at];
            match (live.pop(), live.pop()) {
                (Some(_), Some(_)) => self.fail_united(index, part, &id.id),
                (Some(document), None) => written.push(document),
                _ if unknown[at] => {}
                _ => {
                    gone.push(id.clone());
                    deleted.extend(versions[at].map(|version| (id.clone(), version)));
                }
            }
        }
        self.write_to(index, &part.name, written, "id").await?;
        self.delete_in(index, part, deleted, "id").await?;
        Ok(gone)
    }

    /// Documents whose routing isn't known, on both sides.
    pub(super) async fn anywhere_in_parts(
        &mut self,
        index: &str,
        ids: &[&str],
    ) -> Result<(), ClusterError> {
        let parts = self.parts(index);
        let types = parts.iter().map(|part| part.types.len()).max().unwrap_or(1).max(parts.len());
        for ids in ids.chunks((self.context.settings.doubt_batch / types.max(1)).max(1)) {
            self.source.rate.take(ids.len() * types).await;
            let mut there = Vec::with_capacity(parts.len());
            for part in &*parts {
                let notes = ids.iter().map(|id| Delete::Gone { id: (*id).to_owned() });
                noted::in_part(self.context, part, notes.collect()).await?;
                there.push(self.context.sender.target.find_ids(&part.name, ids).await?);
            }
            let live = self.source.cluster.find_ids(index, ids).await?;
            let mut live = self.by_part(index, &parts, live);
            for (part, there) in parts.iter().zip(there) {
                let live = live.remove(&part.name).unwrap_or_default();
                let gone = cluster::not_among(there, &live);
                let live = self.alone(index, part, live);
                self.write_to(index, &part.name, live, "id").await?;
                self.delete_in(index, part, gone, "id").await?;
            }
        }
        Ok(())
    }

    /// Reads the whole index, and writes what the target has otherwise.
    pub(super) async fn compare_parts(
        &mut self,
        index: &str,
        how: &'static str,
    ) -> Result<(), ClusterError> {
        let parts = self.parts(index);
        let mut scan = self.source.cluster.scan(index, self.context.settings.doubt_batch).await?;
        loop {
            let documents = scan.next_page().await?;
            if documents.is_empty() {
                return Ok(());
            }
            self.source.rate.take(documents.len()).await;
            let mut documents = self.by_part(index, &parts, documents);
            for part in &*parts {
                let documents = documents.remove(&part.name).unwrap_or_default();
                let documents = self.without_united(index, part, documents).await?;
                let ids: Vec<DocumentId> = documents.iter().map(id_of).collect();
                let there = self.context.sender.target.multi_get(&part.name, &ids).await?;
                let pairs = documents.into_iter().zip(there);
                let differs =
                    |(document, found): &(Document, Found)| !self.is_same(document, found);
                let documents = pairs.filter(differs).map(|(document, _)| document).collect();
                self.write_to(index, &part.name, documents, how).await?;
            }
        }
    }

    fn is_same(&self, document: &Document, found: &Found) -> bool {
        let Found::Live(found) = found else { return false };
        let is_current = self.source.facts().unnumbered
            || version_of(document).is_ok_and(|version| version.get() == found.version);
        is_current && found.source == document.source
    }

    /// Deletes what the target's parts have and the source hasn't.
    pub(super) async fn find_gone_in_parts(&mut self, index: &str) -> Result<(), ClusterError> {
        for part in &*self.parts(index) {
            noted::in_part(self.context, part, vec![Delete::Walk]).await?;
            let page = self.context.settings.doubt_batch;
            let mut scan = self.context.sender.target.scan_numbers(&part.name, page).await?;
            loop {
                let mut left = scan.next_page().await?;
                if left.is_empty() {
                    break;
                }
                self.source.rate.take(left.len() * part.types.len()).await;
                for doc_type in &part.types {
                    let ids: Vec<DocumentId> = left.iter().map(id_of).collect();
                    let typed = of_type(&ids, doc_type);
                    let found =
                        self.source.cluster.multi_get_typed(index, &typed, Wanted::Numbers).await?;
                    let pairs = left.into_iter().zip(found);
                    let lacks = |(_, found): &(Document, Found)| matches!(found, Found::Gone);
                    left = pairs.filter(lacks).map(|(document, _)| document).collect();
                }
                let gone = left.into_iter().map(|document| (id_of(&document), document.version));
                self.delete_in(index, part, gone.collect(), "walk").await?;
            }
        }
        Ok(())
    }

    /// Documents of an index by the part that they go to. Those that nothing is configured for are left out.
    fn by_part(
        &mut self,
        index: &str,
        parts: &[Part],
        documents: Vec<Document>,
    ) -> BTreeMap<Arc<str>, Vec<Document>> {
        let mut by_part: BTreeMap<Arc<str>, Vec<Document>> = BTreeMap::new();
        for document in documents {
            match self.context.indices.place(index, document.doc_type.as_deref()) {
                Place::Part(name) if parts.iter().any(|part| part.name == name) => {
                    by_part.entry(name).or_default().push(document);
                }
                Place::LeftOut => {}
                // Of a type that has come since, or the index is another one by now.
                Place::Part(_) | Place::Same | Place::Gone => {
                    self.looked.remove(index);
                    self.replaced.insert(index.to_owned());
                }
            }
        }
        by_part
    }

    /// Of documents that were found together, those that are the only one of their id.
    fn alone(&mut self, index: &str, part: &Part, documents: Vec<Document>) -> Vec<Document> {
        let mut by_id: BTreeMap<(String, Option<String>), Vec<Document>> = BTreeMap::new();
        for document in documents {
            let key = (document.id.clone(), document.routing.clone());
            by_id.entry(key).or_default().push(document);
        }
        let mut alone = Vec::with_capacity(by_id.len());
        for ((id, _), mut documents) in by_id {
            match (documents.pop(), documents.is_empty()) {
                (Some(document), true) => alone.push(document),
                _ => self.fail_united(index, part, &id),
            }
        }
        alone
    }

    /// Without those documents of united types of whose id another type has one too.
    async fn without_united(
        &mut self,
        index: &str,
        part: &Part,
        documents: Vec<Document>,
    ) -> Result<Vec<Document>, ClusterError> {
        if part.types.len() < 2 || documents.is_empty() {
            return Ok(documents);
        }
        let ids: Vec<DocumentId> = documents.iter().map(id_of).collect();
        let mut counts = vec![0_usize; ids.len()];
        for doc_type in &part.types {
            let typed = of_type(&ids, doc_type);
            let found = self.source.cluster.multi_get_typed(index, &typed, Wanted::Numbers).await?;
            for (count, found) in counts.iter_mut().zip(found) {
                *count += usize::from(matches!(found, Found::Live(_)));
            }
        }
        let mut alone = Vec::with_capacity(documents.len());
        for (document, count) in documents.into_iter().zip(counts) {
            match count > 1 {
                true => self.fail_united(index, part, &document.id),
                false => alone.push(document),
            }
        }
        Ok(alone)
    }

    fn fail_united(&mut self, index: &str, part: &Part, id: &str) {
        let why = format!(
            "two types have a document of this id, and `{}` unites {}: split them (`--types split`)",
            part.name,
            part.types.join(", ")
        );
        self.failures.insert(format!("{index}/{id}"), why);
    }

    async fn delete_in(
        &mut self,
        index: &str,
        part: &Part,
        gone: Vec<(DocumentId, i64)>,
        how: &'static str,
    ) -> Result<(), ClusterError> {
        // By any of its types, the part is found again.
        let doc_type = part.types.first();
        let typed = |(id, version)| (DocumentId { doc_type: doc_type.cloned(), ..id }, version);
        self.delete(index, gone.into_iter().map(typed).collect(), how).await
    }
}

fn of_type(ids: &[DocumentId], doc_type: &str) -> Vec<DocumentId> {
    let typed = |id: &DocumentId| DocumentId { doc_type: Some(doc_type.to_owned()), ..id.clone() };
    ids.iter().map(typed).collect()
}
