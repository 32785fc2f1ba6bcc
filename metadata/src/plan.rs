//! What becomes of every item, and why, before anything is written.

mod change;
mod clash;
mod indices;
mod merged;
mod policies;
mod ruled;
mod wanted;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use ruled::Ruled;

pub use change::Change;

use crate::{
    Difference, Inventory, Item, Kind, Packed, Refusal, Settings, Side, abreast, equal,
    selection::Skipped, target::Abilities,
};

/// What becomes of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Create,
    ExistsEqual,
    ExistsDifferent,
    Skipped(String),
    Unsupported(String),
    /// At the cut-over.
    Deferred,
}

impl State {
    /// Without the reason.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::ExistsEqual => "exists equal",
            Self::ExistsDifferent => "exists different",
            Self::Skipped(_) => "skipped",
            Self::Unsupported(_) => "unsupported",
            Self::Deferred => "deferred",
        }
    }

    /// It is on the target when the migration is done.
    pub(crate) fn is_moved(&self) -> bool {
        matches!(self, Self::Create | Self::ExistsEqual | Self::ExistsDifferent)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Skipped(why) | Self::Unsupported(why) => write!(f, ": {why}"),
            _ => Ok(()),
        }
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One item on its way.
#[derive(Clone, Debug, Serialize)]
pub struct Planned {
    pub kind: Kind,
    /// On the target.
    pub name: String,
    /// On the source, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_name: Option<String>,
    pub state: State,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Parts that the target can't have in any form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<Refusal>,
    /// What the target has otherwise than wanted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// What is put on the target at the cut-over: settings by full name, and `state`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub deferred: Map<String, Value>,
    /// For the request that makes it.
    #[serde(skip)]
    pub body: Packed,
}

impl Planned {
    pub(crate) fn new(kind: Kind, name: impl Into<String>, state: State) -> Self {
        Self {
            kind,
            name: name.into(),
            source_name: None,
            state,
            changes: Vec::new(),
            unsupported: Vec::new(),
            differences: Vec::new(),
            deferred: Map::new(),
            body: Packed::from(&Value::Null),
        }
    }
}

/// Every item of the source, in the order in which they are made.
#[derive(Clone, Debug)]
pub struct Plan {
    pub source: Side,
    pub target: Side,
    pub items: Vec<Planned>,
    pub notes: Vec<String>,
}

impl Plan {
    pub(crate) fn build(
        source: &Inventory,
        target: &Inventory,
        abilities: Abilities,
        settings: &Settings,
    ) -> Self {
        let streams = backing(source);
        let mut items = Vec::new();
        let mut rules = Ruled::new(settings.rules.as_ref());
        // Where the documents of each of the source's indices go.
        let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let all: Vec<&Item> = source.items.iter().filter(|item| item.kind != Kind::Alias).collect();
        let planned = abreast::each(&all, |item| {
            let state = skipped(item, &streams, settings);
            match (state, &item.unserved, item.kind) {
                (Some(state), _, _) => vec![Planned::new(item.kind, &item.name, state)],
                (None, Some(why), _) => {
                    let state = State::Unsupported(format!("the source can't show it: {why}"));
                    vec![Planned::new(item.kind, &item.name, state)]
                }
                (None, None, Kind::Index) => {
                    indices::plan(item, source.side.of, abilities.target, settings)
                }
                (None, None, _) => vec![wanted::plan(item, source.side.of, abilities, settings)],
            }
        });
        for (item, mut planned) in all.into_iter().zip(planned) {
            // A policy's patterns are those that its templates have in the end.
            let is_policy = matches!(item.kind, Kind::LifecyclePolicy | Kind::IsmPolicy);
            planned.iter_mut().filter(|_| !is_policy).for_each(|planned| rules.apply(planned));
            let moved = planned.iter().filter(|planned| planned.state.is_moved());
            if item.kind == Kind::Index {
                places.insert(&item.name, moved.map(|planned| planned.name.clone()).collect());
            }
            items.extend(planned);
        }
        for item in source.items.iter().filter(|item| item.kind == Kind::Alias) {
            let mut planned = match settings.selection.skipped(item.kind, &item.name) {
                Some(why) => skipped_for(item, &why),
                None => indices::alias(item, &places, source.side.of, abilities.target, settings),
            };
            rules.apply(&mut planned);
            items.push(planned);
        }
        policies::attach(&mut items);
        items.iter_mut().filter(|item| item.state == State::Deferred).for_each(|policy| {
            rules.apply(policy);
        });
        clash::refuse(&mut items, target);
        let held = target.by_name();
        let compared = abreast::each(&items, |item| {
            let held = held.get(&(item.kind, item.name.as_str()));
            held.filter(|_| item.state == State::Create).map(|held| equal::differences(item, held))
        });
        for (item, differences) in items.iter_mut().zip(compared) {
            let Some(differences) = differences else { continue };
            item.state = match differences.is_empty() {
                true => State::ExistsEqual,
                false => State::ExistsDifferent,
            };
            item.differences = differences;
        }
        items.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        let mut notes = source.notes.clone();
        notes.extend(merged::note(&items, target));
        for (role, side) in [("source", &source.side), ("target", &target.side)] {
            if side.health.as_deref() == Some("red") {
                notes.push(format!(
                    "the {role} is red: some of its shards have no copy; what it says of its metadata holds all the same"
                ));
            }
        }
        Self { source: source.side.clone(), target: target.side.clone(), items, notes }
    }
}

/// The data stream of each backing index.
fn backing(source: &Inventory) -> BTreeMap<String, &str> {
    let streams = source.items.iter().filter(|item| item.kind == Kind::DataStream);
    streams
        .flat_map(|stream| {
            let indices = stream.body.open().ok().and_then(|mut body| body.remove("indices"));
            let names: Vec<String> =
                indices.and_then(|names| serde_json::from_value(names).ok()).unwrap_or_default();
            names.into_iter().map(|name| (name, stream.name.as_str()))
        })
        .collect()
}

fn skipped(item: &Item, streams: &BTreeMap<String, &str>, settings: &Settings) -> Option<State> {
    if item.kind == Kind::Index
        && let Some(stream) = streams.get(&item.name)
    {
        let why = format!("it is behind the data stream {stream}, which makes its own");
        return Some(State::Skipped(why));
    }
    let why = settings.selection.skipped(item.kind, &item.name)?;
    Some(State::Skipped(why.to_string()))
}

fn skipped_for(item: &Item, why: &Skipped) -> Planned {
    Planned::new(item.kind, &item.name, State::Skipped(why.to_string()))
}
