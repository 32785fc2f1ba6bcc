//! Sizes: what a large cluster has.

use serde_json::json;
use transform::{Target, Version};

use super::*;
use crate::Source;

const INDICES: usize = 10_000;
const TEMPLATES: usize = 5_000;

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn side(of: Version) -> Side {
    Side { place: String::new(), version: String::new(), health: None, of }
}

fn index(number: usize) -> Item {
    let settings = json!({"index.number_of_shards": "1", "index.uuid": format!("u{number}")});
    let fields = json!({"n": {"type": "long"}, "s": {"type": "keyword"}, "t": {"type": "text"}});
    let body = json!({"settings": settings, "mappings": {"_doc": {"properties": fields}}});
    let uuid = Some(format!("u{number}"));
    let item = Item::new(Kind::Index, format!("many-{number:05}"), object(body));
    Item { uuid, routing_shards: Some(1), ..item }
}

fn template(number: usize) -> Item {
    let settings = json!({"index.number_of_shards": "1"});
    let body =
        json!({"index_patterns": [format!("many-{number:05}*")], "order": 1, "settings": settings});
    Item::new(Kind::LegacyTemplate, format!("template-{number:04}"), object(body))
}

/// In proportion to what there is: a plan that compares all with all doesn't end in a test's time.
#[test]
fn ten_thousand_indices_and_five_thousand_templates_are_planned() {
    let of = Version::elasticsearch(7, 10);
    let says = |at: usize| (format!("many-{at:05}"), json!({}));
    let all = Item::new(Kind::Alias, "all", (0..INDICES).map(says).collect::<Map<_, _>>());
    let items = (0..INDICES).map(index).chain((0..TEMPLATES).map(template)).chain([all]).collect();
    let source = Inventory { side: side(of), items, notes: Vec::new() };
    let held = (0..TEMPLATES).map(template).collect();
    let target =
        Inventory { side: side(Version::opensearch(2, 19)), items: held, notes: Vec::new() };
    let nowhere = || cluster::Settings::new("http://nowhere");
    let settings = Settings::new(Source::Cluster(Box::new(nowhere())), nowhere());
    let abilities = Abilities { target: Target::opensearch(2, 19), policies: false };

    let plan = Plan::build(&source, &target, abilities, &settings);

    let count = |kind: Kind, state: &State| {
        plan.items.iter().filter(|item| item.kind == kind && item.state == *state).count()
    };
    assert_eq!(count(Kind::Index, &State::Create), INDICES);
    assert_eq!(count(Kind::LegacyTemplate, &State::ExistsEqual), TEMPLATES);
    assert_eq!(count(Kind::Alias, &State::Create), 1);
    assert!(
        plan.notes.iter().any(|note| note.contains("into 5000 of the indices")),
        "{:?}",
        plan.notes
    );
}
