//! Clients that speak SMILE, CBOR or YAML: what they write is proven by the journal, as it is in JSON.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use cluster::{HeaderValue, Method, Request};
use lab::Lab;
use serde_json::{Value, json};

const SMILE: &str = "application/smile";
const CBOR: &str = "application/cbor";

fn encoded(kind: &str, value: &Value) -> Vec<u8> {
    match kind {
        SMILE => serde_smile::to_vec(value).unwrap(),
        CBOR => {
            let mut body = Vec::new();
            ciborium::into_writer(value, &mut body).unwrap();
            body
        }
        _ => format!("---\n{}", value.to_string().replace(':', ": ")).into_bytes(),
    }
}

/// Each line with what ends it.
fn stream(lines: &[Value]) -> Vec<u8> {
    lines.iter().flat_map(|line| [encoded(SMILE, line), vec![0xFF]].concat()).collect()
}

async fn say(lab: &Lab, kind: &'static str, method: Method, path: &str, body: Vec<u8>) -> Vec<u8> {
    let mut request = Request::json(method, path, body);
    request.headers.insert("content-type", HeaderValue::from_static(kind));
    request.headers.insert("accept", HeaderValue::from_static(kind));
    let reply = lab.send(request).await;
    assert!(reply.is_success(), "{kind} {path}: {} {}", reply.status, reply.excerpt());
    reply.body.to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_in_them_is_proven() {
    for (source, target) in [("7.10", "3"), ("opensearch-2", "3")] {
        let lab = Lab::between(&format!("formats-{source}"), source, target).await;
        let index = &lab.index;
        for kind in [SMILE, CBOR, "application/yaml"] {
            let name = kind.strip_prefix("application/").unwrap();
            let put = |id: &str| format!("/{index}/_doc/{name}-{id}");
            let document = |n: i64| {
                encoded(
                    kind,
                    &json!({"n": n, "x": 0.1, "text": "größer", "list": [n, null], "inner": {"in": true}}),
                )
            };
            for n in 0..4 {
                say(&lab, kind, Method::PUT, &put(&n.to_string()), document(n)).await;
            }
            say(&lab, kind, Method::PUT, &put("1"), document(-1)).await;
            say(&lab, kind, Method::DELETE, &put("2"), Vec::new()).await;
            // The source makes the id.
            say(&lab, kind, Method::POST, &format!("/{index}/_doc"), document(7)).await;
        }
        let action = |what: &str, id: &str| json!({what: {"_index": index, "_id": id}});
        let lines = [
            action("index", "bulk-1"),
            json!({"n": 1, "large": 1_u64 << 62, "small": -5}),
            action("create", "bulk-2"),
            json!({"n": 2}),
            action("delete", "smile-3"),
            // Refused: it is there.
            action("create", "smile-0"),
            json!({"n": 3}),
        ];
        say(&lab, SMILE, Method::POST, "/_bulk?refresh=true", stream(&lines)).await;
        say(&lab, SMILE, Method::POST, "/_bulk", stream(&lines[4..5])).await;

        let query = json!({"query": {"match_all": {}}, "size": 2, "sort": ["n"]});
        say(&lab, CBOR, Method::POST, &format!("/{index}/_search"), encoded(CBOR, &query)).await;
        let searches = [json!({"index": index}), query.clone()];
        say(&lab, SMILE, Method::POST, "/_msearch", stream(&searches)).await;
        let path = format!("/{index}/_search?scroll=1m");
        let page = say(&lab, SMILE, Method::POST, &path, encoded(SMILE, &query)).await;
        let page: Value = serde_smile::from_slice(&page).unwrap();
        let next = json!({"scroll": "1m", "scroll_id": page["_scroll_id"]});
        say(&lab, CBOR, Method::POST, "/_search/scroll", encoded(CBOR, &next)).await;
        lab.stop_proxy().await;

        // Nothing is asked of the source.
        let summary = lab.replay(|settings| settings.source = None).await.unwrap();
        println!("{source} to {target}\n{summary}");
        assert!(summary.is_converged(), "{summary}");
        assert_eq!(summary.doubt.values().sum::<u64>(), 0, "{summary}");
        lab.assert_equal().await;
        // The scroll went on with the target's own id.
        assert_eq!(summary.answers.get("other"), None, "{summary}");
    }
}
