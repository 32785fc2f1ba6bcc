//! What is compared with what: indices and data streams of one name.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{Cluster, Flavour, IndexDefinition};
use converge::Version;
use serde_json::Value;

use crate::clusters::find;
use crate::problem::{Problem, Side};

/// An index, or a data stream as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub name: String,
    /// Its documents take no versions from outside.
    pub is_stream: bool,
    /// Why it can't be compared.
    pub cannot: Option<String>,
    versions: Versions,
}

/// Where the versions of a target's index come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    Sequence {
        epoch: u32,
    },
    Own,
    /// The source doesn't tell any.
    Target,
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Units {
    pub both: Vec<Unit>,
    pub source_only: Vec<String>,
    pub target_only: Vec<String>,
}

impl Units {
    /// Asks both sides.
    ///
    /// # Errors
    /// When one can't be asked.
    pub async fn of(
        source: &Cluster,
        target: &Cluster,
        moves: impl Fn(&str) -> bool,
    ) -> Result<Units, Problem> {
        let definitions = |side: Side, cluster: Cluster| async move {
            let all = cluster.index_definitions("*").await;
            all.map_err(|error| Problem::cluster(side, &error))
        };
        let (here, there, streams, other_streams) = tokio::try_join!(
            definitions(Side::Source, source.clone()),
            definitions(Side::Target, target.clone()),
            streams(Side::Source, source),
            streams(Side::Target, target),
        )?;
        let names = |all: &BTreeMap<String, IndexDefinition>,
                     streams: &BTreeMap<String, Vec<String>>| {
            let backing: BTreeSet<&String> = streams.values().flatten().collect();
            let plain = all.keys().filter(|name| !backing.contains(name));
            plain.chain(streams.keys()).filter(|name| moves(name)).cloned().collect::<BTreeSet<_>>()
        };
        let (mine, theirs) = (names(&here, &streams), names(&there, &other_streams));
        let unit = |name: &String| {
            let is_stream = streams.contains_key(name) || other_streams.contains_key(name);
            let pair = here.get(name).zip(there.get(name));
            Unit {
                name: name.clone(),
                is_stream,
                cannot: pair.and_then(|(source, target)| cannot(source, target)),
                versions: versions(source, there.get(name)),
            }
        };
        Ok(Units {
            both: mine.intersection(&theirs).map(unit).collect(),
            source_only: mine.difference(&theirs).cloned().collect(),
            target_only: theirs.difference(&mine).cloned().collect(),
        })
    }

    /// Names that only one side has, in words.
    pub(super) fn absent(&self) -> Vec<String> {
        let missing = self.source_only.iter().map(|name| format!("{name} is not on the target"));
        let extra = self.target_only.iter().map(|name| format!("{name} is on the target only"));
        missing.chain(extra).collect()
    }
}

impl Unit {
    /// The version that a document of the source is written with.
    pub(crate) fn version(
        &self,
        document: &cluster::Document,
        of_target: Option<i64>,
    ) -> Option<i64> {
        let version = match self.versions {
            Versions::Sequence { epoch } => {
                Version::of_sequence(epoch, document.primary_term, document.seq_no)
            }
            Versions::Own => Version::of_external(document.version),
            Versions::Target => return Some(of_target.unwrap_or(0)),
        };
        version.ok().map(Version::get)
    }
}

fn godwit(definition: &IndexDefinition) -> Option<&Value> {
    definition.mappings.get("_meta")?.get("godwit")
}

fn versions(source: &Cluster, target: Option<&IndexDefinition>) -> Versions {
    if !source.info().reads_sequence_numbers() {
        return Versions::Target;
    }
    let marks = target.and_then(godwit);
    if marks.is_some_and(|marks| marks["versioning"] == "version") {
        return Versions::Own;
    }
    let epoch = marks.and_then(|marks| marks["epoch"].as_u64()).unwrap_or(0);
    Versions::Sequence { epoch: u32::try_from(epoch).unwrap_or(0) }
}

/// Why two indices of one name are not to be compared.
fn cannot(source: &IndexDefinition, target: &IndexDefinition) -> Option<String> {
    let types = source.mappings.iter().filter(|(name, value)| {
        // A type's mapping is an object of mappings; typeless ones have these at the top.
        value.is_object()
            && !name.starts_with('_')
            && value.get("properties").is_some()
            && *name != "properties"
    });
    if types.count() > 1 {
        return Some("it has several types; each became an index of its own".into());
    }
    let of = godwit(target)?["source_uuid"].as_str()?;
    match source.uuid() {
        Some(uuid) if uuid != of => Some(format!(
            "the target's was made for the index {of}, which the source has no more; it has {uuid} of that name"
        )),
        _ => None,
    }
}

/// Data streams with their backing indices; none where the version has no such thing.
async fn streams(side: Side, cluster: &Cluster) -> Result<BTreeMap<String, Vec<String>>, Problem> {
    let info = cluster.info();
    let has_streams = match info.flavour {
        Flavour::OpenSearch => true,
        Flavour::Elasticsearch => (info.major, info.minor) >= (7, 9),
    };
    if !has_streams {
        return Ok(BTreeMap::new());
    }
    // A distribution without the feature answers 400 or 404.
    let found = match find(side, cluster, "/_data_stream?expand_wildcards=all").await {
        Ok(found) => found,
        Err(_) => find(side, cluster, "/_data_stream").await.unwrap_or_default(),
    };
    let found = found.unwrap_or_default();
    let stream = |stream: &Value| {
        let name = stream["name"].as_str()?.to_owned();
        let backing = stream["indices"].as_array()?.iter();
        Some((
            name,
            backing.filter_map(|index| index["index_name"].as_str().map(str::to_owned)).collect(),
        ))
    };
    Ok(found["data_streams"].as_array().into_iter().flatten().filter_map(stream).collect())
}
