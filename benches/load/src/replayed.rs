//! The target's side of the figures, from the replayer's tuples.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::client::{Class, Figures};

/// What the tuples tell.
#[derive(Debug, Default, Clone)]
pub struct Replayed {
    /// Requests that the target answered, and how long it took (whole milliseconds).
    pub target: Figures,
    /// Where the target's last status isn't the source's, per class.
    pub statuses_that_differ: [u64; 5],
    /// Exchanges in the tuples, sent or not.
    pub exchanges: u64,
    /// Exchanges that were not sent as they were.
    pub not_sent: u64,
}

impl Replayed {
    /// Adds the tuples in a folder.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn read(&mut self, folder: &Path) -> anyhow::Result<()> {
        for tuple in tuples::read(folder)? {
            self.add(&tuple?);
        }
        Ok(())
    }

    fn add(&mut self, tuple: &Value) {
        self.exchanges += 1;
        let answers = tuple["targetResponses"].as_array();
        let Some(answer) = answers.and_then(|answers| answers.last()) else {
            self.not_sent += 1;
            return;
        };
        let request = &tuple["sourceRequest"];
        let method = request["Method"].as_str().unwrap_or_default();
        let Some(class) = class(method, request["Request-URI"].as_str().unwrap_or_default()) else {
            return;
        };
        let took = Duration::from_millis(answer["response_time_ms"].as_u64().unwrap_or(0));
        self.target.record(class, took, 0);
        if answer["Status-Code"] != tuple["sourceResponse"]["Status-Code"] {
            self.statuses_that_differ[class as usize] += 1;
        }
    }
}

/// The class of a request; `None` for those that no client of the load counts.
fn class(method: &str, uri: &str) -> Option<Class> {
    let path = uri.split('?').next().unwrap_or(uri);
    let has = |part: &str| path.split('/').any(|segment| segment == part);
    match method {
        "POST" | "PUT" if has("_bulk") => Some(Class::Bulk),
        "POST" if has("_update") => Some(Class::Update),
        "POST" | "PUT" if has("_doc") || has("_create") => Some(Class::Write),
        "DELETE" if has("_doc") => Some(Class::Delete),
        "GET" | "HEAD" => Some(Class::Read),
        "POST" if has("_search") || has("_mget") || has("_count") => Some(Class::Read),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tuples_are_counted_by_class_with_the_last_answer() {
        let tuple = |method: &str, uri: &str, source: u16, target: &[u16]| {
            let answers: Vec<Value> = target
                .iter()
                .map(|status| json!({"Status-Code": status, "response_time_ms": 7}))
                .collect();
            json!({
                "sourceRequest": {"Method": method, "Request-URI": uri},
                "sourceResponse": {"Status-Code": source},
                "targetResponses": answers
            })
        };
        let mut replayed = Replayed::default();
        replayed.add(&tuple("POST", "/_bulk?filter_path=errors", 200, &[503, 200]));
        replayed.add(&tuple("PUT", "/cities/_doc/1", 201, &[200]));
        replayed.add(&tuple("DELETE", "/cities/_doc/1", 200, &[]));
        replayed.add(&tuple("PUT", "/cities", 200, &[200]));
        assert_eq!(replayed.exchanges, 4);
        assert_eq!(replayed.not_sent, 1);
        assert_eq!(replayed.target.requests(Class::Bulk), 1);
        assert_eq!(replayed.statuses_that_differ, [0, 1, 0, 0, 0]);
        let millis = replayed.target.millis(Class::Write, 0.5).unwrap();
        assert!((7.0..7.2).contains(&millis), "{millis}");
    }
}
