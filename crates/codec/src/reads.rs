//! Which requests only read, and what kind of endpoint a request goes to.
//!
//! A request that only reads may be forwarded before it is durable, so the list holds exact shapes
//! and nothing else: a read that isn't on it costs a wait, a write that slipped onto it could be
//! lost. Sources from Elasticsearch 1 to OpenSearch 3 resolve the same path differently; a shape is
//! here only if it reads on every one of them. Where a version doesn't know the endpoint it answers
//! with an error, and writes no document.

/// Whether a request may be forwarded without being held: `GET` and `HEAD` of anything, with a body
/// or without, and `POST` of the shapes below. `target` is the request target as sent.
pub fn only_reads(method: &[u8], target: &[u8]) -> bool {
    // An absolute target names another host; what a server makes of that is its own affair.
    if target.first() != Some(&b'/') || target.contains(&b'#') {
        return false;
    }
    match method {
        b"GET" | b"HEAD" => true,
        b"POST" => path(target).is_some_and(|path| path.reads()),
        _ => false,
    }
}

/// What a path segment of a shape may be.
#[derive(Clone, Copy)]
enum Segment {
    /// These bytes, not percent-encoded: servers compare segments as sent, so `/i/%5Fsearch` is a
    /// document type's name to an old Elasticsearch.
    Is(&'static str),
    /// One index expression: not beginning with `_`, but for `_all`.
    Index,
    /// A type or an id: not beginning with `_`, since `POST /i/_doc/_search` writes a document whose
    /// id is `_search`.
    Name,
}

use Segment::{Index, Is, Name};

/// Every `POST` that only reads.
///
/// A typed form is listed only if each version that has `POST /{index}/{type}/{id}` also has that
/// form; so `/{index}/{type}/_field_caps`, for one, is a write.
const READS: &[&[Segment]] = &[
    &[Is("_search")],
    &[Is("_msearch")],
    &[Is("_count")],
    &[Is("_mget")],
    &[Is("_analyze")],
    &[Is("_field_caps")],
    &[Is("_search_shards")],
    &[Is("_search"), Is("scroll")],
    &[Is("_search"), Is("template")],
    &[Is("_msearch"), Is("template")],
    &[Is("_validate"), Is("query")],
    &[Is("_render"), Is("template")],
    &[Index, Is("_search")],
    &[Index, Is("_msearch")],
    &[Index, Is("_count")],
    &[Index, Is("_mget")],
    &[Index, Is("_analyze")],
    &[Index, Is("_field_caps")],
    &[Index, Is("_search_shards")],
    &[Index, Is("_termvectors")],
    &[Index, Is("_pit")],
    &[Index, Is("_search"), Is("template")],
    &[Index, Is("_msearch"), Is("template")],
    &[Index, Is("_validate"), Is("query")],
    &[Index, Is("_explain"), Name],
    &[Index, Is("_termvectors"), Name],
    &[Index, Name, Is("_search")],
    &[Index, Name, Is("_msearch")],
    &[Index, Name, Is("_count")],
    &[Index, Name, Is("_mget")],
    &[Index, Name, Is("_search"), Is("template")],
    &[Index, Name, Is("_msearch"), Is("template")],
    &[Index, Name, Is("_validate"), Is("query")],
    &[Index, Name, Name, Is("_explain")],
    &[Index, Name, Name, Is("_termvectors")],
];

/// Longest shape above.
const MOST_SEGMENTS: usize = 4;

/// The segments of a path, as sent.
struct Path<'a> {
    segments: [&'a [u8]; MOST_SEGMENTS],
    len: usize,
}

/// The path of an origin-form target, up to the query. `None` when it has too many segments, or an
/// empty one (a trailing or a double slash).
fn path(target: &[u8]) -> Option<Path<'_>> {
    let end = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
    let mut path = Path { segments: [&[]; MOST_SEGMENTS], len: 0 };
    for segment in target.get(1..end)?.split(|&byte| byte == b'/') {
        if segment.is_empty() {
            return None;
        }
        *path.segments.get_mut(path.len)? = segment;
        path.len += 1;
    }
    Some(path)
}

