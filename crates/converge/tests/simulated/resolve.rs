//! Doubts, read from the source.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use converge::{Address, Change, Doubt, DoubtKind, Operation, Scope, Version};

use super::history::{ALIAS, BEHIND_ALIAS};
use super::replay::Mistakes;
use super::shard_of;
use super::source::{Source, Stored};
use super::target::TargetCluster;

/// A document of the target before the source is read: (index, shard, id) → (version, routing).
pub type Before = BTreeMap<(String, usize, String), (i64, Option<String>)>;

/// What was swept: (source UUID, target index, shard) → the next number. A target's index that was
/// made anew has to be swept anew.
#[derive(Debug, Default)]
pub struct Swept(HashMap<(u64, u64, usize), i64>);

/// The scope that the reading of a doubt needs: of an alias, the indices behind it too.
pub fn scope(doubt: &Doubt) -> Scope {
    let scope = named(doubt);
    let behind = Scope::Indices(BEHIND_ALIAS.map(str::to_owned).into());
    match scope.contains(ALIAS) {
        true => scope.union(behind),
        false => scope,
    }
}

fn named(doubt: &Doubt) -> Scope {
    match &doubt.kind {
        DoubtKind::ById(address) | DoubtKind::ByIdAnywhere(address) => {
            Scope::of_index(&address.index)
        }
        DoubtKind::Sweep { index }
        | DoubtKind::Walk { index }
        | DoubtKind::WalkAfter { index, .. } => Scope::of_expression(index),
        DoubtKind::Definition { scope, .. } => scope.clone(),
        DoubtKind::Named { .. } => Scope::All,
    }
}

/// What the target has of what is in doubt.
pub fn read_target(doubt: &Doubt, target: &TargetCluster) -> Before {
    let mut before = Before::new();
    for index in target.indices.keys() {
        for (shard, id, version, routing) in target.documents(index) {
            if concerns(doubt, index, shard, &id) && !matches!(doubt.kind, DoubtKind::Sweep { .. })
            {
                before.insert((index.clone(), shard, id), (version, routing));
            }
        }
    }
    before
}

/// What the source has of what is in doubt.
pub fn read_source(
    doubt: &Doubt,
    source: &Source,
    target: &TargetCluster,
    swept: &mut Swept,
    mistakes: Mistakes,
) -> BTreeMap<(String, usize, String), Stored> {
    let mut found = BTreeMap::new();
    for (name, index) in &source.indices {
        for (number, shard) in index.shards.iter().enumerate() {
            let made = target.indices.get(name).map(|index| index.number);
            let made = if mistakes.keeps_sweep_marks { Some(0) } else { made };
            let mark = match (&doubt.kind, made) {
                (DoubtKind::Sweep { .. }, Some(made)) if concerns(doubt, name, number, "") => {
                    swept.0.insert((index.uuid, made, number), shard.next_seq_no).unwrap_or(0)
                }
                _ => 0,
            };
            for (id, stored) in &shard.documents {
                if stored.seq_no >= mark && concerns(doubt, name, number, id) {
                    found.insert((name.clone(), number, id.clone()), stored.clone());
                }
            }
        }
    }
    found
}

/// What to write: what was found, and deletes of what is gone.
pub fn operations(
    before: &Before,
    found: &BTreeMap<(String, usize, String), Stored>,
) -> Vec<Operation> {
    let mut operations = Vec::new();
    for ((index, _, id), stored) in found {
        operations.push(Operation {
            address: address(index, id, stored.routing.clone()),
            version: Version::of_sequence(0, stored.primary_term, stored.seq_no).expect("in range"),
            change: Change::Index {
                source: Bytes::from(stored.body.clone()),
                dynamic_templates: None,
            },
        });
    }
    for (key, (version, routing)) in before {
        if !found.contains_key(key) {
            operations.push(Operation {
                address: address(&key.0, &key.2, routing.clone()),
                version: Version::of_external(*version).expect("not negative"),
                change: Change::Delete,
            });
        }
    }
    operations
}

fn address(index: &str, id: &str, routing: Option<String>) -> Address {
    Address { index: index.into(), doc_type: None, id: id.to_owned(), routing }
}

fn concerns(doubt: &Doubt, index: &str, shard: usize, id: &str) -> bool {
    let is = |named: &str| named == index || named == ALIAS && BEHIND_ALIAS.contains(&index);
    match &doubt.kind {
        DoubtKind::ById(address) => {
            let here = shard == shard_of(&address.id, address.routing.as_deref());
            is(&address.index) && address.id == id && here
        }
        DoubtKind::ByIdAnywhere(address) => is(&address.index) && address.id == id,
        DoubtKind::Sweep { index: swept }
        | DoubtKind::Walk { index: swept }
        | DoubtKind::WalkAfter { index: swept, .. } => {
            is(swept) || Scope::of_expression(swept).contains(index)
        }
        DoubtKind::Definition { scope, deletes } => *deletes && scope.contains(index),
        DoubtKind::Named { .. } => false,
    }
}
