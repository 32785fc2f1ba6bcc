//! Whether every record of every connection is there.

use std::collections::BTreeMap;
use std::fmt;

use codec::record::Nanos;
use jiff::Timestamp;
use journal::Entry;
use serde::Serialize;

use super::numbering::{Next, Numbering};

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
    /// What is wrong, in words; the first of it.
    pub findings: Vec<String>,
}

/// One run of a proxy: it takes a new name with each start.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Proxy {
    pub connections: u64,
    pub records: u64,
    /// What its last heartbeat said that it had made.
    pub told_connections: u64,
    pub told_records: u64,
    #[serde(skip)]
    clock: Nanos,
}

/// Reads along.
#[derive(Debug, Default)]
pub struct Auditor {
    audit: Audit,
    numbering: Numbering,
    nodes: BTreeMap<String, String>,
    first: Option<Nanos>,
    last: Nanos,
    /// The journal's beginning is no longer there.
    cut: bool,
}

impl Audit {
    fn find(&mut self, finding: String) {
        if self.findings.len() < SHOWN {
            self.findings.push(finding);
        }
    }
}

impl Auditor {
    pub fn take(&mut self, entry: &Entry) {
        let audit = &mut self.audit;
        self.cut |= entry.offset > 0
            && audit.records + audit.heartbeats == 0
            && entry.partition == 0
            && !is_first(entry);
        audit.bytes += entry.value.len() as u64;
        let record = match &entry.record {
            Ok(record) => record,
            Err(bad) => {
                audit.bad_records += 1;
                return audit.find(bad.to_string());
            }
        };
        if let Some(beat) = &record.heartbeat {
            audit.heartbeats += 1;
            let proxy = audit.proxies.entry(record.node.clone()).or_default();
            proxy.told_connections = proxy.told_connections.max(beat.connections);
            proxy.told_records = proxy.told_records.max(beat.records);
            proxy.clock = proxy.clock.max(beat.clock);
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
        let nodes = &mut self.nodes;
        let Audit { records, connections, missing, findings, proxies, .. } = audit;
        self.numbering.take(record.clone(), |next| match next {
            Next::Record(record) => {
                *records += 1;
                let proxy = proxies.entry(record.node.clone()).or_default();
                proxy.records += 1;
                if record.last {
                    nodes.remove(&record.connection);
                }
                if record.number == 1 {
                    *connections += 1;
                    proxy.connections += 1;
                }
                if !record.last {
                    nodes.entry(record.connection).or_insert(record.node);
                }
            }
            Next::Gap { connection, first, last } => {
                gap(missing, findings, &connection, first, last)
            }
        });
    }

    /// What there is to say at the journal's end.
    pub fn finish(mut self) -> Audit {
        self.audit.repeats = self.numbering.repeats;
        let Audit { missing, findings, records, connections, proxies, .. } = &mut self.audit;
        let open = self.numbering.finish(|next| match next {
            Next::Gap { connection, first, last } => {
                gap(missing, findings, &connection, first, last)
            }
            Next::Record(record) => {
                *records += 1;
                let proxy = proxies.entry(record.node.clone()).or_default();
                proxy.records += 1;
                if record.number == 1 {
                    *connections += 1;
                    proxy.connections += 1;
                }
            }
        });
        let mut audit = self.audit;
        let mut unended = 0;
        for connection in open {
            let clock = self.nodes.get(&connection).and_then(|node| audit.proxies.get(node));
            let alive = clock.is_some_and(|proxy| proxy.clock + SILENCE > self.last);
            match alive {
                true => audit.open += 1,
                false => {
                    unended += 1;
                    audit.find(format!(
                        "connection {connection} has no end: its proxy was killed; what it had open is in doubt"
                    ));
                }
            }
        }
        let proxies = audit.proxies.clone();
        let mut lost = 0;
        for (node, proxy) in proxies.iter().filter(|_| !self.cut) {
            let Proxy { connections, records, told_connections, told_records, .. } = proxy;
            if connections < told_connections {
                lost += told_connections - connections;
                audit.find(format!(
                    "proxy {node} made {told_connections} connections, of which {connections} are here"
                ));
            }
            if records < told_records {
                lost += told_records - records;
                audit.find(format!(
                    "proxy {node} made {told_records} records, of which {records} are here"
                ));
            }
        }
        let text =
            |at: Nanos| Timestamp::from_nanosecond(i128::from(at)).ok().map(|t| t.to_string());
        audit.first = self.first.and_then(text);
        audit.last = Some(self.last).filter(|at| *at > 0).and_then(text);
        tracing::debug!(unended, lost, "audited");
        audit.whole = audit.missing == 0 && audit.bad_records == 0 && lost == 0;
        audit
    }
}

/// Whether an entry at an offset above 0 may still be the journal's first: file journals count their headers.
fn is_first(entry: &Entry) -> bool {
    entry.record.as_ref().is_ok_and(|record| {
        record.number == 1 || record.heartbeat.as_ref().is_some_and(|beat| beat.records == 0)
    })
}

fn gap(missing: &mut u64, findings: &mut Vec<String>, connection: &str, first: u64, last: u64) {
    *missing += last - first + 1;
    if findings.len() < SHOWN {
        findings.push(format!("connection {connection} lacks its records {first} to {last}"));
    }
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
        let value = Bytes::copy_from_slice(bytes);
        let record = Ok(record::decode(&value).unwrap());
        Entry { partition: 0, offset, next: offset + 1, key: Bytes::new(), value, record }
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
        let gap = audit(&[1, 2, 5], 3);
        assert_eq!((gap.whole, gap.missing), (false, 2));
        assert_eq!(gap.findings, ["connection c lacks its records 3 to 4"]);
        let short = audit(&[1, 2], 3);
        assert_eq!(short.findings, ["proxy n made 3 records, of which 2 are here"]);
        assert!(!short.whole);
    }
}
