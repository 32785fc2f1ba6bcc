//! What clients do to make a replay hard: races on a few documents, answers that prove nothing, requests that
//! fail in part, are cut off or never waited for, ids of the source's own, indices that come and go.

use cluster::{HeaderValue, Method, Request};
use rand::{Rng, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

use super::{Lab, wire};

/// How the source's version wants to be spoken to.
#[derive(Clone, Copy)]
struct Dialect {
    major: u32,
    minor: u32,
}

impl Dialect {
    fn doc_type(self) -> &'static str {
        if self.major < 6 { "doc" } else { "_doc" }
    }

    fn document(self, index: &str, id: &str) -> String {
        format!("/{index}/{}/{id}", self.doc_type())
    }

    fn create(self, index: &str, id: &str) -> String {
        match self.major {
            ..7 => format!("/{index}/{}/{id}/_create", self.doc_type()),
            _ => format!("/{index}/_create/{id}"),
        }
    }

    fn update(self, index: &str, id: &str) -> String {
        match self.major {
            ..7 => format!("/{index}/{}/{id}/_update", self.doc_type()),
            _ => format!("/{index}/_update/{id}"),
        }
    }

    fn mappings(self, properties: &Value) -> Value {
        match self.major {
            ..7 => json!({self.doc_type(): {"properties": properties}}),
            _ => json!({"properties": properties}),
        }
    }

    fn mapping_path(self, index: &str) -> String {
        match self.major {
            ..7 => format!("/{index}/_mapping/{}", self.doc_type()),
            _ => format!("/{index}/_mapping"),
        }
    }

    /// From 6.5 on.
    fn has_default_pipelines(self) -> bool {
        (self.major, self.minor) >= (6, 5)
    }
}

/// So many clients at once, each with so many requests.
pub async fn awkward(lab: &Lab, seed: u64, clients: u64, steps: u64) {
    let (major, minor) = lab.version();
    let dialect = Dialect { major, minor };
    prepare(lab, dialect).await;
    let client = |number: u64| async move {
        let rng = StdRng::seed_from_u64(seed * 1000 + number);
        let mut client = Client { lab, dialect, rng, number };
        for step in 0..steps {
            client.step(step).await;
        }
    };
    futures::future::join_all((0..clients).map(client)).await;
}

async fn prepare(lab: &Lab, dialect: Dialect) {
    let p = &lab.index;
    // Not every server of the testbed has processors: then writes with a pipeline are refused.
    let set = json!({"processors": [{"set": {"field": "piped", "value": true}}]});
    let path = format!("/_ingest/pipeline/{p}-set");
    let probe = Request::json(Method::PUT, path.clone(), set.to_string());
    let has_pipelines = lab.send_to_target(probe).await.is_success()
        && lab.any(Method::PUT, &path, &set).await.is_success();
    let properties = json!({"n": {"type": "long"}, "s": {"type": "keyword"}});
    let definition = json!({
        "settings": {"number_of_shards": 3, "number_of_replicas": 0},
        "mappings": dialect.mappings(&properties),
        "aliases": {format!("{p}-routed"): {"routing": "r1"}, format!("{p}-all"): {}},
    });
    lab.ok(Method::PUT, &format!("/{p}-a"), &definition).await;
    if has_pipelines && dialect.has_default_pipelines() {
        let piped = json!({"settings": {"index.default_pipeline": format!("{p}-set")}});
        lab.ok(Method::PUT, &format!("/{p}-piped"), &piped).await;
    }
    let log = json!({"aliases": {format!("{p}-log"): {}}});
    lab.ok(Method::PUT, &format!("/{p}-log-000001"), &log).await;
}

struct Client<'a> {
    lab: &'a Lab,
    dialect: Dialect,
    rng: StdRng,
    number: u64,
}

