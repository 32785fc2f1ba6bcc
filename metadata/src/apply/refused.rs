//! The target's words when it refuses something, which part they are about, and what to do.

use cluster::Reply;
use serde::Serialize;
use serde_json::Value;

/// Words of the target that are kept, characters.
const WORDS: usize = 2000;

/// A request that the target refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refused {
    pub status: u16,
    /// The target's.
    pub words: String,
    /// The setting, field, parameter or processor that they name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    pub what_to_do: &'static str,
}

/// By words of the target: what to do. The first that fits counts.
const ADVICE: &[(&str, &str)] = &[
    (
        "maximum shards open",
        "the target has no room for more shards: raise cluster.max_shards_per_node, add nodes, or use --shards and --replicas",
    ),
    (
        "maximum normal shards open",
        "the target has no room for more shards: raise cluster.max_shards_per_node, add nodes, or use --shards and --replicas",
    ),
    ("cluster read-only", "the target is read-only: set cluster.blocks.read_only to null on it"),
    (
        "flood-stage watermark",
        "the target's disks are full: make room, then set index.blocks.read_only_allow_delete to null",
    ),
    ("cluster_block_exception", "the target has a block: see the words, and take it away"),
    ("security_exception", "give the user of --target-auth the privilege that is named"),
    (
        "match data streams, but no data streams are expected",
        "a template of the target makes data streams of this name: change its patterns or rename the index",
    ),
    (
        "creates data streams only",
        "a template of the target makes data streams of this name: change its patterns or rename the index",
    ),
    ("no matching index template", "move the index template of the data stream too (--template)"),
    ("awareness", "the target wants copies in every zone: give --awareness-attributes"),
    (
        "non dynamic settings",
        "the setting can't be changed on an open index: delete the target's index, or leave it with --on-existing skip",
    ),
    (
        "final",
        "the setting can't be changed: delete the target's index, or leave it with --on-existing skip",
    ),
    (
        "cannot be changed from type",
        "the field has another type already: delete the target's index, or leave it with --on-existing skip",
    ),
    ("invalid_index_name_exception", "the target takes no such name: give --rename"),
    ("already exists", "another item of the target has the name: give --rename"),
    (
        "No processor type exists",
        "install the processor's plugin on the target, or take it out with --adapt",
    ),
    ("resource_already_exists_exception", "somebody made it at the same time: run again"),
];

const ELSE: &str = "change it on the source, leave it out, or let --adapt take the part out";

impl Refused {
    pub(crate) fn of(reply: &Reply, part: Option<String>) -> Self {
        let words = words(reply);
        let fits = |(said, advice): &(&str, &'static str)| words.contains(said).then_some(*advice);
        let what_to_do = match reply.status {
            401 => "the target doesn't know the user: see --target-auth and its secret",
            _ => ADVICE.iter().find_map(fits).unwrap_or(ELSE),
        };
        Self { status: reply.status, words, part, what_to_do }
    }

    /// The target refuses everything, whatever it is.
    pub(crate) fn is_of_everything(&self) -> bool {
        let blocked = self.status == 403
            && ["cluster read-only", "cluster_block_exception: blocked by", "security_exception"]
                .iter()
                .any(|words| self.words.contains(words));
        self.status == 401 || blocked
    }

    pub(crate) fn exists_already(&self) -> bool {
        self.words.contains("resource_already_exists_exception")
    }
}

/// Type and reason of an error and of what caused it, each once.
pub(crate) fn words(reply: &Reply) -> String {
    let parsed: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let mut said: Vec<String> = Vec::new();
    let mut error = parsed.as_ref().and_then(|answer| answer.get("error"));
    while let Some(of) = error {
        let text = match (of.as_str(), of.get("type"), of.get("reason")) {
            // Elasticsearch 1, and proxies.
            (Some(text), ..) => text.to_owned(),
            (_, Some(Value::String(kind)), Some(Value::String(reason))) => {
                format!("{kind}: {reason}")
            }
            _ => of.to_string(),
        };
        if !said.iter().any(|before| before.contains(&text)) {
            said.push(text);
        }
        error = of.get("caused_by");
    }
    let said = if said.is_empty() { reply.excerpt() } else { said.join("; ") };
    said.chars().take(WORDS).collect()
}
