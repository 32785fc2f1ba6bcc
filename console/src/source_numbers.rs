//! How many operations the shards of the source have numbered.

use std::collections::BTreeMap;

use cluster::{Cluster, ClusterError, Flavour, Method, Request};
use serde::Deserialize;

use crate::capture::mark::now;
use crate::state::{IndexNumbers, Numbers};

#[derive(Debug, Deserialize)]
struct Stats {
    #[serde(default)]
    indices: BTreeMap<String, Index>,
}

#[derive(Debug, Deserialize)]
struct Index {
    #[serde(default)]
    shards: BTreeMap<String, Vec<Shard>>,
}

#[derive(Debug, Deserialize)]
struct Shard {
    seq_no: Option<SeqNo>,
}

#[derive(Debug, Deserialize)]
struct SeqNo {
    max_seq_no: i64,
}

/// Reads the highest number of every shard, whichever copy has it. Nothing of a source without such numbers.
///
/// # Errors
/// When the source doesn't answer.
pub async fn read(source: &Cluster) -> Result<Numbers, ClusterError> {
    let mut numbers = Numbers { asked: now(), ..Numbers::default() };
    if !source.info().has_sequence_numbers() {
        numbers.answered = now();
        return Ok(numbers);
    }
    let identities = source.index_identities().await?;
    let info = source.info();
    let has_hidden = info.flavour == Flavour::OpenSearch || (info.major, info.minor) >= (7, 7);
    let hidden = if has_hidden { "&expand_wildcards=all" } else { "" };
    let path = format!(
        "/_all/_stats?level=shards&filter_path=indices.*.shards.*.seq_no.max_seq_no{hidden}"
    );
    let reply = source.call(Request::new(Method::GET, path.clone())).await?;
    let stats = parse(&reply.body).map_err(|error| source.answer_error(&path, error))?;
    numbers.answered = now();
    for (name, identity) in identities {
        let operations = stats.get(&name).copied().unwrap_or(0);
        numbers.indices.insert(identity.uuid, IndexNumbers { name, operations });
    }
    Ok(numbers)
}

fn parse(body: &[u8]) -> Result<BTreeMap<String, u64>, serde_json::Error> {
    let stats: Stats = serde_json::from_slice(body)?;
    let of_shard = |copies: &Vec<Shard>| {
        let numbers = copies.iter().filter_map(|copy| copy.seq_no.as_ref());
        // The first number is 0, and -1 says that there is none.
        numbers.map(|seq_no| seq_no.max_seq_no.max(-1) + 1).max().unwrap_or(0)
    };
    let of_index = |index: &Index| {
        index.shards.values().map(of_shard).map(|count| u64::try_from(count).unwrap_or(0)).sum()
    };
    Ok(stats.indices.iter().map(|(name, index)| (name.clone(), of_index(index))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_added_and_copies_are_not() {
        let body = br#"{"indices":{"a":{"shards":{
            "0":[{"seq_no":{"max_seq_no":4}},{"seq_no":{"max_seq_no":3}}],
            "1":[{"seq_no":{"max_seq_no":-1}}]}},"b":{}}}"#;
        assert_eq!(parse(body).unwrap(), [("a".into(), 5), ("b".into(), 0)].into());
        assert!(parse(b"{}").unwrap().is_empty());
    }
}
