//! Ids that the source made up (scrolls, points in time, searches that go on by themselves), replaced by those that the
//! target made up for the same request.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
};

use bytes::Bytes;
use cluster::encode_segment;
use parking_lot::Mutex;
use serde_json::Value;

/// Ids that are remembered; a client that goes on with an older one gets what the target says of it.
const REMEMBERED: usize = 10_000;

/// Where ids stand in answers. A point in time has its own as `id` in one kind of cluster and as `pit_id` in the other.
const KEYS: &[&[&str]] = &[&["_scroll_id", "scroll_id"], &["pit_id", "id"]];

/// The source's ids with the target's.
#[derive(Debug, Default)]
pub(crate) struct SourceIds(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    target: HashMap<String, String>,
    order: VecDeque<String>,
}

impl SourceIds {
    /// Both sides' answers to the same request.
    pub(crate) fn learn(&self, source: &[u8], target: &[u8]) {
        let (Some(source), Some(target)) = (made_up(source), made_up(target)) else { return };
        let both = source.into_iter().zip(target);
        let mut known = self.0.lock();
        for (of_source, of_target) in both.filter_map(|(source, target)| source.zip(target)) {
            if known.target.insert(of_source.clone(), of_target).is_none() {
                known.order.push_back(of_source);
            }
        }
        while known.order.len() > REMEMBERED {
            if let Some(oldest) = known.order.pop_front() {
                known.target.remove(&oldest);
            }
        }
    }

    /// The path with the target's ids: `/_search/scroll/ID`.
    pub(crate) fn in_path(&self, path: &str) -> String {
        let known = self.0.lock();
        // Ids end in `=`, which some clients escape.
        let part = |part: &str| match known.target.get(&*decoded(part)) {
            Some(id) => encode_segment(id),
            None => part.to_owned(),
        };
        let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
        let path: Vec<_> = path.split('/').map(part).collect();
        let path = path.join("/");
        let Some(query) = query else { return path };
        let parameter = |pair: &str| match pair.split_once('=') {
            Some((key, value)) => format!("{key}={}", part(value)),
            None => pair.to_owned(),
        };
        let query: Vec<_> = query.split('&').map(parameter).collect();
        format!("{path}?{}", query.join("&"))
    }

    /// The body with the target's ids; the same bytes when it has none that is known.
    pub(crate) fn in_body(&self, body: &Bytes) -> Bytes {
        if self.0.lock().target.is_empty() {
            return body.clone();
        }
        let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return body.clone() };
        let known = self.0.lock();
        if replace(&mut value, &known.target) { value.to_string().into() } else { body.clone() }
    }
}

/// Replaces every string that is a known id; `true` when there was one.
fn replace(value: &mut Value, known: &HashMap<String, String>) -> bool {
    match value {
        Value::String(text) => match known.get(text) {
            Some(other) => {
                *text = other.clone();
                true
            }
            None => false,
        },
        Value::Array(items) => any(items.iter_mut(), known),
        Value::Object(members) => any(members.values_mut(), known),
        _ => false,
    }
}

/// Replaces in all of them, not only up to the first that has one.
fn any<'a>(values: impl Iterator<Item = &'a mut Value>, known: &HashMap<String, String>) -> bool {
    values.map(|value| replace(value, known)).filter(|replaced| *replaced).count() > 0
}

/// The ids at the top of an answer, one of each kind.
fn made_up(body: &[u8]) -> Option<[Option<String>; KEYS.len()]> {
    // Only answers to requests that make ids come here, so that parsing them whole is rare.
    let value: Value = serde_json::from_slice(body).ok()?;
    let mut ids = [const { None }; KEYS.len()];
    for (id, names) in ids.iter_mut().zip(KEYS) {
        let found = names.iter().find_map(|name| value.get(name)?.as_str());
        *id = found.map(str::to_owned);
    }
    Some(ids)
}

/// A part of a path or a query without its escapes.
fn decoded(part: &str) -> Cow<'_, str> {
    if !part.contains('%') {
        return part.into();
    }
    let path = converge::Target::parse(format!("/{part}").as_bytes());
    path.segments.into_iter().next().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_replaced_wherever_they_stand() {
        let ids = SourceIds::default();
        let body = Bytes::from_static(br#"{"scroll_id": ["S1", "S2"], "scroll": "1m"}"#);
        assert_eq!(ids.in_body(&body), body);
        ids.learn(br#"{"_scroll_id":"S1","hits":{}}"#, br#"{"_scroll_id":"T1"}"#);
        ids.learn(br#"{"pit_id":"P"}"#, br#"{"pit_id":"Q"}"#);
        assert_eq!(&ids.in_body(&body)[..], br#"{"scroll":"1m","scroll_id":["T1","S2"]}"#);
        let body = Bytes::from_static(br#"{"pit":{"id":"P"}}"#);
        assert_eq!(&ids.in_body(&body)[..], br#"{"pit":{"id":"Q"}}"#);
        assert_eq!(
            ids.in_path("/_search/scroll/S1?scroll_id=S1&x"),
            "/_search/scroll/T1?scroll_id=T1&x"
        );
    }

    #[test]
    fn elasticsearch_and_opensearch_call_them_otherwise() {
        let ids = SourceIds::default();
        ids.learn(br#"{"id":"P=="}"#, br#"{"pit_id":"Q==","_shards":{}}"#);
        let of = |body: &'static str| ids.in_body(&Bytes::from_static(body.as_bytes()));
        assert_eq!(of(r#"{"id":"P=="}"#), r#"{"id":"Q=="}"#);
        // The search says another one, which counts from then on.
        ids.learn(br#"{"pit_id":"P2","hits":{}}"#, br#"{"hits":{},"pit_id":"Q2"}"#);
        assert_eq!(of(r#"{"pit":{"id":"P2"}}"#), r#"{"pit":{"id":"Q2"}}"#);
        ids.learn(br#"{"id":"A==","is_running":true}"#, br#"{"id":"B==","state":"RUNNING"}"#);
        assert_eq!(ids.in_path("/_async_search/A%3D%3D"), "/_async_search/B%3D%3D");
        assert_eq!(ids.in_path("/_async_search/A==?x=1"), "/_async_search/B%3D%3D?x=1");
        // What only one side has is nobody's.
        ids.learn(br#"{"_scroll_id":"S"}"#, br#"{"id":"T"}"#);
        assert_eq!(ids.in_path("/_search/scroll/S"), "/_search/scroll/S");
    }
}
