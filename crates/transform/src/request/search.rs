//! Bodies of searches and of `_mget`.

use serde_json::{Value, json};

use super::{Endpoint, From};
use crate::{Change, Target, Version, catalogue::RuleLine, query, report::Rules};

/// Where a name stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// In the search itself.
    Top,
    /// In `_source`.
    Source,
    /// In an aggregation of a kind.
    Aggregation(&'static str),
    /// In a script, wherever it is.
    Script,
    /// In what names a document (`docs`, `like`, a terms lookup, an indexed shape).
    Document,
    /// In the order of an aggregation.
    Order,
}

#[derive(Clone, Copy)]
enum To {
    Nothing,
    Name(&'static str),
    /// `calendar_interval` for one unit, `fixed_interval` for several.
    Interval,
    /// `0` was all of them.
    Most,
}

/// (name, where, of which source, what stands for it, why)
type Rule = (&'static str, At, From, To, &'static str);

const NAMES: &[Rule] = &[
    (
        "fields",
        At::Top,
        From::Before(5),
        To::Name("stored_fields"),
        "its name since Elasticsearch 5",
    ),
    (
        "fielddata_fields",
        At::Top,
        From::Any,
        To::Name("docvalue_fields"),
        "its name since Elasticsearch 5",
    ),
    ("filter", At::Top, From::Before(5), To::Name("post_filter"), "its name since Elasticsearch 1"),
    ("include", At::Source, From::Any, To::Name("includes"), "its name since Elasticsearch 7"),
    ("exclude", At::Source, From::Any, To::Name("excludes"), "its name since Elasticsearch 7"),
    (
        "interval",
        At::Aggregation("date_histogram"),
        From::Any,
        To::Interval,
        "removed in Elasticsearch 8, deprecated since 7.2",
    ),
    (
        "pre_zone",
        At::Aggregation("date_histogram"),
        From::Any,
        To::Name("time_zone"),
        "its name since Elasticsearch 2",
    ),
    (
        "size",
        At::Aggregation("terms"),
        From::Before(5),
        To::Most,
        "0 was all of them; 65535 is what clusters give",
    ),
    ("_term", At::Order, From::Any, To::Name("_key"), "its name since Elasticsearch 7"),
    ("_time", At::Order, From::Any, To::Name("_key"), "its name since Elasticsearch 7"),
    ("inline", At::Script, From::Any, To::Name("source"), "its name since Elasticsearch 6"),
    ("stored", At::Script, From::Any, To::Name("id"), "its name since Elasticsearch 6"),
    ("_type", At::Document, From::Any, To::Nothing, "there are no types any more"),
    ("type", At::Document, From::Any, To::Nothing, "there are no types any more"),
    ("_routing", At::Document, From::Any, To::Name("routing"), "its name since Elasticsearch 7"),
    ("_parent", At::Document, From::Any, To::Name("routing"), "a child is where its parent is"),
];

/// Names of old queries are looked for as well: see [`query`].
const OLD_QUERIES: From = From::Before(7);

/// As deep as it is looked.
const DEEPEST: usize = 64;

const CALENDAR: [&str; 16] = [
    "minute", "1m", "hour", "1h", "day", "1d", "week", "1w", "month", "1M", "quarter", "1q",
    "year", "1y", "1s", "second",
];

/// Whether a body has to be parsed: a name of the tables is in it. Much cheaper than parsing it.
pub(super) fn may_apply(endpoint: Endpoint, source: Option<Version>, body: &[u8]) -> bool {
    let is_looked_at = matches!(
        endpoint,
        Endpoint::Search | Endpoint::MultiSearch | Endpoint::Count | Endpoint::Documents
    );
    if !is_looked_at || body.is_empty() {
        return false;
    }
    if OLD_QUERIES.holds(source) {
        return true;
    }
    let names = NAMES.iter().filter(|(.., from, _, _)| from.holds(source));
    let mut names = names.map(|(name, ..)| *name).chain(["types", "ignore_indices"]);
    names.any(|name| body.windows(name.len()).any(|part| part == name.as_bytes()))
}

/// The line before a search in `_msearch`.
pub(super) fn header(line: &mut Value, changes: &mut Vec<Change>) {
    let Some(header) = line.as_object_mut() else { return };
    for name in ["type", "types", "ignore_indices"] {
        if header.remove(name).is_some() {
            let why = "there are no types any more";
            changes.push(Change { path: name.to_owned(), why, deferred: false });
        }
    }
}

/// The body of an `_mget`.
pub(super) fn documents(body: &mut Value, source: Option<Version>, changes: &mut Vec<Change>) {
    let mut pass = Pass { source, changes };
    for document in body.get_mut("docs").and_then(Value::as_array_mut).into_iter().flatten() {
        pass.names("docs", document, At::Document);
        pass.source_filter("docs", document);
        if From::Before(5).holds(source)
            && let Some(document) = document.as_object_mut()
            && let Some(fields) = document.remove("fields")
        {
            document.insert("stored_fields".into(), fields);
            pass.changed("docs.fields", "its name since Elasticsearch 5");
        }
    }
}

/// The body of a search or a count.
pub(super) fn transform(body: &mut Value, source: Option<Version>, changes: &mut Vec<Change>) {
    let mut pass = Pass { source, changes };
    pass.names("", body, At::Top);
    pass.source_filter("", body);
    let Some(search) = body.as_object_mut() else { return };
    for (name, part) in search.iter_mut() {
        match name.as_str() {
            "query" | "post_filter" if OLD_QUERIES.holds(source) => {
                let mut rules = Rules::new(source, Target::default());
                let before = part.clone();
                query::transform(name, part, &mut rules);
                match rules.refused.is_empty() {
                    true => pass.changes.extend(rules.changes),
                    // A search that finds nothing would be no answer; the target refuses it itself.
                    false => *part = before,
                }
            }
            "aggs" | "aggregations" => pass.aggregations(name, part, 0),
            _ => {}
        }
        pass.deep(name, part, 0);
    }
}

struct Pass<'p> {
    source: Option<Version>,
    changes: &'p mut Vec<Change>,
}

