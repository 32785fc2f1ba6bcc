//! Doubts: gathered until they may be read from the source, then read together.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use converge::{
    Doubt, DoubtKind, DoubtReason, Scope,
    order::{ExchangeKey, Role},
};
use tokio::time::Instant;

use super::{Conductor, Report};
use crate::{
    context::RunError,
    doubt::{self, Later, Resolved, Unanswered, Waiting},
    indices,
    metrics::Metrics,
    offsets::Claims,
    recorder::Receipt,
    source::Source,
    stream::GRACE,
};

/// After this a doubt is tried again that couldn't be resolved.
const AGAIN: Duration = Duration::from_secs(5);

/// Doubts that are resolved together, at most.
const DOUBT_BATCH: usize = 20_000;

impl Conductor {
    pub(super) fn is_reading_idle(&self) -> bool {
        self.reading.is_none() && self.swept.is_some()
    }

    /// Gathers the doubts that may be read from the source now into one reading.
    pub(super) fn start_reading(&mut self) {
        if !self.is_reading_idle() || self.context.shutdown.is_draining() {
            return;
        }
        let mut batch = Vec::new();
        while let Some(answered) = self.doubts.first() {
            let ready = self.doubt_ready(answered) && has_passed(answered, self.at_end);
            if batch.len() >= DOUBT_BATCH || !ready {
                break;
            }
            batch.append(&mut self.doubts.take_first());
        }
        if batch.is_empty() {
            return;
        }
        self.next_key += 1;
        let key = ExchangeKey(self.next_key);
        let (scope, role) = read_scope(&batch, self.context.source.as_deref());
        self.reading = Some((key, batch));
        self.order.add_reading(key, scope, role);
    }

    pub(super) fn run_reading(&mut self) {
        let Some((key, batch)) = self.reading.take() else { return };
        let mut swept = self.swept.take().unwrap_or_default();
        let (context, reports) = (Arc::clone(&self.context), self.reports.0.clone());
        tokio::spawn(async move {
            let began = Instant::now();
            let resolved = doubt::resolve(&context, batch, &mut swept).await;
            let _ = reports.send(Report::Read { key, began, resolved, swept });
        });
    }

