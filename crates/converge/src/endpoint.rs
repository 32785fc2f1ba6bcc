//! Which of the source's endpoints a request is for: exact shapes of method and path.

use crate::exchange::Method;
use crate::target::Target;

/// Which of the source's endpoints a request is for. What isn't one of the exact shapes below is
/// [`Endpoint::Other`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A write of one document: `/{index}/_doc/{id}`, `/{index}/_create/{id}`,
    /// `/{index}/_update/{id}` and the typed forms up to version 7.
    Document {
        index: String,
        doc_type: Option<String>,
        id: Option<String>,
        action: DocumentAction,
    },
    /// `/_bulk`, `/{index}/_bulk`, `/{index}/{type}/_bulk`.
    Bulk {
        index: Option<String>,
        doc_type: Option<String>,
    },
    /// `POST /{index}/_doc/_search` and its like: a search of a type named `_doc` up to version 7,
    /// a document with the id `_search` later. The answer tells which.
    ReadOrDocument {
        kind: ReadKind,
        index: String,
        id: String,
    },
    Read(ReadKind),
    /// `/{index}/_update_by_query`, `/{index}/_delete_by_query`.
    ByQuery {
        index: String,
        action: QueryAction,
    },
    Reindex,
    Restore,
    /// `_shrink`, `_split`, `_clone`: `created` is the index it makes.
    Resize {
        created: String,
    },
    /// A change of something other than documents. `index` is the index expression of the path.
    Control {
        kind: ControlKind,
        index: Option<String>,
    },
    /// Anything else: not sent. The class is one of a fixed few, for counters.
    Other(&'static str),
}

/// What a request does to one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentAction {
    Index,
    Create,
    Update,
    Delete,
}

/// What a request does to every document that a query finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryAction {
    Update,
    Delete,
}

/// Requests that change no document and are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadKind {
    Search,
    MultiSearch,
    Count,
    /// Get of one document, of its source, or whether it exists.
    Get,
    MultiGet,
    /// The next page of a scroll: uses an id that the source made up.
    Scroll,
    ClearScroll,
    /// Makes a point in time.
    OpenPit,
    ClosePit,
    AsyncSearch,
    /// `_analyze`, `_validate`, `_explain`, `_field_caps`, `_termvectors`, `_render`,
    /// `_search_shards`, `_rank_eval`, `_terms_enum`.
    Other,
    /// `_refresh`: sent, so that searches after it see the same documents.
    Refresh,
}

/// Requests that change something other than documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlKind {
    CreateIndex,
    DeleteIndex,
    OpenIndex,
    CloseIndex,
    PutSettings,
    PutMapping,
    /// `POST /_aliases`: actions in the body, which may remove indices too.
    Aliases,
    /// One alias; of path and body the body says which, where it does.
    PutAlias,
    DeleteAlias,
    /// Legacy, composable and component templates.
    PutTemplate,
    DeleteTemplate,
    PutPipeline,
    DeletePipeline,
    PutScript,
    DeleteScript,
    Rollover,
    PutDataStream,
    DeleteDataStream,
}

impl Endpoint {
    /// Reads method and path. Query parameters don't choose an endpoint.
    pub fn parse(method: Method, target: &Target) -> Self {
        let segments: Vec<&str> = target.segments.iter().map(String::as_str).collect();
        let found = match segments.as_slice() {
            ["", ..] => None,
            [first, rest @ ..] if first.starts_with('_') && *first != "_all" => {
                without_index(method, first, rest)
            }
            [index, rest @ ..] => of_index(method, index, rest),
            [] => None,
        };
        found.unwrap_or_else(|| Self::Other(class(&segments)))
    }
}

/// Endpoints whose path begins with `_`.
fn without_index(method: Method, first: &str, rest: &[&str]) -> Option<Endpoint> {
    use ControlKind::*;
    let control = |kind| Some(Endpoint::Control { kind, index: None });
    let writes = matches!(method, Method::Put | Method::Post);
    match (first, rest) {
        ("_bulk", []) if writes => Some(Endpoint::Bulk { index: None, doc_type: None }),
        ("_reindex", []) if method == Method::Post => Some(Endpoint::Reindex),
        ("_snapshot", [_, _, "_restore"]) if method == Method::Post => Some(Endpoint::Restore),
        ("_aliases", []) if method == Method::Post => control(Aliases),
        ("_alias" | "_aliases", [_]) if writes => control(PutAlias),
        // The body names alias and index.
        ("_alias", []) if method == Method::Put => control(PutAlias),
        ("_settings", []) if method == Method::Put => control(PutSettings),
        ("_mapping" | "_mappings", [_]) if writes => control(PutMapping),
        ("_open", []) if method == Method::Post => control(OpenIndex),
        ("_close", []) if method == Method::Post => control(CloseIndex),
        ("_template" | "_index_template" | "_component_template", [_]) => match method {
            Method::Put | Method::Post => control(PutTemplate),
            Method::Delete => control(DeleteTemplate),
            _ => None,
        },
        ("_ingest", ["pipeline", name]) if *name != "_simulate" => match method {
            Method::Put => control(PutPipeline),
            Method::Delete => control(DeletePipeline),
            _ => None,
        },
        ("_scripts", [_]) | ("_scripts", [_, _]) => match method {
            Method::Put | Method::Post => control(PutScript),
            Method::Delete => control(DeleteScript),
            _ => None,
        },
        ("_data_stream", [name]) => {
            let kind = match method {
                Method::Put => PutDataStream,
                Method::Delete => DeleteDataStream,
                _ => return None,
            };
            Some(Endpoint::Control { kind, index: Some((*name).to_owned()) })
        }
        _ => {
            let mut path = vec![first];
            path.extend_from_slice(rest);
            read(method, &path).map(Endpoint::Read)
        }
    }
}