impl Pass<'_> {
    fn changed(&mut self, path: &str, why: &'static str) {
        self.changes.push(Change { path: path.to_owned(), why, deferred: false });
    }

    /// Applies the rules for a place to an object there.
    fn names(&mut self, path: &str, object: &mut Value, at: At) {
        let Some(object) = object.as_object_mut() else { return };
        for (name, place, from, to, why) in NAMES {
            if *place != at || !from.holds(self.source) {
                continue;
            }
            let Some(value) = object.get(*name) else { continue };
            let Some((new, value)) = stand_in(name, *to, value) else { continue };
            object.remove(*name);
            if let Some(new) = new {
                object.entry(new).or_insert(value);
            }
            let path = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
            self.changed(&path, why);
        }
    }

    fn source_filter(&mut self, path: &str, object: &mut Value) {
        if let Some(filter) = object.get_mut("_source") {
            let path = if path.is_empty() { "_source".into() } else { format!("{path}._source") };
            self.names(&path, filter, At::Source);
        }
    }

    fn aggregations(&mut self, path: &str, all: &mut Value, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        for (name, one) in all.as_object_mut().into_iter().flatten() {
            let path = format!("{path}.{name}");
            for (kind, body) in one.as_object_mut().into_iter().flatten() {
                let path = format!("{path}.{kind}");
                match kind.as_str() {
                    "aggs" | "aggregations" => self.aggregations(&path, body, depth + 1),
                    "date_histogram" => self.names(&path, body, At::Aggregation("date_histogram")),
                    "terms" => self.names(&path, body, At::Aggregation("terms")),
                    "composite" => self.composite(&path, body),
                    _ => {}
                }
                match body.get_mut("order") {
                    Some(Value::Array(orders)) => {
                        orders.iter_mut().for_each(|order| self.names(&path, order, At::Order));
                    }
                    Some(order) => self.names(&path, order, At::Order),
                    None => {}
                }
            }
        }
    }

    /// Its sources are aggregations too.
    fn composite(&mut self, path: &str, body: &mut Value) {
        for source in body.get_mut("sources").and_then(Value::as_array_mut).into_iter().flatten() {
            for (_, kinds) in source.as_object_mut().into_iter().flatten() {
                if let Some(histogram) = kinds.get_mut("date_histogram") {
                    self.names(path, histogram, At::Aggregation("date_histogram"));
                }
            }
        }
    }

    /// What may be anywhere: scripts, and documents that a query names.
    fn deep(&mut self, path: &str, value: &mut Value, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(|item| self.deep(path, item, depth + 1))
            }
            Value::Object(object) => {
                for (name, value) in object.iter_mut() {
                    let path = format!("{path}.{name}");
                    match name.as_str() {
                        "script" | "init_script" | "map_script" | "combine_script"
                        | "reduce_script" => {
                            self.names(&path, value, At::Script);
                        }
                        "indexed_shape" => self.names(&path, value, At::Document),
                        "like" | "unlike" | "docs" => match &mut *value {
                            Value::Array(all) => {
                                all.iter_mut().for_each(|one| self.document(&path, one))
                            }
                            one => self.document(&path, one),
                        },
                        "terms" => self.lookups(&path, value),
                        _ => {}
                    }
                    self.deep(&path, value, depth + 1);
                }
            }
            _ => {}
        }
    }

    /// A document that isn't given but named.
    fn document(&mut self, path: &str, value: &mut Value) {
        if value.get("_id").is_some() {
            self.names(path, value, At::Document);
        }
    }

    /// `{"terms": {"field": {"index", "type", "id", "path"}}}`
    fn lookups(&mut self, path: &str, terms: &mut Value) {
        for (_, value) in terms.as_object_mut().into_iter().flatten() {
            if value.get("path").is_some() && value.get("id").is_some() {
                self.names(path, value, At::Document);
            }
        }
    }
}