    /// How a reading ended that had begun at `began`.
    pub(super) fn take_resolved(
        &mut self,
        began: Instant,
        resolved: Result<Resolved, Unanswered>,
    ) -> Result<(), RunError> {
        let mut resolved = match resolved {
            Ok(resolved) => {
                self.doubts.unanswered = None;
                resolved
            }
            Err(Unanswered { batch, error }) => {
                let since = *self.doubts.unanswered.get_or_insert(began);
                if !error.is_transient() || self.is_out_of_patience(since) {
                    return Err(error.into());
                }
                tracing::warn!(%error, doubts = batch.len(), "doubts are put off: a cluster doesn't answer");
                for waiting in batch {
                    if self.held_back.stays(&waiting) {
                        self.put_off(waiting, began);
                    }
                }
                return Ok(());
            }
        };
        // Their partitions may have gone meanwhile.
        resolved.left.retain(|(waiting, _)| self.held_back.stays(waiting));
        resolved.later.retain(|(waiting, _)| self.held_back.stays(waiting));
        for waiting in resolved.done {
            self.held_back.closed(waiting.of);
            self.held_back.done(waiting.answered, waiting.receipt);
        }
        for (waiting, why) in resolved.left {
            self.leave(&waiting, &why);
        }
        for (mut waiting, later) in resolved.later {
            match later {
                // It takes as long as it takes.
                Later::Running => {
                    waiting.since = None;
                    self.put_off(waiting, Instant::now());
                }
                Later::Unavailable(why) => {
                    match self.is_out_of_patience(waiting.since.unwrap_or(began)) {
                        true => self.leave(&waiting, &why),
                        false => self.put_off(waiting, began),
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks at the source once more: at the end, what is gone there shall be gone on the target.
    pub(super) async fn look_at_source(&mut self) {
        let Some(source) = &self.context.source else { return };
        if let Err(error) = source.look().await {
            tracing::warn!(%error, "cannot look at the source's indices at the end");
        }
        self.doubt_what_is_gone();
    }

    /// An index that has gone from the source is in doubt: nobody may have asked for that through a proxy.
    pub(super) fn doubt_what_is_gone(&mut self) {
        for index in self.context.indices.gone() {
            self.next_key += 1;
            let answered = indices::now();
            let of = (answered, ExchangeKey(self.next_key));
            let reason = DoubtReason::Around;
            Metrics::count(&self.context.metrics.doubt, reason.as_str());
            self.held_back.open(of, 1);
            let scope = Scope::of_index(&index);
            let doubt = Doubt { kind: DoubtKind::Definition { scope, deletes: true }, reason };
            let receipt = Receipt::new(self.context.offsets.clone(), Claims::default(), 1);
            let about = format!("index {index} of the source");
            self.doubts.put(Waiting { doubt, about, of, answered, receipt, since: None });
        }
    }

    fn put_off(&mut self, mut waiting: Waiting, since: Instant) {
        let since = *waiting.since.get_or_insert(since);
        self.context.metrics.doubt_put_off.inc();
        // What an index doesn't answer for a while isn't to hold up the others each time.
        let wait = AGAIN.max(since.elapsed() / 2);
        self.later.push((Instant::now() + wait, waiting));
    }

    /// Whether a cluster has been asked in vain for longer than `--target-retry-for`.
    fn is_out_of_patience(&self, since: Instant) -> bool {
        since.elapsed() > self.context.sender.target.patience().give_up_after
    }

    /// What was put off and is to be tried again now. Called each second.
    pub(super) fn take_up_again(&mut self) {
        let now = Instant::now();
        for (_, waiting) in self.later.extract_if(.., |(due, _)| *due <= now) {
            self.doubts.put(waiting);
        }
    }

    pub(super) fn leave(&mut self, waiting: &Waiting, why: &str) {
        self.context.metrics.doubt_left.inc();
        self.held_back.closed(waiting.of);
        self.held_back.failed(waiting.of, waiting.receipt.first());
        let what = match &waiting.doubt.kind {
            DoubtKind::ById(address) | DoubtKind::ByIdAnywhere(address) => {
                format!("{}/{}", address.index, address.id)
            }
            DoubtKind::Sweep { index } => format!("sweep of {index}"),
            DoubtKind::Walk { index } | DoubtKind::WalkAfter { index, .. } => {
                format!("walk of {index}")
            }
            DoubtKind::Definition { scope, .. } => format!("definition of {scope:?}"),
            DoubtKind::Named { path } => path.join("/"),
        };
        let reason = waiting.doubt.reason.as_str();
        self.note(format!("{} in doubt ({reason}): {what}: {why}", waiting.about));
    }
}

/// Whether the source has surely finished with what it was asked by this time, by our own clock. Only behind the
/// journal's end can it be another than the low-water mark says: a request whose answer isn't there may still be
/// executed. Clocks that differ don't hold us up for longer than that takes.
fn has_passed(answered: u64, at_end: Option<Instant>) -> bool {
    let waited = at_end.is_none_or(|since| since.elapsed().as_nanos() >= u128::from(GRACE));
    waited || indices::now() >= answered
}

/// The indices that a batch of doubts is about, and how reading them conflicts with others. Behind an alias they
/// are all that it has ever led to: one of them may be about to be deleted.
fn read_scope(batch: &[Waiting], source: Option<&Source>) -> (Scope, Role) {
    let (mut names, mut role, mut all) = (BTreeSet::new(), Role::Reading, false);
    for waiting in batch {
        match &waiting.doubt.kind {
            DoubtKind::ById(address) | DoubtKind::ByIdAnywhere(address) => {
                names.insert(address.index.to_string());
            }
            DoubtKind::Sweep { index }
            | DoubtKind::Walk { index }
            | DoubtKind::WalkAfter { index, .. } => {
                names.insert(index.to_string());
            }
            // Templates and pipelines have to do with any index.
            DoubtKind::Named { .. } => all = true,
            DoubtKind::Definition { scope, deletes } => {
                if *deletes {
                    role = Role::Control;
                }
                match scope {
                    Scope::Indices(scope) => names.extend(scope.iter().cloned()),
                    Scope::All => all = true,
                }
            }
        }
    }
    if let Some(source) = source {
        let behind: Vec<Option<Vec<String>>> = names
            .iter()
            .filter(|name| !name.contains('*'))
            .map(|name| source.behind(name))
            .collect();
        // What isn't known may be an alias too.
        all |= behind.contains(&None);
        names.extend(behind.into_iter().flatten().flatten());
    }
    let scope = match all || names.contains("*") {
        true => Scope::All,
        false => Scope::Indices(names.into_iter().collect()),
    };
    (scope, role)
}
