//! `godwit verify`.

use jiff::Timestamp;
use settings::Exit;

use crate::clusters::Clusters;
use crate::console::Console;
use crate::problem::Problem;
use crate::state::VerifiedAt;
use crate::verify::{Verifier, VerifyReport};

/// Compares every document; with `repair`, writes what the source has where the target differs.
///
/// # Errors
/// When it is too early, or a cluster can't be read.
pub async fn verify(console: &Console, repair: bool) -> Result<Exit, Problem> {
    let clusters = console.clusters().await?;
    if console.state()?.metadata_migrated.is_none() {
        let why = "nothing has been moved yet";
        return Err(Problem::early("it is too early", why, "`godwit metadata migrate`"));
    }
    let report = verified(console, &clusters, repair).await?;
    console.output.show(&report);
    let next = match (report.equal, repair, report.differences) {
        (true, ..) => "`godwit cutover check`",
        (false, false, 1..) => {
            "`godwit replay status` and `godwit backfill status` say whether it is done; then `godwit verify --repair`"
        }
        (false, true, 1..) => {
            "see who else writes to the target, then `godwit verify --repair` again"
        }
        (false, _, 0) => {
            "see what isn't on both sides: `godwit metadata migrate` makes what is missing"
        }
    };
    eprintln!("next: {next}");
    Ok(console.exit(report.equal))
}

/// Compares, and remembers how it ended.
///
/// # Errors
/// When a cluster can't be read.
pub(crate) async fn verified(
    console: &Console,
    clusters: &Clusters,
    repair: bool,
) -> Result<VerifyReport, Problem> {
    let Clusters { source, target } = clusters.clone();
    let migration = &console.migration;
    let verifier = Verifier::new(source, target, migration.verify, repair);
    let report = verifier.run(|name| migration.moves(name), &console.shutdown).await?;
    let verified = VerifiedAt {
        at: Timestamp::now(),
        documents: report.documents,
        differences: report.differences,
        skipped: report.skipped() + report.absent.len() as u64,
    };
    console.change(|state| state.verified = Some(verified))?;
    Ok(report)
}
