use ::rules::Handed;
use bytes::Bytes;
use cluster::{HeaderValue, Method};
use serde_json::{Value, json};

use super::*;

fn engine(configuration: &Value) -> Engine {
    let mut read = |name: &str| Err(name.to_owned());
    let rules = Rules::parse(&configuration.to_string(), Handed::Message, &mut read).unwrap();
    Engine::new(&rules).unwrap()
}

fn request(method: &Method, path: &str, body: &'static str) -> Request {
    let mut request = Request::new(method.clone(), path);
    request.headers.insert("content-type", HeaderValue::from_static("application/json"));
    request.body = Bytes::from_static(body.as_bytes());
    request
}

fn sent(ruled: Ruled) -> Request {
    match ruled {
        Ruled::Send(request) => request,
        other => panic!("{other:?}"),
    }
}

fn failed(ruled: Ruled) -> String {
    match ruled {
        Ruled::Failed(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_script_of_the_reference_runs_unchanged() {
    let script = "(() => (bindings) => (request) => {
        request.get('headers').set('x-tenant', bindings.tenant);
        request.set('URI', request.get('URI').replace('/old', '/new'));
        const payload = request.get('payload');
        if (payload && payload.has('inlinedJsonBody')) {
            payload.get('inlinedJsonBody').set('size', 7);
        }
        return request;
    })()";
    let mut engine = engine(&json!([{"JsonJSTransformerProvider":
        {"initializationScript": script, "bindingsObject": "{\"tenant\": \"t\"}"}}]));
    let body = r#"{"query":{"term":{"n":9007199254740993}},"size":1.0}"#;
    let made = judge(&mut engine, request(&Method::POST, "/old/_search?q=1", body), Kept::Nothing);
    let made = sent(made);
    assert_eq!((made.method, &made.path[..]), (Method::POST, "/new/_search?q=1"));
    assert_eq!(made.headers["x-tenant"], "t");
    assert_eq!(made.headers["content-type"], "application/json");
    assert_eq!(&made.body[..], br#"{"query":{"term":{"n":9007199254740993}},"size":7}"#);
}

#[test]
fn bodies_of_every_form_come_back_as_they_were() {
    let mut engine = engine(&json!([{"jq": ".headers.seen = (.payload | keys[0])"}]));
    for (path, body, form) in [
        ("/i/_search", r#"{"a":1.0}"#, "inlinedJsonBody"),
        ("/_bulk", "{\"delete\":{\"_id\":\"1\"}}\n", "inlinedJsonSequenceBodies"),
        ("/_msearch", "{}\n{\"a\":1e400}\n", "inlinedJsonSequenceBodies"),
        ("/_analyze", "no \"JSON\"\n", "inlinedTextBody"),
        ("/_analyze", "{\"a\":", "inlinedTextBody"),
    ] {
        let made = sent(judge(&mut engine, request(&Method::POST, path, body), Kept::Nothing));
        assert_eq!(
            (&made.body[..], made.headers["seen"].to_str().unwrap()),
            (body.as_bytes(), form)
        );
    }
    let mut binary = request(&Method::POST, "/i", "");
    binary.body = Bytes::from_static(&[0xff, 0, 0x3a]);
    let made = sent(judge(&mut engine, binary.clone(), Kept::Nothing));
    assert_eq!(
        (&made.body, &made.headers["seen"]),
        (&binary.body, &HeaderValue::from_static("inlinedBase64Body"))
    );
}

#[test]
fn a_body_is_parsed_only_if_a_rule_needs_it() {
    // A name that comes twice is an error as soon as it is parsed.
    let twice = r#"{"a":1,"a":2}"#;
    let of = |rules: Value, method: &Method| {
        judge(&mut engine(&rules), request(method, "/i/_search", twice), Kept::Nothing)
    };
    let conditional = json!([{"when": "method == 'GET'", "jq": ".headers.x = \"1\""}]);
    assert_eq!(&sent(of(conditional.clone(), &Method::POST)).body[..], twice.as_bytes());
    assert!(failed(of(conditional, &Method::GET)).contains("comes twice"));
    let head = json!([{"jq": ".headers.x = \"1\"", "body": false}]);
    let made = sent(of(head, &Method::GET));
    assert_eq!(
        (&made.body[..], &made.headers["x"]),
        (twice.as_bytes(), &HeaderValue::from_static("1"))
    );
}

#[test]
fn what_convergence_finds_again_no_rule_changes() {
    let bulk = "{\"index\":{\"_index\":\"i\",\"_id\":\"1\",\"version\":3}}\n{\"a\":1}\n{\"delete\":{\"_index\":\"i\",\"_id\":\"2\"}}\n";
    let of = |jq: &str, path: &str, body: &'static str, kept: Kept| {
        let mut engine = engine(&json!([{"jq": jq}]));
        judge(&mut engine, request(&Method::POST, path, body), kept)
    };
    let documents = ".payload.inlinedJsonSequenceBodies[1].b = 2 | .headers.x = \"1\"";
    let made = sent(of(documents, "/_bulk", bulk, Kept::Operations));
    assert!(made.body.starts_with(b"{\"index\":{\"_index\":\"i\",\"_id\":\"1\",\"version\":3}}\n{\"a\":1,\"b\":2}\n{\"delete\""));
    for (jq, expected) in [
        (
            ".payload.inlinedJsonSequenceBodies[0].index._id = \"9\"",
            "only its documents may change",
        ),
        (
            ".payload.inlinedJsonSequenceBodies[2].delete._index = \"j\"",
            "only its documents may change",
        ),
        ("del(.payload.inlinedJsonSequenceBodies[2])", "3 lines became one of 2"),
        (".payload.inlinedJsonSequenceBodies[1] = 7", "no object"),
        (".URI = \"/_bulk?refresh=true\"", "has to stay"),
        (".method = \"PUT\"", "has to stay"),
        ("del(.URI)", "missing field `URI`"),
        ("., .", "made 2 requests of one"),
        (".URI = \"http://elsewhere\"", "is no path"),
        (".headers.x = \"a\\nb\"", "can't be sent"),
        (".payload.inlinedTextBody = \"\"", "several bodies"),
        ("error(\"no\")", "rule 1 (jq) failed"),
    ] {
        let why = failed(of(jq, "/_bulk", bulk, Kept::Operations));
        assert!(why.contains(expected), "{jq}: {why}");
    }
    assert!(matches!(of("empty", "/_bulk", bulk, Kept::Operations), Ruled::Dropped));
    let one = "/i/_doc/1?version=3&version_type=external_gte";
    let made = sent(of(".payload.inlinedJsonBody.b = 2", one, "{\"a\":1}", Kept::Operations));
    assert_eq!(&made.body[..], b"{\"a\":1,\"b\":2}");
    assert!(failed(of("del(.payload)", one, "{\"a\":1}", Kept::Operations)).contains("no object"));
    // Of a control request, what it is about.
    let control = ".payload.inlinedJsonBody.b = 2 | .URI = \"/i/_mapping?timeout=1s\"";
    assert_eq!(sent(of(control, "/i/_mapping", "{}", Kept::Path)).path, "/i/_mapping?timeout=1s");
    assert!(
        failed(of(".URI = \"/j/_mapping\"", "/i/_mapping", "{}", Kept::Path))
            .contains("has to stay")
    );
    // The original stays where a script says so.
    let preserve = ".payload = {} | .headers = {} | .preserve = [\"payload\", \"headers\"]";
    let made = sent(of(preserve, "/i/_search", "{\"a\":1}", Kept::Nothing));
    assert_eq!((&made.body[..], made.headers.len()), (&b"{\"a\":1}"[..], 1));
}

#[test]
fn headers_are_changed_before_the_rules_see_them() {
    let changes = HeaderChanges {
        host: Host::Source,
        user_agent: Some("godwit".into()),
        removed: vec![HeaderChanges::name("X-Gone").unwrap()],
        set: vec![HeaderChanges::pair("x-set: a: b").unwrap()],
    };
    let exchange = Exchange {
        method: converge::Method::Get,
        target: Bytes::from_static(b"/"),
        headers: vec![(Bytes::from_static(b"HOST"), Bytes::from_static(b"old:9200"))],
        body: Bytes::new(),
        body_state: converge::BodyState::Whole,
        answer: None,
    };
    let mut made = request(&Method::GET, "/", "");
    for (name, value) in [("x-gone", "1"), ("user-agent", "curl"), ("x-set", "old")] {
        made.headers.insert(name, HeaderValue::from_static(value));
    }
    changes.apply(&mut made, Some(&exchange));
    let of = |name: &str| made.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!((of("host"), of("user-agent")), (Some("old:9200"), Some("curl; godwit")));
    assert_eq!((of("x-gone"), of("x-set")), (None, Some("a: b")));
    assert!(HeaderChanges::pair("no").is_err());
    assert!(HeaderChanges::pair("Content-Length: 3").unwrap_err().contains("connection's"));
}

#[tokio::test]
async fn what_no_limit_ends_is_left_behind_and_others_go_on() {
    // A search in a long text is one step to the engine.
    let script = "() => m => {
        if (m.URI == '/hang') 'a'.repeat(20000000).indexOf('a'.repeat(10000000) + 'b');
        return m;
    }";
    let rules = json!({"limits": {"time": "100ms"}, "rules": [{"js": script}]});
    let mut read = |name: &str| Err(name.to_owned());
    let rules = Rules::parse(&rules.to_string(), Handed::Message, &mut read).unwrap();
    let pool = Pool::start(Arc::new(rules)).unwrap().impatient();
    let transforms = Transforms { headers: HeaderChanges::default(), pool: Some(pool) };
    let mut outcomes = Vec::new();
    for path in ["/hang", "/", "/hang", "/hang", "/"] {
        let request = Request::new(Method::GET, path);
        outcomes.push(match transforms.apply(request, None, Kept::Nothing).await {
            Ruled::Send(_) => "sent".to_owned(),
            Ruled::Dropped => "dropped".to_owned(),
            Ruled::Failed(why) => why,
        });
    }
    assert_eq!(outcomes[1], "sent");
    assert!(
        outcomes[0].contains("left behind") && outcomes[4].contains("on 3 requests"),
        "{outcomes:?}"
    );
}
