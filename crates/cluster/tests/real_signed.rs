//! Signed requests to a real server, behind a door that recomputes each signature from the bytes that came.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::{io::Write as _, time::Duration};

use cluster::{
    Auth, Cluster, HeaderValue, Keys, Method, Pool, Reply, Request, Retry, Scope, Settings,
};
use serde_json::{Value, json};
use settings::Secret;
use testbed::{Shared, SignedFront, SigningKey};

static TARGET: Shared = Shared::opensearch("2");

fn key(id: &str, session_token: Option<&str>) -> SigningKey {
    SigningKey {
        id: id.into(),
        secret: format!("secret of {id}"),
        session_token: session_token.map(str::to_owned),
    }
}

fn signed(url: String, service: &str, key: &SigningKey) -> Settings {
    let mut settings = Settings::new(url);
    settings.auth = Auth::SigV4 {
        scope: Scope { service: service.into(), region: "eu-west-1".into() },
        keys: Keys::Given {
            id: key.id.clone(),
            secret: Secret::new(&key.secret),
            session_token: key.session_token.clone().map(Secret::new),
        },
    };
    settings.retry = Retry::for_at_most(Duration::ZERO);
    settings
}

/// The same request, once each way: by the general client and by the pool.
async fn both(cluster: &Cluster, pool: &Pool, request: &Request) -> [Reply; 2] {
    let one = cluster.send(request.clone()).await.unwrap();
    let two = pool.lease().await.send(request).await.unwrap();
    for reply in [&one, &two] {
        assert_ne!(reply.status, 403, "{} {}: {}", request.method, request.path, reply.excerpt());
    }
    [one, two]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_holds_for_every_path_query_and_body() {
    let server = TARGET.get().await.unwrap();
    for service in ["es", "aoss"] {
        let key = key("AKID", Some("a/lent+token=="));
        let front =
            SignedFront::in_front_of(server.addr(), service, "eu-west-1", [key.clone()]).await;
        let front = front.unwrap();
        let settings = signed(front.url(), service, &key);
        let cluster = Cluster::connect(settings.clone()).await.unwrap();
        let pool = Pool::new(&cluster, &settings, 2).unwrap();
        let plain = Cluster::connect(Settings::new(server.url())).await.unwrap();
        let index = format!("signed-{service}");

        // Each id as a client may write it, and as the cluster understands it.
        for (path, id) in [
            ("a%2Fb", "a/b"),
            ("a%2fb", "a/b"),
            ("ü", "ü"),
            ("%C3%BC", "ü"),
            ("a,b*c", "a,b*c"),
            ("a%20b%2Bc+d", "a b+c+d"),
            ("(x)'!$&=:@;", "(x)'!$&=:@;"),
            ("%25", "%"),
            ("~-_.A", "~-_.A"),
        ] {
            let path = format!(
                "/{index}/_doc/{path}?routing=r+1%2B;refresh=true&wait_for_active_shards=1"
            );
            let document = json!({"id": id}).to_string();
            for reply in both(&cluster, &pool, &Request::json(Method::PUT, path, document)).await {
                let answer: Value = serde_json::from_slice(&reply.body).unwrap();
                assert_eq!(answer["_id"], id, "{answer}");
            }
            // As an id of a search: exactly, whatever came over the wire.
            let query = json!({"query": {"bool": {"filter": [
                {"ids": {"values": [id]}}, {"term": {"_routing": "r 1+"}},
            ]}}});
            let search =
                Request::json(Method::POST, format!("/{index}/_search"), query.to_string());
            let found = plain.call(search).await.unwrap();
            let found: Value = serde_json::from_slice(&found.body).unwrap();
            assert_eq!(found["hits"]["hits"][0]["_source"]["id"], id, "{found}");
        }

        let lists = [
            format!("/{index},{index}/_count"),
            format!("/{index}*,nothing*/_count?allow_no_indices"),
            format!("/{index}/_count?q=id:%22a%2Fb%22+OR+id%3A(x)&&"),
        ];
        for path in lists {
            for reply in both(&cluster, &pool, &Request::new(Method::GET, path.clone())).await {
                assert!(reply.is_success(), "{path}: {}", reply.excerpt());
            }
        }

        let lines =
            format!("{{\"index\":{{\"_index\":\"{index}\",\"_id\":\"z\"}}}}\n{{\"n\":1}}\n");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(lines.as_bytes()).unwrap();
        let mut bulk = Request::ndjson(Method::POST, "/_bulk", packed.finish().unwrap());
        bulk.headers.insert("content-encoding", HeaderValue::from_static("gzip"));
        // A client's own credentials, and what rules put there.
        bulk.headers.insert("authorization", HeaderValue::from_static("Basic YTpi"));
        bulk.headers.insert("x-amz-date", HeaderValue::from_static("20150830T123600Z"));
        bulk.headers.insert("x-amz-meta", HeaderValue::from_static("two  spaces"));
        let large = format!("{lines}{}", " ".repeat(3 << 20) + "\n");
        for request in [bulk, Request::ndjson(Method::POST, "/_bulk", large)] {
            let [one, two] = both(&cluster, &pool, &request).await;
            assert_eq!(one.status, two.status, "{}", one.excerpt());
        }
        let head = both(&cluster, &pool, &Request::new(Method::HEAD, format!("/{index}"))).await;
        assert!(head.iter().all(Reply::is_success));
        assert_eq!(front.refused(), Vec::<String>::new());
        assert!(front.passed().len() > 30);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_what_is_wrong() {
    let server = TARGET.get().await.unwrap();
    let good = key("AKID", None);
    let front = SignedFront::in_front_of(server.addr(), "es", "eu-west-1", [good.clone()]).await;
    let front = front.unwrap();
    let settings = signed(front.url(), "es", &good);
    let cluster = Cluster::connect(settings.clone()).await.unwrap();
    let pool = Pool::new(&cluster, &settings, 1).unwrap();

    let wrong = SigningKey { secret: "another".into(), ..good.clone() };
    let error = Cluster::connect(signed(front.url(), "es", &wrong)).await.unwrap_err().to_string();
    assert!(error.contains("403") && error.contains("does not match"), "{error}");
    assert!(!error.contains("clock"), "{error}");
    let error = Cluster::connect(signed(front.url(), "aoss", &good)).await.unwrap_err().to_string();
    assert!(error.contains("scoped"), "{error}");

    // A service that lives an hour from now.
    front.set_clock(jiff::SignedDuration::from_secs(3630));
    let error = cluster.call(Request::new(Method::GET, "/")).await.unwrap_err().to_string();
    assert!(error.contains("clock is 60 minutes behind"), "{error}");
    let reply = pool.lease().await.send(&Request::new(Method::GET, "/")).await.unwrap();
    assert!(reply.excerpt().contains("minutes behind"), "{}", reply.excerpt());
    front.set_clock(jiff::SignedDuration::ZERO);
    cluster.call(Request::new(Method::GET, "/")).await.unwrap();
}