impl Path<'_> {
    fn reads(&self) -> bool {
        let segments = self.segments.get(..self.len).unwrap_or_default();
        // Fixed segments first: comparing them is cheap, and few shapes have this path's.
        let fits = |shape: &[Segment], fixed: bool| {
            shape
                .iter()
                .zip(segments)
                .filter(|(expected, _)| matches!(expected, Is(_)) == fixed)
                .all(|(expected, segment)| expected.matches(segment))
        };
        READS
            .iter()
            .filter(|shape| shape.len() == segments.len())
            .any(|shape| fits(shape, true) && fits(shape, false))
    }
}

impl Segment {
    fn matches(self, segment: &[u8]) -> bool {
        match self {
            Is(exact) => segment == exact.as_bytes(),
            Index => segment == b"_all" || is_plain_name(segment),
            Name => is_plain_name(segment),
        }
    }
}

/// Whether `segment`, percent-decoded, can only be a name: it doesn't begin with `_`, is no `.` or
/// `..`, and has no slash, backslash or control byte.
fn is_plain_name(segment: &[u8]) -> bool {
    let mut rest = segment;
    let mut dots = 0;
    let mut len = 0;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let byte = if byte == b'%' {
            let Some((digits, tail)) = rest.split_at_checked(2) else { return false };
            rest = tail;
            let Some(byte) = hex_byte(digits) else { return false };
            byte
        } else {
            byte
        };
        if matches!(byte, b'/' | b'\\' | 0..0x20 | 0x7f) || (len == 0 && byte == b'_') {
            return false;
        }
        dots += usize::from(byte == b'.');
        len += 1;
    }
    len > 0 && !(dots == len && len <= 2)
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// The kind of endpoint a request goes to, for metric labels. Decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    Search,
    Bulk,
    Doc,
    Admin,
    Other,
}

impl Class {
    pub const ALL: [Self; 5] = [Self::Search, Self::Bulk, Self::Doc, Self::Admin, Self::Other];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Bulk => "bulk",
            Self::Doc => "doc",
            Self::Admin => "admin",
            Self::Other => "other",
        }
    }
}

/// The class of a request. A path whose last segment with `_` in front is unknown is `Admin`; an
/// index alone is `Admin`; `/` and what isn't a path is `Other`.
pub fn endpoint_class(method: &[u8], target: &[u8]) -> Class {
    if target.first() != Some(&b'/') {
        return Class::Other;
    }
    let end = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
    let segments = || {
        let path = target.get(1..end).unwrap_or_default();
        path.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty())
    };
    let endpoint = |segment: &&[u8]| segment.first() == Some(&b'_') && *segment != b"_all";
    // The first one decides, so that a document's id or a setting's name doesn't.
    match segments().find(endpoint) {
        Some(name) => class_of(name),
        None => match segments().count() {
            0 => Class::Other,
            1 => Class::Admin,
            // `/index/type` creates a document with a generated id; only before version 8.
            2 if method != b"POST" => Class::Admin,
            _ => Class::Doc,
        },
    }
}

fn class_of(endpoint: &[u8]) -> Class {
    match endpoint {
        b"_search" | b"_msearch" | b"_count" | b"_explain" | b"_validate" | b"_field_caps"
        | b"_termvectors" | b"_mtermvectors" | b"_search_shards" | b"_pit" | b"_render"
        | b"_analyze" | b"_async_search" | b"_rank_eval" | b"_sql" | b"_eql" | b"_knn_search"
        | b"_percolate" | b"_mpercolate" | b"_suggest" | b"_terms_enum" => Class::Search,
        b"_bulk" => Class::Bulk,
        b"_doc" | b"_create" | b"_update" | b"_source" | b"_mget" | b"_update_by_query"
        | b"_delete_by_query" | b"_reindex" => Class::Doc,
        _ => Class::Admin,
    }
}

#[cfg(test)]
mod tests;
