//! curl, as people use it on a search cluster, and as hardly anybody does.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// `URL` is the proxy, `INDEX` an index, `SMALL` and `LARGE` documents in files, `BULK` a bulk in one. A `<` at the beginning: the
/// file is its standard input.
const ORDERLY: &[&str] = &[
    "-X PUT URL/INDEX -H content-type:application/json -d {\"settings\":{\"number_of_shards\":2}}",
    "-T SMALL -H content-type:application/json URL/INDEX/_doc/upload",
    "-T LARGE -H content-type:application/json URL/INDEX/_doc/large-upload",
    "<SMALL -T - -H content-type:application/json URL/INDEX/_doc/chunked-upload",
    "<LARGE -T - -H content-type:application/json URL/INDEX/_doc/large-chunked-upload",
    "-H transfer-encoding:chunked -H content-type:application/json -d @SMALL URL/INDEX/_doc",
    "-H expect:100-continue -H content-type:application/json -d @SMALL URL/INDEX/_doc",
    "-H Expect: -H content-type:application/json -d @LARGE URL/INDEX/_doc",
    "--data-binary @BULK -H content-type:application/x-ndjson URL/INDEX/_bulk?refresh",
    "--data-binary @BULK -H content-type:application/x-ndjson URL/INDEX/_bulk?filter_path=errors --limit-rate 30k",
    "--json @SMALL -X PUT URL/INDEX/_doc/json",
    "--http1.0 --json @SMALL -X PUT URL/INDEX/_doc/old",
    "--http1.0 URL/INDEX/_doc/old",
    "--http1.0 -H connection:keep-alive URL/INDEX/_doc/old URL/INDEX/_doc/json",
    "--http2 URL/INDEX/_doc/old URL/INDEX/_doc/json",
    "--http2 --json @SMALL -X PUT URL/INDEX/_doc/two",
    "-I URL/INDEX",
    "-I URL/INDEX/_doc/none",
    "--compressed URL/INDEX/_search?size=100",
    "--tr-encoding URL/INDEX/_search",
    "--raw --tr-encoding -N URL/_cat/indices/INDEX",
    "-r 0-10 URL/INDEX/_doc/old",
    "--ignore-content-length -H connection:close URL/INDEX/_doc/old",
    "--path-as-is URL/INDEX/./_doc/../_doc/old",
    "-G --data-urlencode q=a:\"b\u{20ac}\" URL/INDEX/_search",
    "--globoff URL/INDEX/_doc/[1]",
    "-Z --parallel-max 8 --json @SMALL -X PUT URL/INDEX/_doc/p[1-40]",
    "URL/INDEX/_doc/old --next --json @SMALL -X PUT URL/INDEX/_doc/next --next -X DELETE URL/INDEX/_doc/next --next -I URL",
    "-X DELETE --json {\"a\":1} URL/INDEX/_doc/p1",
    "-X PATCH --json @SMALL URL/INDEX/_doc/p2",
    "-F file=@SMALL URL/INDEX/_doc",
    "-u user:secret URL/INDEX/_doc/old",
    "--oauth2-bearer token --cookie a=b -A agent -e http://a/ URL/INDEX/_doc/old",
    "-H X-Empty; -H Host: --http1.0 URL/INDEX/_doc/old",
    "-H Connection:close --json @SMALL -X PUT URL/INDEX/_doc/close",
    "--no-keepalive --tcp-nodelay --tcp-fastopen --json @SMALL -X PUT URL/INDEX/_doc/options",
    "--request-target /INDEX/_doc/target --json @SMALL -X PUT URL/elsewhere",
    "-L --max-redirs 2 --retry 1 -f URL/INDEX/_doc/none",
    "-X POST URL/INDEX/_refresh",
];