impl Client<'_> {
    fn index(&mut self) -> String {
        let names = ["a", "a", "a", "b", "b", "piped", "gone"];
        let name = names[self.rng.random_range(0..names.len())];
        format!("{}-{name}", self.lab.index)
    }

    fn id(&mut self) -> String {
        match self.rng.random_range(0..12) {
            0 => "x%2Fy%20z".into(),
            1 => "%C3%BCb%2B".into(),
            n => format!("{n}"),
        }
    }

    fn routing(&mut self) -> &'static str {
        ["", "", "", "routing=r", "routing=s%26t"][self.rng.random_range(0..5)]
    }

    /// A field whose type clients don't agree on among them.
    fn document(&mut self, step: u64) -> Value {
        let who = format!("{}.{step}", self.number);
        match self.rng.random_range(0..10) {
            0 => json!({"n": step, "mixed": "a word", "who": who}),
            1 => json!({"n": step, "mixed": step, "who": who}),
            2 => json!({"n": "no number", "who": who}),
            3 => json!({"n": step, "later": {"deep": [1.5, step]}, "who": who}),
            _ => json!({"n": step, "s": "x", "who": who}),
        }
    }

    async fn any(&self, method: Method, path: &str, body: &Value) {
        self.lab.any(method, path, body).await;
    }

    async fn step(&mut self, step: u64) {
        let (index, id, routing) = (self.index(), self.id(), self.routing());
        let path = self.dialect.document(&index, &id);
        let document = self.document(step);
        match self.rng.random_range(0..34) {
            0..6 => self.any(Method::PUT, &format!("{path}?{routing}"), &document).await,
            6..9 => {
                let path = format!("/{index}/{}?{routing}", self.dialect.doc_type());
                self.any(Method::POST, &path, &document).await;
            }
            9..12 => self.any(Method::DELETE, &format!("{path}?{routing}"), &json!(null)).await,
            12 => self.any(Method::PUT, &self.dialect.create(&index, &id), &document).await,
            13..16 => {
                let path = format!("{}?{routing}", self.dialect.update(&index, &id));
                let update = self.update(step);
                self.any(Method::POST, &path, &update).await;
            }
            16..20 => self.bulk(&index, step).await,
            20 => {
                let alias = ["routed", "log", "log"][self.rng.random_range(0..3)];
                let alias = format!("{}-{alias}", self.lab.index);
                let path = self.dialect.document(&alias, &id);
                self.any(Method::PUT, &path, &document).await;
            }
            21 => {
                let pipeline = format!("{path}?pipeline={}-set", self.lab.index);
                self.any(Method::PUT, &pipeline, &document).await;
            }
            22 => self.binary(&path).await,
            23..26 => self.raw(&path, &index, step).await,
            26 => self.by_query(&index, step).await,
            27 => self.index_life(step).await,
            28 => self.definition(&index, step).await,
            29 => {
                let query = json!({"query": {"match_all": {}}, "size": 3});
                let path = format!("/{index}/_search?scroll=1m");
                let found = self.lab.any(Method::POST, &path, &query).await;
                let found: Value = serde_json::from_slice(&found.body).unwrap_or_default();
                let next = json!({"scroll": "1m", "scroll_id": found["_scroll_id"]});
                self.any(Method::POST, "/_search/scroll", &next).await;
            }
            30 => {
                let versioned = match self.rng.random_range(0..2) {
                    0 => format!("{path}?version=1&version_type=external"),
                    _ => format!("{path}?if_seq_no=3&if_primary_term=1"),
                };
                // Outside 6 and 7 one or the other parameter isn't known: refused.
                if !versioned.contains("external") {
                    self.any(Method::PUT, &versioned, &document).await;
                }
            }
            31 => self.any(Method::POST, &format!("/{index}/_refresh"), &json!(null)).await,
            32 => {
                let log = format!("{}-log", self.lab.index);
                let conditions = json!({"conditions": {"max_docs": 5}});
                self.any(Method::POST, &format!("/{log}/_rollover"), &conditions).await;
            }
            _ => {
                let path = format!("{path}?filter_path=result");
                self.any(Method::PUT, &path, &document).await;
            }
        }
    }

    fn update(&mut self, step: u64) -> Value {
        match self.rng.random_range(0..6) {
            0 => json!({"doc": {"more": step}, "doc_as_upsert": true}),
            1 => json!({"script": "ctx._source.n = 7", "upsert": {"n": 1}}),
            2 => json!({"script": "ctx.op = 'delete'"}),
            3 => json!({"script": "ctx.op = 'none'"}),
            4 => json!({"doc": {"n": "no number"}}),
            _ => json!({"doc": {"n": step}}),
        }
    }

    fn lines(&mut self, step: u64) -> String {
        let mut lines = String::new();
        for item in 0..self.rng.random_range(1..8) {
            let id = self.id().replace("%2F", "/").replace("%20", " ");
            let mut about = json!({"_id": id});
            if self.rng.random_bool(0.2) {
                about["routing"] = json!("r");
            }
            let document = self.document(step * 10 + item);
            lines += &match self.rng.random_range(0..8) {
                0 => format!("{}\n", json!({"delete": about})),
                1 => format!("{}\n{document}\n", json!({"create": about})),
                2 => format!("{}\n{}\n", json!({"update": about}), json!({"doc": document})),
                3 | 4 => format!("{}\n{document}\n", json!({"index": {}})),
                _ => format!("{}\n{document}\n", json!({"index": about})),
            };
        }
        lines
    }

    async fn bulk(&mut self, index: &str, step: u64) {
        let lines = self.lines(step);
        let filter = [
            "",
            "",
            "?filter_path=errors,items.*.error,items.*.status",
            "?filter_path=errors",
            "?filter_path=items.*.error",
            "?refresh=true&filter_path=items.index._id",
        ][self.rng.random_range(0..6)];
        let path = match self.dialect.major {
            ..7 => format!("/{index}/{}/_bulk{filter}", self.dialect.doc_type()),
            _ => format!("/{index}/_bulk{filter}"),
        };
        let mut request = Request::ndjson(Method::POST, path, lines);
        if self.rng.random_bool(0.3) {
            request.body = wire::gzip(&request.body).into();
            request.headers.insert("content-encoding", HeaderValue::from_static("gzip"));
        }
        if self.dialect.major >= 8 {
            let vendored = "application/vnd.elasticsearch+x-ndjson; compatible-with=8";
            request.headers.insert("content-type", HeaderValue::from_static(vendored));
            let vendored = "application/vnd.elasticsearch+json; compatible-with=8";
            request.headers.insert("accept", HeaderValue::from_static(vendored));
        }
        self.lab.send(request).await;
    }

    /// `{"n": …}` in the source's other formats.
    async fn binary(&mut self, path: &str) {
        let n = self.rng.random_range(1..15_u8);
        let (kind, body) = match self.rng.random_range(0..3) {
            0 => ("application/cbor", vec![0xA1, 0x61, b'n', n]),
            1 => {
                let smile = [b':', b')', b'\n', 0x01, 0xFA, 0x80, b'n', 0xC0 | n << 1, 0xFB];
                ("application/smile", smile.to_vec())
            }
            _ => ("application/yaml", format!("---\nn: {n}\n").into_bytes()),
        };
        let mut request = Request::json(Method::PUT, path, body);
        request.headers.insert("content-type", HeaderValue::from_static(kind));
        self.lab.send(request).await;
    }

    async fn raw(&mut self, path: &str, index: &str, step: u64) {
        let json = "content-type: application/json\r\n";
        let document = self.document(step).to_string();
        let put = wire::request("PUT", path, json, document.as_bytes());
        let address = self.lab.proxy_address;
        match self.rng.random_range(0..4) {
            0 => {
                let delete = wire::request("DELETE", path, "", b"");
                let again = wire::chunked("PUT", path, json, document.as_bytes());
                let post = format!("/{index}/{}", self.dialect.doc_type());
                let post = wire::request("POST", &post, json, document.as_bytes());
                wire::pipelined(address, &[put, delete, post, again]).await;
            }
            1 => wire::abandoned(address, &put).await,
            2 => {
                let cut = self.rng.random_range(1..put.len());
                wire::abandoned(address, &put[..cut]).await;
            }
            _ => {
                let path = match self.dialect.major {
                    ..7 => format!("/{index}/{}/_bulk", self.dialect.doc_type()),
                    _ => format!("/{index}/_bulk"),
                };
                let lines = self.lines(step);
                let ndjson = "content-type: application/x-ndjson\r\n";
                let bulk = wire::chunked("POST", &path, ndjson, lines.as_bytes());
                let cut = self.rng.random_range(bulk.len() / 2..=bulk.len());
                wire::abandoned(address, &bulk[..cut]).await;
            }
        }
    }

    async fn by_query(&mut self, index: &str, step: u64) {
        let few = json!({"query": {"range": {"n": {"gte": step, "lt": step + 4}}}});
        match self.rng.random_range(0..3) {
            0 => {
                let path = format!("/{index}/_delete_by_query?conflicts=proceed&refresh=true");
                self.any(Method::POST, &path, &few).await;
            }
            1 => {
                let path = format!("/{index}/_update_by_query?conflicts=proceed&refresh=true");
                let mut body = few;
                body["script"] = json!("ctx._source.by = 'query'");
                self.any(Method::POST, &path, &body).await;
            }
            _ => {
                let to = format!("{}-copy", self.lab.index);
                let body = json!({"source": {"index": index, "query": few["query"]}, "dest": {"index": to}});
                self.any(Method::POST, "/_reindex?refresh=true", &body).await;
            }
        }
    }

    async fn index_life(&mut self, step: u64) {
        let gone = format!("/{}-gone", self.lab.index);
        match self.rng.random_range(0..3) {
            0 => self.any(Method::DELETE, &gone, &json!(null)).await,
            1 => {
                let settings = json!({"settings": {"number_of_shards": 1 + step % 3}});
                self.any(Method::PUT, &gone, &settings).await;
            }
            _ => {
                let alias = format!("{}-sometimes", self.lab.index);
                let index = format!("{}-a", self.lab.index);
                let verb = if step.is_multiple_of(2) { "add" } else { "remove" };
                let actions = json!({"actions": [{verb: {"index": index, "alias": alias}}]});
                self.any(Method::POST, "/_aliases", &actions).await;
            }
        }
    }

    async fn definition(&mut self, index: &str, step: u64) {
        match self.rng.random_range(0..2) {
            0 => {
                let field = ["keyword", "long"][self.rng.random_range(0..2)];
                let properties = json!({"properties": {format!("f{}", step % 5): {"type": field}}});
                self.any(Method::PUT, &self.dialect.mapping_path(index), &properties).await;
            }
            _ => {
                let settings = json!({"index": {"refresh_interval": format!("{}s", 1 + step % 5)}});
                self.any(Method::PUT, &format!("/{index}/_settings"), &settings).await;
            }
        }
    }
}
