//! Templates that the target has already, and merges into indices that are made.

use std::collections::BTreeSet;

use super::{Planned, State};
use crate::{
    Inventory, Kind,
    fitting::{Fitting, has_patterns, patterns},
};

/// Names that the note tells.
const SHOWN: usize = 5;

/// Which templates of the target would add to which indices, in words. None of the source's is there yet in a first
/// migration, since they are made after the indices.
pub(super) fn note(items: &[Planned], target: &Inventory) -> Option<String> {
    let templates = target.items.iter().enumerate().filter(|(_, item)| has_patterns(item.kind));
    let fitting = Fitting::new(templates.map(|(place, item)| {
        let body = item.body.open().unwrap_or_default();
        (place, patterns(body.get("index_patterns")))
    }));
    let made = items.iter().filter(|item| item.kind == Kind::Index && item.state == State::Create);
    let (mut indices, mut merged) = (0_usize, BTreeSet::new());
    for index in made {
        let before = indices;
        for place in fitting.of(&index.name) {
            indices = before + 1;
            merged.insert(target.items[place].name.as_str());
        }
    }
    if indices == 0 {
        return None;
    }
    let mut names: Vec<&str> = merged.iter().copied().take(SHOWN).collect();
    if merged.len() > SHOWN {
        names.push("…");
    }
    Some(format!(
        "the target merges its templates ({}) into {indices} of the indices to be made, which may then have more than their \
         source: delete these templates first, they are made again after the indices",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Item, Side};

    fn template(kind: Kind, name: &str, patterns: Value) -> Item {
        Item::new(kind, name, serde_json::Map::from_iter([("index_patterns".to_owned(), patterns)]))
    }

    #[test]
    fn templates_that_fit_an_index_to_be_made_are_told() {
        let of = transform::Version::opensearch(2, 19);
        let side = Side { place: String::new(), version: String::new(), health: None, of };
        let held = vec![
            template(Kind::IndexTemplate, "logs", json!(["logs-*", "x"])),
            template(Kind::LegacyTemplate, "all", json!("*-1")),
            template(Kind::LegacyTemplate, "other", json!(["other"])),
        ];
        let target = Inventory { side, items: held, notes: Vec::new() };
        let made = |name| Planned::new(Kind::Index, name, State::Create);
        let there = Planned::new(Kind::Index, "logs-2", State::ExistsEqual);
        assert_eq!(note(&[made("y"), there.clone()], &target), None);
        let note = note(&[made("logs-1"), made("b-1"), made("y"), there], &target).unwrap();
        assert!(note.contains("(all, logs) into 2 of"), "{note}");
    }
}
