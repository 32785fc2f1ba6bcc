//! The source as it is now: for what the journal doesn't prove, and for what passes it by.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use cluster::{AliasedIndex, Cluster, ClusterError, Flavour, IndexIdentity, Rate, data_stream_of};
use converge::{Facts, Scope};
use parking_lot::RwLock;
use telemetry::Shutdown;

/// How often the source's indices are looked at: lifecycle policies and other people delete and create
/// without passing the proxy.
const POLL: Duration = Duration::from_secs(5);

/// The captured cluster, and what was last seen of its indices.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) cluster: Cluster,
    /// Documents a second that may be read from it.
    pub(crate) rate: Rate,
    view: RwLock<View>,
    facts: RwLock<Arc<Facts>>,
}

#[derive(Debug, Default)]
struct View {
    /// How often the source has been looked at.
    looks: u64,
    indices: BTreeMap<String, IndexIdentity>,
    aliases: BTreeMap<String, Vec<AliasedIndex>>,
    /// Every index that an alias or a data stream has led to in any look: what is replayed may be older than the last one.
    led_to: BTreeMap<String, BTreeSet<String>>,
}

impl Source {
    /// Connects and looks at its indices.
    pub(crate) async fn connect(
        settings: cluster::Settings,
        rate: Option<u32>,
    ) -> Result<Self, ClusterError> {
        let cluster = Cluster::connect(settings).await?;
        let info = cluster.info();
        let elasticsearch_major = (info.flavour == Flavour::Elasticsearch).then_some(info.major);
        let unnumbered = !info.reads_sequence_numbers();
        let facts = Facts { elasticsearch_major, unnumbered, ..Facts::default() };
        let source = Self {
            cluster,
            rate: Rate::per_second(rate),
            view: RwLock::default(),
            facts: RwLock::new(Arc::new(facts)),
        };
        source.look().await?;
        Ok(source)
    }

    /// Looks every few seconds, until the replayer stops.
    pub(crate) async fn poll(self: Arc<Self>, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = shutdown.stopping() => return,
            }
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "cannot look at the source's indices; what was seen last still counts");
            }
        }
    }

    /// Looks at the indices and aliases now.
    pub(crate) async fn look(&self) -> Result<(), ClusterError> {
        let indices = self.cluster.index_identities().await?;
        let aliases = self.cluster.aliases().await?;
        let mut facts = Facts::clone(&self.facts.read());
        learn(&mut facts, &indices, &aliases);
        *self.facts.write() = Arc::new(facts);
        let mut view = self.view.write();
        let mut led_to = std::mem::take(&mut view.led_to);
        for (alias, behind) in &aliases {
            let names = behind.iter().map(|aliased| aliased.index.clone());
            led_to.entry(alias.clone()).or_default().extend(names);
        }
        for index in indices.keys() {
            if let Some(stream) = data_stream_of(index) {
                led_to.entry(stream.to_owned()).or_default().insert(index.clone());
            }
        }
        *view = View { looks: view.looks + 1, indices, aliases, led_to };
        Ok(())
    }

    /// What `converge` needs to know.
    pub(crate) fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.facts.read())
    }

    /// How often the source has been looked at.
    pub(crate) fn looks(&self) -> u64 {
        self.view.read().looks
    }

    /// Whether the index of this name, as last seen, has this UUID (`None`: isn't there).
    pub(crate) fn has_uuid(&self, index: &str, uuid: Option<&str>) -> bool {
        self.view.read().indices.get(index).map(|identity| identity.uuid.as_str()) == uuid
    }

    /// Whether there was an index, alias or data stream of this name when last seen.
    pub(crate) fn knows(&self, name: &str) -> bool {
        let view = self.view.read();
        view.indices.contains_key(name)
            || view.aliases.contains_key(name)
            || view.indices.keys().any(|index| data_stream_of(index) == Some(name))
    }

    /// The indices that a name has ever been seen to stand for; `None` when it was never seen.
    pub(crate) fn behind(&self, name: &str) -> Option<Vec<String>> {
        let view = self.view.read();
        let led_to = view.led_to.get(name).map(|indices| indices.iter().cloned().collect());
        led_to.or_else(|| view.indices.contains_key(name).then(Vec::new))
    }

    /// The UUID of an index as last seen.
    pub(crate) fn uuid(&self, index: &str) -> Option<String> {
        self.view.read().indices.get(index).map(|identity| identity.uuid.clone())
    }

    /// The concrete indices behind a name: an index, an alias, a pattern. Looks again when it isn't known.
    pub(crate) async fn concrete(&self, name: &str) -> Result<Vec<String>, ClusterError> {
        let known = self.matching(name);
        if !known.is_empty() && !name.contains('*') {
            return Ok(known);
        }
        self.look().await?;
        Ok(self.matching(name))
    }

    fn matching(&self, name: &str) -> Vec<String> {
        let view = self.view.read();
        if view.indices.contains_key(name) {
            return vec![name.to_owned()];
        }
        if let Some(indices) = view.led_to.get(name) {
            return indices
                .iter()
                .filter(|index| view.indices.contains_key(*index))
                .cloned()
                .collect();
        }
        if !name.contains('*') {
            return Vec::new();
        }
        let scope = Scope::of_expression(name);
        // A leading dot marks indices of the cluster's own, unless they are asked for.
        let own = |index: &str| index.starts_with('.') && !name.starts_with('.');
        view.indices.keys().filter(|index| scope.contains(index) && !own(index)).cloned().collect()
    }
}

/// Adds to what is known. An index that had a pipeline once is remembered as having one: exchanges from that time
/// may still come.
fn learn(
    facts: &mut Facts,
    indices: &BTreeMap<String, IndexIdentity>,
    aliases: &BTreeMap<String, Vec<AliasedIndex>>,
) {
    for (name, identity) in indices.iter().filter(|(_, identity)| identity.rewrites_documents()) {
        let known = facts.indices.entry(name.clone()).or_default();
        known.default_pipeline |= identity.default_pipeline.is_some();
        known.final_pipeline |= identity.final_pipeline.is_some();
    }
    for (alias, behind) in aliases {
        for aliased in behind {
            if let Some(known) = facts.indices.get(&aliased.index).copied() {
                let named = facts.indices.entry(alias.clone()).or_default();
                named.default_pipeline |= known.default_pipeline;
                named.final_pipeline |= known.final_pipeline;
            }
            if let Some(routing) = &aliased.index_routing {
                let routings = facts.alias_routing.entry(alias.clone()).or_default();
                routings.insert(aliased.index.clone(), routing.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipelines_are_remembered_and_reach_aliases() {
        let mut facts = Facts::default();
        let mut identity = IndexIdentity {
            uuid: "U".into(),
            shards: 1,
            default_pipeline: Some("p".into()),
            final_pipeline: None,
        };
        let aliased = AliasedIndex { index: "i".into(), index_routing: Some("r".into()) };
        let aliases = [("a".to_owned(), vec![aliased])].into();
        learn(&mut facts, &[("i".to_owned(), identity.clone())].into(), &aliases);
        identity.default_pipeline = None;
        learn(&mut facts, &[("i".to_owned(), identity)].into(), &aliases);
        assert!(facts.indices["i"].default_pipeline && facts.indices["a"].default_pipeline);
        assert_eq!(facts.alias_routing["a"]["i"], "r");
    }
}
