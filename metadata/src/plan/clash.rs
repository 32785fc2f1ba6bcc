//! Two items of one name: neither is made.

use std::collections::BTreeMap;

use super::{Planned, State};
use crate::{Inventory, Kind};

/// Refuses items that would have the name of another, of the source or of the target.
pub(super) fn refuse(items: &mut [Planned], target: &Inventory) {
    let mut by_name: BTreeMap<(Kind, &str), Vec<usize>> = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        if item.state == State::Create {
            by_name.entry((space(item.kind), &item.name)).or_default().push(at);
        }
    }
    let mut refused = Vec::new();
    for ((_, name), several) in by_name.into_iter().filter(|(_, several)| several.len() > 1) {
        let names: Vec<String> = several.iter().map(|at| items[*at].origin()).collect();
        let why = format!("{} would all be named {name}; rename one", names.join(" and "));
        refused.extend(several.into_iter().map(|at| (at, why.clone())));
    }
    let held = target.items.iter().filter(|held| held.kind.is_searchable());
    let held: BTreeMap<&str, Kind> = held.map(|held| (held.name.as_str(), held.kind)).collect();
    for (at, item) in items.iter().enumerate() {
        let same = held.get(item.name.as_str()).filter(|_| item.kind.is_searchable());
        if let Some(kind) = same.filter(|kind| **kind != item.kind && item.state == State::Create) {
            refused.push((at, format!("the target has a {kind} of this name")));
        }
    }
    for (at, why) in refused {
        items[at].state = State::Unsupported(why);
    }
}

/// Indices, aliases and data streams share their names; so do no others.
fn space(kind: Kind) -> Kind {
    if kind.is_searchable() { Kind::Index } else { kind }
}

impl Planned {
    /// What it is on the source.
    pub(crate) fn origin(&self) -> String {
        let name = self.source_name.as_ref().unwrap_or(&self.name);
        format!("{} {name}", self.kind)
    }
}
