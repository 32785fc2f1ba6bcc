//! What the run's index holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::Difference;
use crate::{
    accounts::Accounts,
    sweep::Sweep,
    work::{Position, Unit, fnv},
};

/// The id of the run's own document; no unit's id is without a `.`.
pub(super) const RUN: &str = "run";

/// What must not differ between the workers of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSettings {
    pub repository: String,
    pub snapshot: String,
    /// Everything else by its name, e.g. `versioning`, `index`.
    #[serde(default)]
    pub others: BTreeMap<String, String>,
}

impl RunSettings {
    /// The run takes a snapshot that may lack shards (`--partial`), so it never has all.
    pub fn is_partial(&self) -> bool {
        self.others.get("partial").is_some_and(|partial| partial == "true")
    }

    /// What differs from those that the run was begun with.
    pub(super) fn differences(&self, run: &Self) -> Vec<Difference> {
        let (here, there) = (self.all(), run.all());
        let names = here.keys().chain(there.keys().filter(|name| !here.contains_key(*name)));
        let shown = |value: Option<&&str>| {
            value.map_or_else(|| "not set".to_owned(), |value| format!("`{value}`"))
        };
        let differing = names.filter(|name| here.get(*name) != there.get(*name));
        let difference = |name: &&str| Difference {
            setting: (*name).to_owned(),
            here: shown(here.get(name)),
            in_the_run: shown(there.get(name)),
        };
        differing.map(difference).collect()
    }

    fn all(&self) -> BTreeMap<&str, &str> {
        let others = self.others.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let named = [("repository", &*self.repository), ("snapshot", &*self.snapshot)];
        others.chain(named).collect()
    }
}

/// What the plan comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    pub units: u64,
    pub bytes: u64,
    pub documents: u64,
    /// Of every unit: two plans with one digest are the same.
    pub digest: String,
}

/// The run itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RunDocument {
    pub(super) settings: RunSettings,
    pub(super) plan: Planned,
    /// Every unit has its document.
    pub(super) planned: bool,
    /// Whose plan it is, and when by its clock; for display.
    pub(super) by: Holder,
    #[serde(with = "super::time_text")]
    pub(super) since: jiff::Timestamp,
    /// The sweep of deletes after the last document; `None`: documents were written since.
    #[serde(default)]
    pub(super) sweep: Option<Sweep>,
}

/// Where a unit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Waiting,
    Leased,
    Done,
    /// It can't be done; why is in its error.
    Refused,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// A process that works, for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Holder {
    pub host: String,
    pub process: u32,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.process)
    }
}

impl Holder {
    /// This process.
    pub fn here() -> Self {
        let of_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let host = of_kernel.or_else(|| std::env::var("HOSTNAME").ok());
        let host = host.map(|host| host.trim().to_owned()).filter(|host| !host.is_empty());
        Self { host: host.unwrap_or_else(|| "unknown".into()), process: std::process::id() }
    }
}

/// One unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct UnitDocument {
    pub(super) unit: Unit,
    pub(super) state: State,
    /// Units are claimed by size, to a factor of two, …
    pub(super) size: u32,
    /// … and in this order within a size, which has nothing to do with index and shard.
    pub(super) spread: u32,
    pub(super) lease: Option<LeaseMark>,
    /// Where to go on; `None`: at the beginning.
    pub(super) position: Option<Position>,
    /// Of what is before the position.
    pub(super) accounts: Accounts,
    /// How often in a row it was taken without progress.
    pub(super) fruitless: u32,
    pub(super) error: Option<String>,
    /// The token of the retry that has settled the accounts last: its parts hold what failed. `None`: those of
    /// the workers do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) settled: Option<String>,
    /// Tokens of the writers of parts that don't count any more: the unit was restarted since.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) forgotten: BTreeSet<String>,
    /// Different in every write, so that a writer that has lost the answer knows its own write.
    pub(super) nonce: String,
}

/// Who holds a unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LeaseMark {
    /// Different for every lease.
    pub(super) token: String,
    pub(super) holder: Holder,
    /// How long it stands without a change.
    pub(super) milliseconds: u64,
    pub(super) renewals: u64,
    /// By the holder's clock; for display.
    #[serde(with = "super::time_text")]
    pub(super) since: jiff::Timestamp,
    #[serde(with = "super::time_text")]
    pub(super) renewed: jiff::Timestamp,
}

impl LeaseMark {
    pub(super) fn length(&self) -> Duration {
        Duration::from_millis(self.milliseconds).min(super::LONGEST_LEASE)
    }
}

impl UnitDocument {
    pub(super) fn waiting(unit: Unit) -> Self {
        Self {
            size: u64::BITS - unit.bytes.leading_zeros(),
            // 31 bits: an `integer` for the cluster.
            spread: u32::try_from(fnv(unit.id.as_bytes()) >> 33).unwrap_or(0),
            unit,
            state: State::Waiting,
            lease: None,
            position: None,
            accounts: Accounts::default(),
            fruitless: 0,
            error: None,
            settled: None,
            forgotten: BTreeSet::new(),
            nonce: String::new(),
        }
    }
}

/// What a compare-and-set compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Version {
    pub(super) seq_no: i64,
    pub(super) primary_term: i64,
}

/// A unit's document as it was at a version.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) document: UnitDocument,
    pub(super) version: Version,
}

impl Stored {
    /// Reads what a search has found.
    pub(super) fn read(found: &cluster::Document) -> Result<Self, serde_json::Error> {
        let version = Version { seq_no: found.seq_no, primary_term: found.primary_term };
        Ok(Self { document: serde_json::from_slice(&found.source)?, version })
    }
}

/// Never used before.
pub(super) fn nonce() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_the_setting_and_both_values() {
        let others = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let here = RunSettings {
            repository: "file:///r".into(),
            snapshot: "s".into(),
            others: others(&[("versioning", "sequence"), ("index", "a*")]),
        };
        let mut run = here.clone();
        assert_eq!(here.differences(&run), []);
        run.snapshot = "t".into();
        run.others = others(&[("versioning", "none"), ("index", "a*"), ("unit-size", "1GiB")]);
        let lines: Vec<_> = here.differences(&run).iter().map(Difference::to_string).collect();
        assert_eq!(
            lines,
            [
                "snapshot is `s` here, `t` in the run",
                "versioning is `sequence` here, `none` in the run",
                "unit-size is not set here, `1GiB` in the run",
            ]
        );
    }
}