/// Endpoints whose path begins with an index expression.
fn of_index(method: Method, index: &str, rest: &[&str]) -> Option<Endpoint> {
    use ControlKind::*;
    let control = |kind| Some(Endpoint::Control { kind, index: Some(index.to_owned()) });
    let writes = matches!(method, Method::Put | Method::Post);
    match rest {
        [] => match method {
            // POST up to version 5.
            Method::Put | Method::Post => control(CreateIndex),
            Method::Delete => control(DeleteIndex),
            _ => None,
        },
        ["_bulk"] if writes => {
            Some(Endpoint::Bulk { index: Some(index.to_owned()), doc_type: None })
        }
        ["_doc" | "_create" | "_update" | "_source", ..] => typeless(method, index, rest),
        ["_update_by_query"] if method == Method::Post => by_query(index, QueryAction::Update),
        ["_delete_by_query"] if method == Method::Post => by_query(index, QueryAction::Delete),
        ["_shrink" | "_split" | "_clone", created] if writes => {
            Some(Endpoint::Resize { created: (*created).to_owned() })
        }
        ["_open"] if method == Method::Post => control(OpenIndex),
        ["_close"] if method == Method::Post => control(CloseIndex),
        ["_settings"] if method == Method::Put => control(PutSettings),
        ["_mapping" | "_mappings"]
        | ["_mapping" | "_mappings", _]
        | [_, "_mapping" | "_mappings"]
            if writes =>
        {
            control(PutMapping)
        }
        ["_alias" | "_aliases", _] => match method {
            Method::Put | Method::Post => control(PutAlias),
            Method::Delete => control(DeleteAlias),
            _ => None,
        },
        // The body names the alias.
        ["_alias" | "_aliases"] if method == Method::Put => control(PutAlias),
        ["_rollover"] | ["_rollover", _] if method == Method::Post => control(Rollover),
        [first, ..] if first.starts_with('_') => read(method, rest).map(Endpoint::Read),
        _ => typed(method, index, rest),
    }
}

fn by_query(index: &str, action: QueryAction) -> Option<Endpoint> {
    Some(Endpoint::ByQuery { index: index.to_owned(), action })
}

fn document(
    index: &str,
    doc_type: Option<&str>,
    id: Option<&str>,
    action: DocumentAction,
) -> Endpoint {
    Endpoint::Document {
        index: index.to_owned(),
        doc_type: doc_type.map(str::to_owned),
        id: id.map(str::to_owned),
        action,
    }
}

/// `/{index}/_doc/{id}` and its like.
fn typeless(method: Method, index: &str, rest: &[&str]) -> Option<Endpoint> {
    use DocumentAction::*;
    let write = |id, action| Some(document(index, None, id, action));
    match (method, rest) {
        (Method::Get | Method::Head, ["_doc" | "_source", id]) if !reserved(id) => {
            Some(Endpoint::Read(ReadKind::Get))
        }
        (Method::Get | Method::Head, ["_doc", ..]) => read(method, &rest[1..]).map(Endpoint::Read),
        (Method::Post, ["_doc"]) => write(None, Index),
        (Method::Put | Method::Post, ["_doc", "_bulk"]) => {
            Some(Endpoint::Bulk { index: Some(index.to_owned()), doc_type: None })
        }
        (Method::Post, ["_doc", "_update_by_query"]) => by_query(index, QueryAction::Update),
        (Method::Post, ["_doc", "_delete_by_query"]) => by_query(index, QueryAction::Delete),
        (Method::Post, ["_doc", id]) if reserved(id) => {
            let kind = read(method, &[id])?;
            Some(Endpoint::ReadOrDocument { kind, index: index.to_owned(), id: (*id).to_owned() })
        }
        (Method::Put | Method::Post, ["_doc", id]) => write(Some(id), Index),
        (Method::Delete, ["_doc", id]) => write(Some(id), Delete),
        (Method::Put | Method::Post, ["_create", id]) => write(Some(id), Create),
        (Method::Post, ["_update", id]) => write(Some(id), Update),
        // Up to version 7: the typed forms with the type `_doc`.
        (Method::Put | Method::Post, ["_doc", id, "_create"]) => write(Some(id), Create),
        (Method::Post, ["_doc", id, "_update"]) => write(Some(id), Update),
        (Method::Get | Method::Head, [_, ..]) => read(method, &rest[1..]).map(Endpoint::Read),
        _ => None,
    }
}

