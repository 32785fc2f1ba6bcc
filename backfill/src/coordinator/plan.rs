//! Beginning a run, by as many workers at once as there are.
//!
//! The run's document is created first, with the plan's digest and `planned: false`; then the units, each
//! created and never overwritten; then `planned: true`. Whoever finds a plan that isn't complete completes it,
//! which needs the same plan: the digest says so.

use std::collections::HashSet;

use tokio::time::Instant;

use super::{
    Coordinator, CoordinatorError, Difference, Planned, RunSettings, RunStatus,
    documents::{RUN, RunDocument, UnitDocument, Version},
};
use crate::{
    sweep::Sweep,
    work::{Unit, fnv},
};

/// Units of one bulk request: about half a megabyte.
const BATCH: usize = 1000;

impl Coordinator {
    /// The plan of the run if somebody has completed one already; `None`: plan, and call [`Coordinator::plan`].
    ///
    /// # Errors
    /// When the run was begun with other settings.
    pub async fn join(&self, settings: &RunSettings) -> Result<Option<Planned>, CoordinatorError> {
        let store = &self.inner.store;
        let Some((run, _)) = store.get::<RunDocument>(RUN).await? else { return Ok(None) };
        store.ensure_index().await?;
        self.compare(settings, &run, None)?;
        Ok(run.planned.then_some(run.plan))
    }

    /// Makes `units` the run's, unless they are already. Safe to call by many workers at once, and again after
    /// one died at it.
    ///
    /// # Errors
    /// When the run was begun with other settings or has other units.
    pub async fn plan(
        &self,
        settings: &RunSettings,
        units: &[Unit],
    ) -> Result<Planned, CoordinatorError> {
        let store = &self.inner.store;
        let ours = RunDocument {
            settings: settings.clone(),
            plan: summarize(units)?,
            planned: false,
            by: self.inner.settings.holder.clone(),
            since: (self.inner.settings.clock)(),
            sweep: None,
        };
        store.ensure_index().await?;
        let body = serde_json::to_vec(&ours).map_err(|e| store.damaged(RUN, e))?;
        store.create(RUN, body).await?;
        let (run, _) = self.read_run().await?;
        self.compare(settings, &run, Some(&ours.plan))?;
        if run.planned {
            return Ok(run.plan);
        }
        for batch in units.chunks(BATCH) {
            self.create_units(batch).await?;
        }
        self.change_run(|run| std::mem::replace(&mut run.planned, true)).await
    }

    /// Says what a sweep of deletes came to that was begun after `status`; gives what is true now, `None` when
    /// documents were written meanwhile.
    pub async fn set_sweep(
        &self,
        status: &RunStatus,
        sweep: Sweep,
    ) -> Result<Option<Sweep>, CoordinatorError> {
        let store = &self.inner.store;
        let (run, _) = self.read_run().await?;
        let swept = RunDocument { sweep: Some(sweep), ..run };
        let body = serde_json::to_vec(&swept).map_err(|e| store.damaged(RUN, e))?;
        let until = Instant::now() + store.cluster().patience().give_up_after;
        match store.replace_if(RUN, status.version, body, until).await? {
            Some(_) => Ok(Some(sweep)),
            // Or another worker has said so, or we have and the answer was lost.
            None => Ok(self.read_run().await?.0.sweep),
        }
    }

    /// Says that the deletes have to be swept (again), since documents are written after the last. To be said before
    /// and after: it ends every sweep that was begun before.
    pub async fn unsweep(&self) -> Result<(), CoordinatorError> {
        let change = |run: &mut RunDocument| {
            run.sweep = None;
            false
        };
        self.change_run(change).await.map(drop)
    }

    /// Changes the run's document by compare-and-set; `change` says `true` when it is as wanted already, by another
    /// worker or by us with a lost answer.
    async fn change_run(
        &self,
        change: impl Fn(&mut RunDocument) -> bool,
    ) -> Result<Planned, CoordinatorError> {
        let store = &self.inner.store;
        let patience = store.cluster().patience().give_up_after;
        loop {
            let (mut run, version) = self.read_run().await?;
            if change(&mut run) {
                return Ok(run.plan);
            }
            let body = serde_json::to_vec(&run).map_err(|e| store.damaged(RUN, e))?;
            let until = Instant::now() + patience;
            if store.replace_if(RUN, version, body, until).await?.is_some() {
                return Ok(run.plan);
            }
        }
    }

    pub(super) async fn read_run(&self) -> Result<(RunDocument, Version), CoordinatorError> {
        let store = &self.inner.store;
        let run = store.get::<RunDocument>(RUN).await?;
        run.ok_or_else(|| CoordinatorError::NoRun { index: store.index().to_owned() })
    }

