//! Whether every record of every connection is there.
//!
//! ```text
//! number of each record          gaps, what comes twice, what is out of its place, a connection without its end
//! counts of the heartbeats       how many connections and records a proxy has made: what is missing at the end of a
//!                                connection, and connections that are missing whole
//! ```
//! A proxy that ends in order says its final counts in a last heartbeat. What it made since its last heartbeat, nobody
//! knows of one that was killed.

mod disorder;
mod numbering;
mod program;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use codec::record::{Nanos, Switched};
use journal::Entry;
use serde::Serialize;

use crate::tape::readable;

pub use disorder::Disorder;
pub use numbering::{Next, Numbering};
pub use program::{AuditFlags, audit};

/// Things that are listed; all are counted.
const SHOWN: usize = 50;
/// A proxy that hasn't been heard of for so long before the journal's end is gone.
const SILENCE: Nanos = 10_000_000_000;

/// What a journal holds, and what it lacks.
#[derive(Debug, Default, Serialize)]
pub struct Audit {
    pub whole: bool,
    pub records: u64,
    pub bytes: u64,
    pub heartbeats: u64,
    pub connections: u64,
    /// Records that came again; readers drop them.
    pub repeats: u64,
    /// Connections of proxies that are still there.
    pub open: u64,
    /// Records that are missing.
    pub missing: u64,
    pub bad_records: u64,
    pub first: Option<String>,
    pub last: Option<String>,
    pub proxies: BTreeMap<String, Proxy>,
    /// What is lost, in words; the first of it.
    pub findings: Vec<String>,
    /// What readers make good: what comes twice, or out of its place; and what a proxy's end explains.
    pub notes: Vec<String>,
}

/// One run of a proxy: it takes a new name with each start.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Proxy {
    pub connections: u64,
    pub records: u64,
    /// What its last heartbeat said that it had made.
    pub told_connections: u64,
    pub told_records: u64,
    /// Records that are known to be missing between others.
    #[serde(skip)]
    gaps: u64,
    #[serde(skip)]
    clock: Nanos,
}

/// Reads along.
#[derive(Debug, Default)]
pub struct Auditor {
    audit: Audit,
    numbering: Numbering,
    /// When which proxy's capture was switched off, and until when: 0 as long as that isn't known.
    switched: BTreeMap<(String, Nanos), Nanos>,
    /// Of each connection that has no end yet.
    open: HashMap<String, Open>,
    first: Option<Nanos>,
    last: Nanos,
    /// Partitions that something was read of, and of them those whose beginning is no longer there.
    begun: BTreeSet<i32>,
    cut: BTreeSet<i32>,
}

/// What is known of a connection.
#[derive(Debug, Default)]
struct Open {
    /// Its proxy.
    node: String,
    /// Its partition's beginning is no longer there, so that its own may have been.
    cut: bool,
}

fn list(into: &mut Vec<String>, what: impl FnOnce() -> String) {
    if into.len() < SHOWN {
        into.push(what());
    }
}

impl Audit {
    /// Takes what the numbering tells of a record that was read at this place, if it is one, of a partition that is `cut`.
    fn take(
        &mut self,
        open: &mut HashMap<String, Open>,
        (place, cut): (Option<(i32, u64)>, bool),
        next: Next,
    ) {
        match next {
            Next::Begins { connection, node } => {
                self.connections += 1;
                self.proxies.entry(node.clone()).or_default().connections += 1;
                open.insert(connection, Open { node, cut });
            }
            Next::Record(record) => {
                self.records += 1;
                if record.last {
                    open.remove(&record.connection);
                }
                self.proxies.entry(record.node).or_default().records += 1;
            }
            // Deleted with what was before it.
            Next::Gap { connection, first: 1, .. }
                if open.get(&connection).is_some_and(|of| of.cut) => {}
            Next::Gap { connection, node, first, last } => {
                self.missing += last - first + 1;
                self.proxies.entry(node).or_default().gaps += last - first + 1;
                list(&mut self.findings, || match first == last {
                    true => format!("connection {connection} lacks its record {first}"),
                    false => format!("connection {connection} lacks its records {first} to {last}"),
                });
            }
            Next::Twice { connection, number } => {
                self.repeats += 1;
                let (partition, offset) = place.unwrap_or_default();
                list(&mut self.notes, || {
                    format!(
                        "connection {connection}: record {number} comes again in partition {partition} at offset {offset}"
                    )
                });
            }
            Next::Disorder { connection, disorder } => {
                list(&mut self.notes, || format!("connection {connection}: {disorder}"));
            }
        }
    }

