//! An index of a live cluster and the same index out of a snapshot give the same, on what real servers say
//! (`live/README.md`).
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::path::Path;

use serde_json::{Map, Value};
use transform::{
    ManyTypes, SnapshotIndex, Target, Version, Wanted, live_index, target_indices, unreachable,
};

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

const fn version(opensearch: bool, major: u32, minor: u32) -> Version {
    let flavour = match opensearch {
        true => transform::Flavour::OpenSearch,
        false => transform::Flavour::Elasticsearch,
    };
    Version { flavour, major, minor }
}

/// The server, its version, the routing shards that a snapshot of it has.
const SERVERS: [(&str, Version, Option<u32>); 11] = [
    ("es-1.7", version(false, 1, 7), None),
    ("es-2.4", version(false, 2, 4), None),
    ("es-5.6", version(false, 5, 6), Some(3)),
    ("es-6.8", version(false, 6, 8), Some(3)),
    ("es-7.10", version(false, 7, 10), Some(768)),
    ("es-7.17", version(false, 7, 17), Some(768)),
    ("es-8", version(false, 8, 7), Some(768)),
    ("es-8.19", version(false, 8, 19), Some(768)),
    ("opensearch-1", version(true, 1, 3), Some(768)),
    ("opensearch-2", version(true, 2, 19), Some(768)),
    ("opensearch-3", version(true, 3, 8), Some(768)),
];

#[test]
fn both_give_the_same_for_every_server() {
    for (server, source, routing_shards) in SERVERS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/live/{server}.json"));
        let said: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let (live, state) = (object(&said["live"]), object(&said["state"]));
        if let Some(shards) = state.get("routing_num_shards") {
            assert_eq!(shards.as_u64(), routing_shards.map(u64::from), "{server}");
        }
        let settings = object(&state["settings"]);
        let created = settings["index"]["version"]["created"].as_str().unwrap();
        let mappings: Vec<_> = object(&state["mappings"])
            .iter()
            .map(|(name, of)| (name.clone(), object(of)))
            .collect();
        let stored = SnapshotIndex {
            name: "things",
            settings: &settings,
            mappings: &mappings,
            aliases: &object(&live["aliases"]),
            created: Version::from_created(created.parse().unwrap()).unwrap(),
            routing_shards,
        };
        for target in
            [Target::opensearch(2, 19), Target::opensearch(3, 8), Target::elasticsearch(8, 19)]
        {
            for many_types in [ManyTypes::Split, ManyTypes::Union] {
                let wanted = Wanted { target, many_types, aliases: true, origin: None };
                let from_snapshot = target_indices(stored, wanted);
                assert_eq!(live_index("things", &live, source, wanted), from_snapshot, "{server}");
                assert!(from_snapshot.iter().all(|index| index.refused.is_empty()), "{server}");
                let names: Vec<_> = from_snapshot.iter().map(|index| &index.name[..]).collect();
                let split = mappings.len() > 1 && many_types == ManyTypes::Split;
                let expected =
                    if split { &["things-doc", "things-other"][..] } else { &["things"] };
                assert_eq!(names, expected, "{server}");
            }
        }
        assert_eq!(unreachable(&said["live"]), []);
    }
}
