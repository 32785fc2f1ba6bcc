//! What looks different, read by id from both sides until it is equal, or surely isn't.

use std::collections::HashMap;
use std::time::Duration;

use cluster::{Cluster, Document};
use tokio::time::{Instant, sleep_until};

use super::report::{Difference, Kind};
use super::{SideError, Suspect, Unit, UnitReport, Verifier};
use crate::problem::Side;

/// Ids of one search.
const BATCH: usize = 250;
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Places of a document that are named.
const PLACES: usize = 5;

/// The numbers by which a document is seen to change, on the source and on the target.
type Numbers = (Option<(i64, i64)>, Option<i64>);

/// One document, as a look finds it.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) suspect: Suspect,
    pub(super) source: Option<Document>,
    pub(super) target: Option<Document>,
}

impl Look {
    fn numbers(&self) -> Numbers {
        let source = self.source.as_ref().map(|found| (found.primary_term, found.seq_no));
        (source, self.target.as_ref().map(|found| found.version))
    }

    /// `None`: both sides are equal.
    fn difference(&self) -> Option<Difference> {
        let Look { suspect: Suspect { id, routing }, source, target } = self;
        let (kind, places) = match (source, target) {
            (None, None) => return None,
            (Some(_), None) => (Kind::Missing, Vec::new()),
            (None, Some(_)) => (Kind::Extra, Vec::new()),
            (Some(here), Some(there)) => {
                let of = |found: &Document| found.source.clone();
                let (left, right) = (of(here), of(there));
                let side = |source| compare::Document { routing: None, source };
                let places = compare::documents(side(&left), side(&right), PLACES);
                if places.is_empty() {
                    return None;
                }
                (Kind::Differs, places.into_iter().map(|place| place.path).collect())
            }
        };
        Some(Difference {
            index: String::new(),
            id: id.clone(),
            routing: routing.clone(),
            kind,
            places,
        })
    }
}

impl Verifier {
    /// Looks at suspects until none differs, or the time to settle is over.
    pub(super) async fn judge(
        &self,
        unit: &Unit,
        suspects: Vec<Suspect>,
        report: &mut UnitReport,
    ) -> Result<(), SideError> {
        if suspects.is_empty() {
            return Ok(());
        }
        let until = Instant::now() + self.settings.settle;
        let mut left = suspects;
        let mut first: HashMap<Suspect, Numbers> = HashMap::new();
        let mut is_first = true;
        loop {
            let began = Instant::now();
            let mut open = Vec::new();
            for batch in left.chunks(BATCH) {
                for look in self.look(unit, batch).await? {
                    if look.difference().is_none() {
                        continue;
                    }
                    if is_first {
                        first.insert(look.suspect.clone(), look.numbers());
                    }
                    // Bodies are not kept from look to look.
                    open.push(look.suspect);
                }
            }
            left = open;
            is_first = false;
            if left.is_empty() || Instant::now() >= until {
                break;
            }
            sleep_until(began + LOOK).await;
        }
        for batch in left.chunks(BATCH) {
            let looks = self.look(unit, batch).await?;
            self.conclude(unit, looks, &first, report).await?;
        }
        Ok(())
    }

    async fn conclude(
        &self,
        unit: &Unit,
        looks: Vec<Look>,
        first: &HashMap<Suspect, Numbers>,
        report: &mut UnitReport,
    ) -> Result<(), SideError> {
        let mut differing = Vec::new();
        for look in looks {
            let Some(mut difference) = look.difference() else { continue };
            let (now, then) = (look.numbers(), first.get(&look.suspect));
            let changing = then.is_some_and(|then| then.0 != now.0 && then.1 != now.1);
            if changing && look.source.is_some() && look.target.is_some() {
                report.changing += 1;
                continue;
            }
            difference.index.clone_from(&unit.name);
            differing.push((look, difference));
        }
        if self.repair {
            differing = self.repair(unit, differing, report).await?;
        }
        report.differ(differing.into_iter().map(|(_, difference)| difference), self.settings.shown);
        Ok(())
    }

    /// Finds these documents on both sides, the target last: what is older there is then not newer.
    pub(super) async fn look(
        &self,
        unit: &Unit,
        suspects: &[Suspect],
    ) -> Result<Vec<Look>, SideError> {
        let mut source = self.find(Side::Source, &self.source, unit, suspects).await?;
        let mut target = self.find(Side::Target, &self.target, unit, suspects).await?;
        let look = |suspect: &Suspect| Look {
            suspect: suspect.clone(),
            source: source.remove(suspect),
            target: target.remove(suspect),
        };
        Ok(suspects.iter().map(look).collect())
    }

    async fn find(
        &self,
        side: Side,
        cluster: &Cluster,
        unit: &Unit,
        suspects: &[Suspect],
    ) -> Result<HashMap<Suspect, Document>, SideError> {
        let ids: Vec<&str> = suspects.iter().map(|suspect| suspect.id.as_str()).collect();
        let found = cluster.find_ids(&unit.name, &ids).await;
        let found = found.map_err(|error| SideError(side, error))?;
        let named = |document: Document| {
            (Suspect { id: document.id.clone(), routing: document.routing.clone() }, document)
        };
        Ok(found.into_iter().map(named).collect())
    }
}