/// The new name, if there is one, and its value; `None`: the rule isn't for this value.
fn stand_in(name: &str, to: To, value: &Value) -> Option<(Option<&'static str>, Value)> {
    match to {
        To::Nothing => Some((None, Value::Null)),
        To::Name(new) => Some((Some(new), value.clone())),
        To::Interval => {
            let text = value.as_str()?;
            // Milliseconds as a number in a text have no unit.
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            let fixed = if is_number { json!(format!("{text}ms")) } else { value.clone() };
            let is_calendar = CALENDAR.contains(&text) && !matches!(text, "1s" | "second");
            match (is_calendar, text) {
                (true, _) => Some((Some("calendar_interval"), value.clone())),
                (false, "second") => Some((Some("fixed_interval"), json!("1s"))),
                (false, _) => Some((Some("fixed_interval"), fixed)),
            }
        }
        To::Most => {
            let is_all = value.as_u64() == Some(0) || value.as_str() == Some("0");
            debug_assert_eq!(name, "size");
            is_all.then(|| (Some("size"), json!(65_535)))
        }
    }
}

pub(super) fn catalogue() -> Vec<RuleLine> {
    let line = |(name, at, from, to, why): &Rule| {
        let what = match at {
            At::Top => (*name).to_owned(),
            At::Source => format!("_source.{name}"),
            At::Aggregation(kind) => format!("aggs.{kind}.{name}"),
            At::Script => format!("script.{name}"),
            At::Document => format!("docs.{name}"),
            At::Order => format!("aggs.order.{name}"),
        };
        let becomes = match to {
            To::Nothing => "-",
            To::Name(name) => name,
            To::Interval => "calendar_interval, fixed_interval",
            To::Most => "65535 for 0",
        };
        RuleLine::new("bodies of searches", what, from.text(), becomes.to_owned(), why)
    };
    let queries = RuleLine::new(
        "bodies of searches",
        "query, post_filter",
        OLD_QUERIES.text(),
        "as filters of aliases".into(),
        "queries that are gone; a search with one that has no stand-in is sent as it was",
    );
    let header = RuleLine::new(
        "bodies of searches",
        "_msearch: type, types, ignore_indices",
        From::Any.text(),
        "-".into(),
        "there are no types any more",
    );
    NAMES.iter().map(line).chain([queries, header]).collect()
}
