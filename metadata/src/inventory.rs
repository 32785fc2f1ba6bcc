//! What a source or a target has, in one form for every version, live or stored.

mod body;
mod live;
mod normal;
mod stored;

use std::{collections::BTreeMap, fmt};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use transform::Version;

pub use body::{Body, Packed};
pub use live::live;
pub(crate) use normal::{flat, template, text_of};
pub use stored::stored;

/// What an item is. In the order in which items are made: indices before the templates, which the target would merge
/// into them; data streams after, which are made of one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Index,
    Alias,
    ComponentTemplate,
    IndexTemplate,
    /// `_template`
    LegacyTemplate,
    /// `_ingest/pipeline`
    Pipeline,
    /// `_scripts`
    Script,
    DataStream,
    /// `_ilm/policy`
    LifecyclePolicy,
    /// `_plugins/_ism/policies`
    IsmPolicy,
}

impl Kind {
    pub const ALL: [Self; 10] = [
        Self::Index,
        Self::Alias,
        Self::ComponentTemplate,
        Self::IndexTemplate,
        Self::LegacyTemplate,
        Self::Pipeline,
        Self::Script,
        Self::DataStream,
        Self::LifecyclePolicy,
        Self::IsmPolicy,
    ];

    /// As flags and reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ComponentTemplate => "component-template",
            Self::IndexTemplate => "index-template",
            Self::LegacyTemplate => "legacy-template",
            Self::Pipeline => "pipeline",
            Self::Script => "script",
            Self::Index => "index",
            Self::Alias => "alias",
            Self::DataStream => "data-stream",
            Self::LifecyclePolicy => "lifecycle-policy",
            Self::IsmPolicy => "ism-policy",
        }
    }

    /// Indices, aliases and data streams share their names.
    pub(crate) fn is_searchable(self) -> bool {
        matches!(self, Self::Index | Self::Alias | Self::DataStream)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that a cluster has.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub kind: Kind,
    pub name: String,
    /// - a template, pipeline or script: as its `PUT` takes it, settings flat (`index.number_of_shards`) and as
    ///   texts, mappings with types only where the version has them;
    /// - an index: `settings`, likewise, and `mappings` by type (`_doc` where there are none);
    /// - an alias: what it says by index;
    /// - a data stream: `timestamp_field`, `indices`, `generation`, and what else it says;
    /// - a lifecycle policy: `policy`.
    pub body: Body,
    /// Of an index.
    pub uuid: Option<String>,
    /// Of an index; `None` where it isn't recorded (before Elasticsearch 5).
    pub routing_shards: Option<u32>,
    /// Of an index.
    pub is_closed: bool,
    /// Why the source itself can't show it; the body is empty then.
    pub unserved: Option<String>,
}

impl Item {
    pub(crate) fn new(kind: Kind, name: impl Into<String>, body: impl Into<Body>) -> Self {
        Self {
            kind,
            name: name.into(),
            body: body.into(),
            uuid: None,
            routing_shards: None,
            is_closed: false,
            unserved: None,
        }
    }
}

/// A cluster or a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// A url; of a snapshot, the repository's and its name.
    pub place: String,
    /// `Elasticsearch 7.10.2`.
    pub version: String,
    /// Of a live cluster: `green`, `yellow` or `red`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    #[serde(skip)]
    pub of: Version,
}

/// All of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Inventory {
    pub side: Side,
    /// By kind and name.
    pub items: Vec<Item>,
    /// What can't be told from here, and why.
    pub notes: Vec<String>,
}

impl Inventory {
    fn new(side: Side, mut items: Vec<Item>, notes: Vec<String>) -> Self {
        items.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        Self { side, items, notes }
    }

    /// By kind and name, to look one up.
    pub(crate) fn by_name(&self) -> BTreeMap<(Kind, &str), &Item> {
        self.items.iter().map(|item| ((item.kind, item.name.as_str()), item)).collect()
    }
}

/// From Elasticsearch 7 on, and in OpenSearch, an index has no types.
fn is_typeless(version: Version) -> bool {
    version.flavour == transform::Flavour::OpenSearch || version.major >= 7
}

/// Stored scripts of these were documents of an index.
fn has_script_index(version: Version) -> bool {
    version.flavour == transform::Flavour::Elasticsearch && version.major < 5
}

const SCRIPT_INDEX: &str = "stored scripts of Elasticsearch 1 and 2 are documents of the index .scripts, in languages \
    that no target has; write them anew in Painless";

/// Makes one alias of what indices say of theirs.
fn aliases(of_indices: Vec<(String, Map<String, Value>)>) -> impl Iterator<Item = Item> {
    let mut aliases: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (index, of_index) in of_indices {
        for (alias, says) in of_index {
            aliases.entry(alias).or_default().insert(index.clone(), says);
        }
    }
    aliases.into_iter().map(|(name, body)| Item::new(Kind::Alias, name, body))
}