/// Not HTTP/1 to everybody, or cut off.
const ODD: &[&str] = &[
    "--http2-prior-knowledge --max-time 2 URL/INDEX/_doc/old",
    "-x URL http://elsewhere:9200/INDEX/_doc/absolute",
    "-x URL --json @SMALL -X PUT http://elsewhere:9200/INDEX/_doc/absolute",
    "-p -x URL --max-time 2 http://elsewhere:9200/INDEX/_doc/tunnel",
    "-X CONNECT --max-time 2 URL/INDEX",
    "-X get --max-time 2 URL/INDEX/_doc/old",
    "-X G\tT --max-time 2 URL/INDEX/_doc/old",
    "--request-target * -X OPTIONS --max-time 2 URL",
    "-H transfer-encoding:chunked -H content-length:5 --json @SMALL --max-time 2 URL/INDEX/_doc",
    "-H transfer-encoding:gzip,chunked --json @SMALL --max-time 2 URL/INDEX/_doc",
    "-H content-length:3 --json @SMALL --max-time 2 URL/INDEX/_doc",
    "-H content-length:300 --json @SMALL --max-time 2 URL/INDEX/_doc",
    "-H content-length:3 -H content-length:4 --json @SMALL --max-time 2 URL/INDEX/_doc",
    "-H expect:something --json @SMALL --max-time 2 URL/INDEX/_doc",
    "-H connection:upgrade -H upgrade:websocket --json @SMALL --max-time 2 URL/INDEX/_doc",
    "-T LARGE -H content-type:application/json --limit-rate 200k --max-time 1 URL/INDEX/_doc/cut",
    "<LARGE -T - -H content-type:application/json --limit-rate 200k --max-time 1 URL/INDEX/_doc/cut",
    "--json @LARGE --max-time 0.05 URL/INDEX/_doc",
    "<BULK --max-time 2 TELNET",
];

pub struct Curl {
    folder: tempfile::TempDir,
    url: String,
    index: String,
}

impl Curl {
    pub fn new(url: String, index: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        write("small", "{\"a\": \"b\"}".into());
        write("large", format!("{{\"a\": \"{}\"}}", "lorem ipsum ".repeat(130_000)));
        let line = |n| format!("{{\"index\":{{\"_id\":\"b{n}\"}}}}\n{{\"n\":{n},\"a\":\"b\"}}\n");
        write("bulk", (0..1_000).map(line).collect());
        Self { folder, url, index }
    }

    /// One after the other; each gets an answer.
    pub async fn orderly(&self) {
        for line in ORDERLY {
            let code = self.run(line).await;
            // 22: --fail was asked for.
            assert!(matches!(code, Some(0 | 22)), "curl {line} ended with {code:?}");
        }
    }

    /// Whatever comes of it.
    pub async fn odd(&self) {
        for line in ODD {
            println!("curl {line}: {:?}", self.run(line).await);
        }
    }

    /// Its exit code; `None` when it doesn't end.
    async fn run(&self, line: &str) -> Option<i32> {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let stdin = line.split_once(' ').and_then(|(first, _)| first.strip_prefix('<'));
        let stdin = stdin.map_or_else(Stdio::null, |name| {
            std::fs::File::open(Path::new(&file(&name.to_lowercase()))).unwrap().into()
        });
        let arguments =
            line.split(' ').filter(|argument| !argument.starts_with('<')).map(|argument| {
                let telnet = self.url.replace("http://", "telnet://");
                let argument = argument.replace("URL", &self.url).replace("INDEX", &self.index);
                let argument = argument.replace("SMALL", &file("small")).replace("TELNET", &telnet);
                argument.replace("LARGE", &file("large")).replace("BULK", &file("bulk"))
            });
        let mut curl = tokio::process::Command::new("curl");
        curl.args(["-q", "-sS", "-o", "/dev/null"]).args(arguments);
        curl.env_remove("http_proxy").env_remove("all_proxy").env_remove("ALL_PROXY");
        curl.stdin(stdin).stderr(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let ended = tokio::time::timeout(Duration::from_secs(30), curl.status()).await;
        ended.ok()?.unwrap().code()
    }
}