    fn compare(
        &self,
        settings: &RunSettings,
        run: &RunDocument,
        plan: Option<&Planned>,
    ) -> Result<(), CoordinatorError> {
        let mut differences = settings.differences(&run.settings);
        let shown = |plan: &Planned| {
            let Planned { units, bytes, documents, digest } = plan;
            format!("{units} units of {bytes} bytes and {documents} documents ({digest})")
        };
        if let Some(plan) = plan.filter(|plan| **plan != run.plan) {
            differences.push(Difference {
                setting: "plan".into(),
                here: shown(plan),
                in_the_run: shown(&run.plan),
            });
        }
        match differences.is_empty() {
            true => Ok(()),
            false => {
                let run = self.inner.run.to_string();
                Err(CoordinatorError::DifferentRun { run, differences })
            }
        }
    }

    async fn create_units(&self, units: &[Unit]) -> Result<(), CoordinatorError> {
        let store = &self.inner.store;
        let mut lines = Vec::new();
        for unit in units {
            let action = serde_json::json!({"create": {"_id": unit.id}});
            lines.extend_from_slice(action.to_string().as_bytes());
            lines.push(b'\n');
            let document = UnitDocument::waiting(unit.clone());
            serde_json::to_writer(&mut lines, &document).map_err(|e| store.damaged(&unit.id, e))?;
            lines.push(b'\n');
        }
        let (path, lines) = (format!("/{}/_bulk", store.index()), bytes::Bytes::from(lines));
        let retry = store.cluster().patience();
        let until = Instant::now() + retry.give_up_after;
        for attempt in 0_u32.. {
            let (_, reply) = store.cluster().bulk(&path, lines.clone(), retry).await?;
            // 409: another planner created it, or we did and the answer was lost.
            let failed = reply
                .items
                .iter()
                .zip(units)
                .find(|(item, _)| !item.is_success() && !item.is_version_conflict());
            let missing = units.get(reply.items.len());
            let (unit, reason, may_pass) = match (failed, missing) {
                (None, None) => break,
                (None, Some(unit)) => (unit, "the answer doesn't speak of it".into(), false),
                (Some((item, unit)), _) => {
                    let kind = item.error.clone().unwrap_or_default();
                    let reason = item.reason.clone().unwrap_or_default();
                    (unit, format!("{} {kind}: {reason}", item.status), item.is_transient())
                }
            };
            let wait = retry.wait(attempt);
            if !may_pass || Instant::now() + wait > until {
                let (index, id) = (store.index().to_owned(), unit.id.clone());
                return Err(CoordinatorError::UnitNotWritten { index, id, reason });
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }
}

/// What units come to, whatever their order.
fn summarize(units: &[Unit]) -> Result<Planned, CoordinatorError> {
    let mut ids = HashSet::with_capacity(units.len());
    let mut planned =
        Planned { units: units.len() as u64, bytes: 0, documents: 0, digest: String::new() };
    let mut digest = 0_u64;
    for unit in units {
        if !ids.insert(&unit.id) {
            return Err(CoordinatorError::DuplicateUnit { id: unit.id.clone() });
        }
        planned.bytes = planned.bytes.saturating_add(unit.bytes);
        planned.documents = planned.documents.saturating_add(unit.documents);
        let written = serde_json::to_vec(unit).unwrap_or_default();
        digest = digest.wrapping_add(fnv(&written));
    }
    planned.digest = format!("{digest:016x}");
    Ok(planned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(first: u32) -> Unit {
        let run = "r".parse().unwrap();
        Unit {
            id: Unit::id_of(&run, "i", "u", 0, first),
            index: "i".into(),
            target_index: "i".into(),
            uuid: "u".into(),
            shard: 0,
            segments: first..first + 1,
            bytes: 100,
            documents: 10,
        }
    }

    #[test]
    fn a_plan_is_its_units_in_any_order() {
        let plan = summarize(&[unit(0), unit(1)]).unwrap();
        assert_eq!((plan.units, plan.bytes, plan.documents), (2, 200, 20));
        assert_eq!(summarize(&[unit(1), unit(0)]).unwrap(), plan);
        let longer = Unit { segments: 1..3, ..unit(1) };
        assert_ne!(summarize(&[unit(0), longer]).unwrap().digest, plan.digest);
        let twice = summarize(&[unit(0), unit(0)]);
        assert!(matches!(twice, Err(CoordinatorError::DuplicateUnit { .. })));
    }
}
