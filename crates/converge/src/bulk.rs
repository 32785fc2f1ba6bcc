//! The body of a bulk request: lines of actions and documents.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::endpoint::DocumentAction;
use crate::text::Text;

/// The actions of a bulk request, in order.
#[derive(Debug)]
pub(crate) struct BulkBody {
    pub(crate) actions: Vec<BulkAction>,
    /// Whether every line was understood. What follows a line that wasn't, wasn't read.
    pub(crate) complete: bool,
}

/// One action with the line that follows it.
#[derive(Debug)]
pub(crate) struct BulkAction {
    pub(crate) action: DocumentAction,
    pub(crate) index: Option<Arc<str>>,
    pub(crate) doc_type: Option<Arc<str>>,
    pub(crate) id: Option<String>,
    pub(crate) routing: Option<String>,
    pub(crate) pipeline: Option<String>,
    pub(crate) version_type: Option<String>,
    /// The JSON object as it was given.
    pub(crate) dynamic_templates: Option<Bytes>,
    /// The document (of an update: its body); empty for a delete. A slice of the request.
    pub(crate) source: Bytes,
}

#[derive(Deserialize)]
struct ActionLine<'a> {
    #[serde(borrow)]
    index: Option<Metadata<'a>>,
    #[serde(borrow)]
    create: Option<Metadata<'a>>,
    #[serde(borrow)]
    update: Option<Metadata<'a>>,
    #[serde(borrow)]
    delete: Option<Metadata<'a>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, rename = "_index")]
    index: Option<Text<'a>>,
    #[serde(borrow, rename = "_type")]
    doc_type: Option<Text<'a>>,
    #[serde(borrow, rename = "_id")]
    id: Option<Text<'a>>,
    #[serde(borrow, alias = "_routing")]
    routing: Option<Text<'a>>,
    #[serde(borrow, alias = "_parent")]
    parent: Option<Text<'a>>,
    #[serde(borrow)]
    pipeline: Option<Text<'a>>,
    #[serde(borrow)]
    op_type: Option<Text<'a>>,
    #[serde(borrow, alias = "_version_type")]
    version_type: Option<Text<'a>>,
    #[serde(borrow)]
    dynamic_templates: Option<&'a RawValue>,
}

/// Reads a bulk body. Every line ends with a newline: Elasticsearch refuses a bulk whose last one
/// doesn't, so what lacks it was cut off and is left out. An action whose document line is missing
/// is left out, as Elasticsearch does.
pub(crate) fn parse(body: &Bytes) -> BulkBody {
    let mut actions = Vec::new();
    let mut names = Names::default();
    let mut lines = Lines { body, from: 0 };
    while let Some(line) = lines.next() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let Some((action, metadata)) = action_of(&line) else {
            return BulkBody { actions, complete: false };
        };
        let source = match action {
            DocumentAction::Delete => Bytes::new(),
            _ => match lines.next() {
                Some(source) => source,
                None => break,
            },
        };
        actions.push(BulkAction {
            action,
            index: metadata.index.map(|Text(name)| names.shared(&name)),
            doc_type: metadata.doc_type.map(|Text(name)| names.shared(&name)),
            id: metadata.id.map(|Text(id)| id.into_owned()),
            routing: metadata.routing.or(metadata.parent).map(|Text(routing)| routing.into_owned()),
            pipeline: metadata.pipeline.map(|Text(pipeline)| pipeline.into_owned()),
            version_type: metadata.version_type.map(|Text(kind)| kind.into_owned()),
            dynamic_templates: metadata
                .dynamic_templates
                .map(|value| line.slice_ref(value.get().as_bytes())),
            source,
        });
    }
    BulkBody { actions, complete: true }
}

/// Reads an action line: `{"index":{…}}`.
fn action_of(line: &[u8]) -> Option<(DocumentAction, Metadata<'_>)> {
    let line: ActionLine<'_> = serde_json::from_slice(line).ok()?;
    let found = match line {
        ActionLine { index: Some(metadata), create: None, update: None, delete: None } => {
            let creates = metadata.op_type.as_ref().is_some_and(|kind| kind.as_str() == "create");
            let action = if creates { DocumentAction::Create } else { DocumentAction::Index };
            (action, metadata)
        }
        ActionLine { index: None, create: Some(metadata), update: None, delete: None } => {
            (DocumentAction::Create, metadata)
        }
        ActionLine { index: None, create: None, update: Some(metadata), delete: None } => {
            (DocumentAction::Update, metadata)
        }
        ActionLine { index: None, create: None, update: None, delete: Some(metadata) } => {
            (DocumentAction::Delete, metadata)
        }
        _ => return None,
    };
    Some(found)
}

/// The lines that end with a newline, without it and without a carriage return before it.
struct Lines<'a> {
    body: &'a Bytes,
    from: usize,
}

impl Lines<'_> {
    fn next(&mut self) -> Option<Bytes> {
        let rest = self.body.get(self.from..)?;
        let length = memchr::memchr(b'\n', rest)?;
        let mut end = self.from + length;
        let start = std::mem::replace(&mut self.from, end + 1);
        if end > start && self.body.get(end - 1) == Some(&b'\r') {
            end -= 1;
        }
        Some(self.body.slice(start..end))
    }
}

/// Shares the name of the item before: a bulk mostly writes to one index.
#[derive(Default)]
struct Names(Option<Arc<str>>);

impl Names {
    fn shared(&mut self, name: &str) -> Arc<str> {
        match &self.0 {
            Some(last) if **last == *name => Arc::clone(last),
            _ => {
                let shared: Arc<str> = Arc::from(name);
                self.0 = Some(Arc::clone(&shared));
                shared
            }
        }
    }
}