    /// What is missing of a proxy beyond the gaps between its records.
    fn compare_with_told(&mut self, node: &str, unended: &[String]) {
        let Some(proxy) = self.proxies.get(node).cloned() else { return };
        let connections = proxy.told_connections.saturating_sub(proxy.connections);
        let here = proxy.records + proxy.gaps;
        let records = proxy.told_records.saturating_sub(here);
        self.missing += records;
        if connections > 0 {
            let (told, here) = (proxy.told_connections, proxy.connections);
            list(&mut self.findings, || {
                format!("proxy {node} made {told} connections, of which {here} are here")
            });
        }
        if records == 0 {
            return;
        }
        list(&mut self.findings, || match unended {
            [connection] if connections == 0 && records == 1 => {
                format!("connection {connection} lacks its last record")
            }
            [connection] if connections == 0 => {
                format!("connection {connection} lacks its last {records} records")
            }
            _ => {
                let told = proxy.told_records;
                format!(
                    "proxy {node} made {told} records, of which {here} are here or known to be missing"
                )
            }
        });
    }
}

impl Auditor {
    /// Takes the next entry of the journal, of whatever partition.
    pub fn take(&mut self, entry: &Entry) {
        let audit = &mut self.audit;
        if self.begun.insert(entry.partition) && is_cut(entry) {
            self.cut.insert(entry.partition);
        }
        audit.bytes += entry.value.len() as u64;
        let record = match &entry.record {
            Ok(record) => record,
            Err(bad) => {
                audit.bad_records += 1;
                return list(&mut audit.findings, || bad.to_string());
            }
        };
        if let Some(beat) = &record.heartbeat {
            audit.heartbeats += 1;
            let proxy = audit.proxies.entry(record.node.clone()).or_default();
            proxy.told_connections = proxy.told_connections.max(beat.connections);
            proxy.told_records = proxy.told_records.max(beat.records);
            proxy.clock = proxy.clock.max(beat.clock);
            if let Some(Switched { off, on }) = beat.switched {
                let known = self.switched.entry((record.node.clone(), off)).or_default();
                *known = on.max(*known);
            }
            self.last = self.last.max(beat.clock);
            return;
        }
        let times = record.observations.iter().map(|observation| observation.at);
        let (first, last) = (times.clone().min(), times.max().unwrap_or(0));
        self.first = match (self.first, first) {
            (Some(known), Some(first)) => Some(known.min(first)),
            (known, first) => known.or(first),
        };
        self.last = self.last.max(last);
        let place = (Some((entry.partition, entry.offset)), self.cut.contains(&entry.partition));
        let open = &mut self.open;
        self.numbering.take(record.clone(), |next| audit.take(open, place, next));
    }

    /// What there is to say at the journal's end.
    pub fn finish(self) -> Audit {
        let Self { mut audit, numbering, switched, mut open, first, last, cut, .. } = self;
        let left = numbering.finish(|next| audit.take(&mut open, (None, false), next));
        let mut unended: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for connection in left {
            let node = open.remove(&connection).unwrap_or_default().node;
            unended.entry(node).or_default().push(connection);
        }
        let proxies: Vec<String> = audit.proxies.keys().cloned().collect();
        for node in proxies {
            let open = unended.remove(&node).unwrap_or_default();
            let lost = audit.findings.len();
            // What was deleted was told of too.
            if cut.is_empty() {
                audit.compare_with_told(&node, &open);
            }
            if audit.proxies.get(&node).is_some_and(|proxy| proxy.clock + SILENCE > last) {
                audit.open += open.len() as u64;
            } else if audit.findings.len() == lost {
                for connection in open {
                    list(&mut audit.notes, || {
                        format!(
                            "connection {connection} has no end: its proxy was killed; what it had open is in doubt"
                        )
                    });
                }
            }
        }
        if !cut.is_empty() {
            let cut: Vec<String> = cut.iter().map(i32::to_string).collect();
            let cut = cut.join(", ");
            list(&mut audit.notes, || {
                format!(
                    "the oldest records are deleted in partitions {cut}: what may have been there is not missed"
                )
            });
        }
        for ((node, off), on) in switched {
            let from = readable(off).unwrap_or_default();
            let to = Some(on).filter(|on| *on > 0).and_then(readable);
            let to = to.map_or_else(|| "and not on again".to_owned(), |to| format!("until {to}"));
            list(&mut audit.findings, || {
                format!("proxy {node} did not capture from {from} {to}: it was switched off")
            });
        }
        audit.first = first.and_then(readable);
        audit.last = Some(last).filter(|at| *at > 0).and_then(readable);
        audit.whole = audit.findings.is_empty();
        audit
    }
}

