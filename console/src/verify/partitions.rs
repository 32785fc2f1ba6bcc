//! Where two indices differ, by sums of fingerprints.

use std::collections::{BTreeSet, HashMap};

use cluster::{Cluster, Document};
use compare::fingerprint::{Fingerprint, Sum, document, key, partition};

use super::{Printed, SideError, Suspect, Unit, UnitReport, Verifier};
use crate::problem::Side;

/// A partition has about so many documents.
const A_PARTITION: u64 = 256;
const FEWEST: usize = 16;
const MOST: usize = 1 << 16;

/// The partitions that differ, with how many documents the fuller side has in each.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    count: usize,
    differing: Vec<(usize, u64)>,
}

impl Partitions {
    fn between(source: &[Sum], target: &[Sum]) -> Partitions {
        let pairs = source.iter().zip(target).enumerate();
        let differing = pairs
            .filter(|(_, (here, there))| here != there)
            .map(|(at, (here, there))| (at, here.count.saturating_add(there.count)))
            .collect();
        Partitions { count: source.len(), differing }
    }

    /// Sets of partitions with at most `most` documents each; one that has more is alone.
    pub(super) fn groups(&self, most: u64) -> Vec<BTreeSet<usize>> {
        let mut groups: Vec<BTreeSet<usize>> = Vec::new();
        let mut held = u64::MAX;
        for (at, count) in &self.differing {
            held = held.saturating_add(*count);
            if held > most {
                groups.push(BTreeSet::new());
                held = *count;
            }
            if let Some(group) = groups.last_mut() {
                group.insert(*at);
            }
        }
        groups
    }
}

fn printed(document: &Document) -> Printed {
    let key = key(&document.id, document.routing.as_deref());
    Printed { key, document: self::document(key, &document.source) }
}

impl Verifier {
    /// Reads both sides once.
    pub(super) async fn sums(
        &self,
        unit: &Unit,
        report: &mut UnitReport,
    ) -> Result<Partitions, SideError> {
        let documents = self.count(unit).await?;
        let count = usize::try_from(documents / A_PARTITION).unwrap_or(MOST).clamp(FEWEST, MOST);
        let sum = |side: Side, cluster: Cluster| async move {
            let mut sums = vec![Sum::default(); count];
            let mut total = 0;
            self.scan(side, &cluster, &unit.name, |document| {
                let Printed { key, document } = printed(&document);
                sums[partition(key, count)].add(document);
                total += 1;
            })
            .await?;
            Ok::<_, SideError>((sums, total))
        };
        let (here, there) = tokio::try_join!(
            sum(Side::Source, self.source.clone()),
            sum(Side::Target, self.target.clone())
        )?;
        (report.source_documents, report.target_documents) = (here.1, there.1);
        Ok(Partitions::between(&here.0, &there.0))
    }

    async fn count(&self, unit: &Unit) -> Result<u64, SideError> {
        let path = format!("/{}/_count", cluster::encode_segment(&unit.name));
        let request = cluster::Request::new(cluster::Method::GET, path.clone());
        let reply =
            self.source.call(request).await.map_err(|error| SideError(Side::Source, error))?;
        let counted = serde_json::from_slice::<serde_json::Value>(&reply.body);
        let counted =
            counted.map_err(|e| SideError(Side::Source, self.source.answer_error(&path, e)))?;
        Ok(counted["count"].as_u64().unwrap_or(0))
    }

    async fn scan(
        &self,
        side: Side,
        cluster: &Cluster,
        name: &str,
        mut take: impl FnMut(Document),
    ) -> Result<(), SideError> {
        let fail = |error| SideError(side, error);
        let mut scan = cluster.scan(name, self.settings.page).await.map_err(fail)?;
        loop {
            let page = scan.next_page().await.map_err(fail)?;
            if page.is_empty() {
                return Ok(());
            }
            self.progress.inc(page.len() as u64);
            page.into_iter().for_each(&mut take);
        }
    }

    /// Reads both sides again, and gives what differs in these partitions.
    pub(super) async fn suspects(
        &self,
        unit: &Unit,
        group: &BTreeSet<usize>,
        partitions: &Partitions,
    ) -> Result<Vec<Suspect>, SideError> {
        let mut known: HashMap<Fingerprint, (Fingerprint, Suspect)> = HashMap::new();
        let mut suspects = Vec::new();
        let count = partitions.count;
        let of_group = |key: Fingerprint| group.contains(&partition(key, count));
        let suspect = |document: Document| Suspect { id: document.id, routing: document.routing };
        self.scan(Side::Source, &self.source, &unit.name, |found| {
            let Printed { key, document } = printed(&found);
            if of_group(key) {
                known.insert(key, (document, suspect(found)));
            }
        })
        .await?;
        self.scan(Side::Target, &self.target, &unit.name, |found| {
            let Printed { key, document } = printed(&found);
            if !of_group(key) {
                return;
            }
            match known.remove(&key) {
                Some((print, _)) if print == document => {}
                _ => suspects.push(suspect(found)),
            }
        })
        .await?;
        suspects.extend(known.into_values().map(|(_, suspect)| suspect));
        Ok(suspects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_that_differ_are_grouped() {
        let sums = |counts: &[u64]| {
            let sum = |count: &u64| {
                let mut sum = Sum::default();
                (0..*count).for_each(|n| sum.add(Fingerprint(n.into())));
                sum
            };
            counts.iter().map(sum).collect::<Vec<_>>()
        };
        let partitions = Partitions::between(&sums(&[1, 2, 3, 4, 5]), &sums(&[1, 3, 4, 4, 50]));
        assert_eq!(partitions.differing, [(1, 5), (2, 7), (4, 55)]);
        assert_eq!(partitions.groups(20), [BTreeSet::from([1, 2]), BTreeSet::from([4])]);
        assert!(Partitions::between(&sums(&[1]), &sums(&[1])).groups(9).is_empty());
    }
}
