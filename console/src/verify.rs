//! Every document of both sides, compared in bounded memory.
//!
//! ```text
//! both sides, scanned ─▶ a sum of fingerprints a partition of ids ─▶ equal: done
//!                                                   └─ differ ─▶ scanned again, these partitions only ─▶ ids
//! ids ─▶ read from both by id, again and again ─▶ equal: done        └─ after `settle`: differences ─▶ repair
//! ```
//!
//! Beside clients that write, both scans see different moments. So what differs is read by id until it doesn't, or
//! until the time to settle is over; a document that changes on both sides all the while is counted as changing.

mod partitions;
mod repair;
mod report;
mod settle;
mod units;

use cluster::{Cluster, ClusterError};
use compare::fingerprint::Fingerprint;
use futures::stream::{self, StreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use telemetry::Shutdown;

use crate::migration::VerifySettings;
use crate::problem::{Problem, Side};

pub use report::{Difference, Kind, UnitReport, VerifyReport};
pub use units::{Unit, Units};

/// What a comparison works with.
#[derive(Debug, Clone)]
pub struct Verifier {
    pub source: Cluster,
    pub target: Cluster,
    pub settings: VerifySettings,
    /// Write what the source has where the target differs.
    pub repair: bool,
    pub progress: ProgressBar,
}

/// A document that may differ.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Suspect {
    pub(crate) id: String,
    pub(crate) routing: Option<String>,
}

/// Bytes that one suspect takes, with room for its id.
const SUSPECT_BYTES: u64 = 256;

/// An error with the side it is of.
#[derive(Debug)]
pub(crate) struct SideError(pub(crate) Side, pub(crate) ClusterError);

impl Verifier {
    pub fn new(
        source: Cluster,
        target: Cluster,
        settings: VerifySettings,
        repair: bool,
    ) -> Verifier {
        let progress = ProgressBar::no_length().with_style(
            ProgressStyle::with_template("verify {pos} documents, {per_sec}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Verifier { source, target, settings, repair, progress }
    }

    /// Compares everything that `moves` names.
    ///
    /// # Errors
    /// When a cluster can't be asked, or this was asked to stop. What is wrong with one index is in the report.
    pub async fn run(
        &self,
        moves: impl Fn(&str) -> bool,
        shutdown: &Shutdown,
    ) -> Result<VerifyReport, Problem> {
        let units = Units::of(&self.source, &self.target, moves).await?;
        let mut report = VerifyReport { absent: units.absent(), ..VerifyReport::default() };
        let abreast = self.settings.abreast;
        let mut running =
            stream::iter(&units.both).map(|unit| self.unit(unit)).buffer_unordered(abreast);
        while let Some(done) = running.next().await {
            report.add(done?, self.settings.shown);
            if shutdown.is_draining() {
                break;
            }
        }
        self.progress.finish_and_clear();
        Ok(report.conclude())
    }

    /// One index or data stream.
    async fn unit(&self, unit: &Unit) -> Result<UnitReport, Problem> {
        let mut report = UnitReport::new(&unit.name);
        if let Some(why) = &unit.cannot {
            report.skipped = Some(why.clone());
            return Ok(report);
        }
        match self.compare(unit, &mut report).await {
            Ok(()) => {}
            Err(SideError(side, error)) if is_of_the_index(&error) => {
                report.skipped = Some(format!("the {}: {error}", side.as_str()));
            }
            Err(SideError(side, error)) => return Err(Problem::cluster(side, &error)),
        }
        Ok(report)
    }

    async fn compare(&self, unit: &Unit, report: &mut UnitReport) -> Result<(), SideError> {
        let partitions = self.sums(unit, report).await?;
        let most = self.settings.memory / SUSPECT_BYTES / self.settings.abreast.max(1) as u64;
        for group in partitions.groups(most.max(1_000)) {
            let suspects = self.suspects(unit, &group, &partitions).await?;
            self.judge(unit, suspects, report).await?;
        }
        Ok(())
    }
}

/// Closed, deleted meanwhile, or not to be read by this user: the others can be compared.
fn is_of_the_index(error: &ClusterError) -> bool {
    matches!(error.status(), Some(400 | 403 | 404))
}

/// A document's place, and what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printed {
    pub(crate) key: Fingerprint,
    pub(crate) document: Fingerprint,
}