/// Whether something was before the first entry of a partition that is no longer there.
fn is_cut(entry: &Entry) -> bool {
    // A file journal passes over places whose records were lost with the power, before anyone was told of them.
    let is_first = entry.record.as_ref().is_ok_and(|record| {
        record.number == 1 || record.heartbeat.as_ref().is_some_and(|beat| beat.records == 0)
    });
    !entry.is_at_beginning() && (entry.is_counted() || !is_first)
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: &Option<String>| time.clone().unwrap_or_else(|| "none".into());
        writeln!(
            f,
            "records       {} ({} bytes), {} heartbeats",
            self.records, self.bytes, self.heartbeats
        )?;
        writeln!(f, "connections   {}, {} of them open", self.connections, self.open)?;
        writeln!(f, "from, to      {}, {}", time(&self.first), time(&self.last))?;
        writeln!(f, "repeats       {}", self.repeats)?;
        writeln!(f, "missing       {}", self.missing)?;
        writeln!(f, "not readable  {}", self.bad_records)?;
        for (node, proxy) in &self.proxies {
            let Proxy { connections, records, .. } = proxy;
            writeln!(f, "proxy {node}  {connections} connections, {records} records")?;
        }
        for note in &self.notes {
            writeln!(f, "noted: {note}")?;
        }
        for finding in &self.findings {
            writeln!(f, "found: {finding}")?;
        }
        write!(f, "{}", if self.whole { "whole" } else { "NOT WHOLE" })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use codec::record::{self, Envelope, Heartbeat};

    use super::*;

    fn entry(offset: u64, bytes: &[u8]) -> Entry {
        entry_in(0, offset, bytes)
    }

    fn entry_in(partition: i32, offset: u64, bytes: &[u8]) -> Entry {
        let value = Bytes::copy_from_slice(bytes);
        let record = Ok(record::decode(&value).unwrap());
        Entry {
            partition,
            offset,
            next: offset + 1,
            key: Bytes::new(),
            value,
            stored_at: None,
            record,
        }
    }

    fn audit(numbers: &[u64], told: u64) -> Audit {
        let mut auditor = Auditor::default();
        let envelope = Envelope::new("c", "n");
        for (offset, number) in numbers.iter().enumerate() {
            auditor.take(&entry(offset as u64, &record::connect(&envelope, 5, *number)));
        }
        let beat = Heartbeat { clock: 9, records: told, connections: 1, ..Heartbeat::default() };
        auditor.take(&entry(99, &record::heartbeat("n", &beat)));
        auditor.finish()
    }

    #[test]
    fn what_is_there_and_what_is_not() {
        let whole = audit(&[1, 2, 2, 4, 3], 4);
        assert!(whole.whole, "{whole}");
        assert_eq!((whole.records, whole.repeats, whole.open), (4, 1, 1));
        let noted = [
            "connection c: record 2 comes again in partition 0 at offset 2",
            "connection c: records 3 and 4 have changed places",
        ];
        assert_eq!(whole.notes, noted);
        let gap = audit(&[1, 2, 5], 5);
        assert_eq!((gap.whole, gap.missing), (false, 2));
        assert_eq!(gap.findings, ["connection c lacks its records 3 to 4"]);
        let short = audit(&[1, 2], 3);
        assert_eq!(short.findings, ["connection c lacks its last record"]);
        assert!(!short.whole);
    }

    #[test]
    fn what_is_deleted_by_age_is_not_missed_in_whatever_partition_it_was() {
        // Partition 0 is whole and read first; the beginning of partition 1 is deleted, in the midst of a connection.
        let beat =
            |records| Heartbeat { clock: 9, records, connections: 3, ..Heartbeat::default() };
        let read = |gap: bool| {
            let mut auditor = Auditor::default();
            let take = |auditor: &mut Auditor, partition, offset, name, number| {
                let connect = record::connect(&Envelope::new(name, "n"), 5, number);
                auditor.take(&entry_in(partition, offset, &connect));
            };
            take(&mut auditor, 0, 0, "a", 1);
            take(&mut auditor, 0, 1, "a", 2);
            take(&mut auditor, 1, 40, "b", 1);
            take(&mut auditor, 1, 41, "c", 7);
            take(&mut auditor, 1, 42, "c", if gap { 9 } else { 8 });
            auditor.take(&entry_in(0, 2, &record::heartbeat("n", &beat(30))));
            auditor.take(&entry_in(1, 43, &record::heartbeat("n", &beat(30))));
            auditor.finish()
        };
        let whole = read(false);
        assert!(whole.whole && whole.findings.is_empty(), "{whole}");
        assert_eq!((whole.missing, whole.connections, whole.records), (0, 3, 5));
        assert!(whole.notes[0].contains("deleted in partitions 1:"), "{whole}");
        let gap = read(true);
        assert_eq!(gap.findings, ["connection c lacks its record 8"]);
        assert_eq!(gap.missing, 1);
    }
}
