//! Ids that the source made up (scrolls, points in time), replaced by those that the target made up for the same
//! request.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;

/// Ids that are remembered; a client that goes on with an older one gets what the target says of it.
const REMEMBERED: usize = 10_000;

/// Where ids stand in requests and answers.
const KEYS: &[&str] = &["_scroll_id", "scroll_id", "pit_id", "id"];

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
        let mut known = self.0.lock();
        for (of_source, of_target) in source.into_iter().zip(target) {
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
        let part = |part: &str| known.target.get(part).cloned().unwrap_or_else(|| part.to_owned());
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

/// The ids at the top of an answer.
fn made_up(body: &[u8]) -> Option<Vec<String>> {
    // Only answers to requests that make ids come here, so that parsing them whole is rare.
    let value: Value = serde_json::from_slice(body).ok()?;
    let ids = KEYS.iter().filter_map(|key| value.get(key)?.as_str().map(str::to_owned));
    let ids: Vec<_> = ids.collect();
    (!ids.is_empty()).then_some(ids)
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
}