/// `/{index}/{type}/{id}` and its like, up to version 7.
fn typed(method: Method, index: &str, rest: &[&str]) -> Option<Endpoint> {
    use DocumentAction::*;
    let [doc_type, rest @ ..] = rest else { return None };
    let write = |id, action| Some(document(index, Some(doc_type), id, action));
    match (method, rest) {
        (Method::Post, []) => write(None, Index),
        (Method::Put | Method::Post, ["_bulk"]) => Some(Endpoint::Bulk {
            index: Some(index.to_owned()),
            doc_type: Some((*doc_type).to_owned()),
        }),
        (Method::Post, ["_update_by_query"]) => by_query(index, QueryAction::Update),
        (Method::Post, ["_delete_by_query"]) => by_query(index, QueryAction::Delete),
        (_, [first, ..]) if reserved(first) => read(method, rest).map(Endpoint::Read),
        (Method::Get | Method::Head, [_] | [_, "_source"]) => Some(Endpoint::Read(ReadKind::Get)),
        (Method::Get | Method::Post, [_, "_explain" | "_termvectors" | "_termvector" | "_mlt"]) => {
            Some(Endpoint::Read(ReadKind::Other))
        }
        (Method::Put | Method::Post, [id]) => write(Some(id), Index),
        (Method::Delete, [id]) => write(Some(id), Delete),
        (Method::Put | Method::Post, [id, "_create"]) => write(Some(id), Create),
        (Method::Post, [id, "_update"]) => write(Some(id), Update),
        _ => None,
    }
}

/// What can't be a document's id behind a type, since an endpoint has the name.
fn reserved(name: &str) -> bool {
    matches!(
        name,
        "_search"
            | "_msearch"
            | "_count"
            | "_mget"
            | "_validate"
            | "_explain"
            | "_termvectors"
            | "_mtermvectors"
            | "_termvector"
            | "_percolate"
            | "_mlt"
            | "_mapping"
            | "_suggest"
            | "_query"
            | "_bulk"
            | "_update_by_query"
            | "_delete_by_query"
    )
}

/// Requests that only read and are sent; `path` is what follows the index.
fn read(method: Method, path: &[&str]) -> Option<ReadKind> {
    if method == Method::Delete {
        return match path {
            ["_search", "scroll"] | ["_search", "scroll", _] => Some(ReadKind::ClearScroll),
            ["_pit"] | ["_search", "point_in_time"] | ["_search", "point_in_time", "_all"] => {
                Some(ReadKind::ClosePit)
            }
            ["_async_search", _] => Some(ReadKind::AsyncSearch),
            _ => None,
        };
    }
    if !matches!(method, Method::Get | Method::Head | Method::Post) {
        return None;
    }
    match path {
        ["_search"] | ["_search", "template"] => Some(ReadKind::Search),
        ["_search", "scroll"] | ["_search", "scroll", _] => Some(ReadKind::Scroll),
        ["_search", "point_in_time"] | ["_pit"] if method == Method::Post => {
            Some(ReadKind::OpenPit)
        }
        ["_msearch"] | ["_msearch", "template"] => Some(ReadKind::MultiSearch),
        ["_count"] => Some(ReadKind::Count),
        ["_mget"] => Some(ReadKind::MultiGet),
        ["_async_search"] if method == Method::Post => Some(ReadKind::AsyncSearch),
        ["_async_search", _] if method == Method::Get => Some(ReadKind::AsyncSearch),
        ["_refresh"] => Some(ReadKind::Refresh),
        ["_analyze"]
        | ["_validate", "query"]
        | ["_explain", _]
        | ["_field_caps"]
        | ["_termvectors"]
        | ["_termvectors", _]
        | ["_mtermvectors"]
        | ["_render", "template"]
        | ["_render", "template", _]
        | ["_search_shards"]
        | ["_rank_eval"]
        | ["_terms_enum"] => Some(ReadKind::Other),
        _ => None,
    }
}

/// A counter's label for what is not sent: one of a fixed few, whatever the path.
fn class(segments: &[&str]) -> &'static str {
    const CLASSES: [&str; 24] = [
        "_cat",
        "_cluster",
        "_nodes",
        "_snapshot",
        "_security",
        "_xpack",
        "_ilm",
        "_slm",
        "_tasks",
        "_license",
        "_ml",
        "_watcher",
        "_transform",
        "_rollup",
        "_ccr",
        "_plugins",
        "_opendistro",
        "_remote",
        "_dangling",
        "_monitoring",
        "_template",
        "_index_template",
        "_ingest",
        "_scripts",
    ];
    let named = |name: &str| CLASSES.iter().find(|class| **class == name).copied();
    match segments {
        [] => "root",
        [first, ..] if first.starts_with('_') && *first != "_all" => {
            named(first).unwrap_or("_other")
        }
        [_] => "index",
        [_, "_flush" | "_forcemerge" | "_cache" | "_upgrade", ..] => "index maintenance",
        [_, "_mapping" | "_mappings" | "_settings" | "_alias" | "_aliases", ..] => "index metadata",
        _ => "other",
    }
}

#[cfg(test)]
mod tests;
