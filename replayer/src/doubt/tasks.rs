//! Tasks of the source that go on after its answer: documents that they are still to change can't be walked yet.

use std::collections::BTreeMap;

use cluster::ClusterError;
use converge::{DoubtKind, Task};

use super::{Later, Waiting, reading::Reading};

/// In nanoseconds.
const MILLISECOND: u64 = 1_000_000;

impl Reading<'_> {
    /// Finds out which of the tasks that a batch waits for aren't over.
    pub(super) async fn look_at_tasks(&mut self, batch: &[Waiting]) -> Result<(), ClusterError> {
        let after = batch.iter().filter_map(|waiting| match &waiting.doubt.kind {
            DoubtKind::WalkAfter { task, .. } => Some((task, waiting.answered)),
            _ => None,
        });
        let mut tasks = BTreeMap::<&Task, u64>::new();
        for (task, answered) in after {
            let latest = tasks.entry(task).or_default();
            *latest = answered.max(*latest);
        }
        let skew = u64::try_from(self.context.settings.clock_skew.as_millis()).unwrap_or(u64::MAX);
        for (task, latest) in tasks {
            let runs = match task {
                Task::Named(id) => self.source.cluster.is_task_running(id).await,
                Task::Unnamed => {
                    let until = (latest / MILLISECOND).saturating_add(skew);
                    self.source.cluster.runs_by_query(until).await
                }
            };
            match runs {
                Ok(true) => drop(self.not_over.insert(task.clone(), Later::Running)),
                Ok(false) => {}
                // A node doesn't say.
                Err(error @ ClusterError::Unavailable { .. }) => {
                    self.not_over.insert(task.clone(), Later::Unavailable(error.to_string()));
                }
                Err(error) if error.is_transient() => return Err(error),
                // Not allowed to see tasks.
                Err(error) => drop(self.untold.insert(task.clone(), error.to_string())),
            }
        }
        Ok(())
    }
}
