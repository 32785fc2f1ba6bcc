//! One unit of work: its documents from the snapshot to the target, each accounted for.
//!
//! ```text
//! segment ─ chunk ─▶ batch ─▶ send (several at once) ─▶ settle, in order: failed documents, then the checkpoint
//! ```
//! Batches are settled in the order in which they were read, so that everything before a checkpoint is accounted
//! for. What a worker that dies has read again is what was under way: at most a batch a connection.

mod batches;
mod repair;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use telemetry::Shutdown;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    accounts::Accounts,
    context::{Context, RunError},
    coordinator::{Lease, LeaseError, Lost},
    failed::{FailedWriter, Origin},
    segment::Segment,
    send::{Outcome, Place, SendError},
    shard::{ReadError, Shard},
    target::IndexPlan,
    work::Position,
};

use batches::{Batches, Filled};

/// Failed documents are kept in files of this size, before compression.
const FAILED_PART: usize = 8 << 20;

/// How long a unit may go on when the program is asked to stop: for the answers that are on their way.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// How a unit ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Complete,
    /// It can't be done, and says so in the run.
    Refused,
    /// Given back, because the program is to stop.
    Released,
    Lost(Lost),
}

/// What stops a transfer.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error(transparent)]
    Lease(LeaseError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Run(#[from] RunError),
    /// Segments that can't be read, or not to their end.
    #[error("{0}")]
    Damaged(String),
    #[error("asked to stop")]
    Draining,
}

impl From<LeaseError> for Stopped {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Lost(lost) => Self::Lost(lost),
            other => Self::Lease(other),
        }
    }
}

/// Does what a lease is for.
///
/// # Errors
/// What concerns the whole run: the target can't be written to, the repository can't be reached.
pub(crate) async fn transfer(context: &Arc<Context>, lease: Lease) -> Result<Ended, RunError> {
    let lost = lease.lost();
    let mut transfer = Transfer {
        failed: context.failed.writer(
            context.settings.run.as_str(),
            &lease.unit().id,
            &context.settings.lease.holder.to_string(),
            FAILED_PART,
        ),
        context,
        lease: &lease,
        under_way: VecDeque::new(),
    };
    let done = tokio::select! {
        biased;
        () = lost.cancelled() => Err(Stopped::Lost(lost_reason(&lease))),
        () = overdue(&context.shutdown) => Err(Stopped::Draining),
        done = transfer.run() => done,
    };
    drop(transfer);
    match done {
        Ok(()) => match lease.complete(&Accounts::default()).await {
            Ok(()) => Ok(Ended::Complete),
            Err(LeaseError::Lost(lost)) => Ok(Ended::Lost(lost)),
            Err(error @ LeaseError::Unread { .. }) => {
                tracing::error!(%error, "documents are missing in a unit");
                Ok(Ended::Refused)
            }
            Err(error) => Err(error.into()),
        },
        Err(Stopped::Lost(lost)) => Ok(Ended::Lost(lost)),
        Err(Stopped::Draining) => Ok(match lease.release().await {
            Ok(()) => Ended::Released,
            Err(lost) => Ended::Lost(lost),
        }),
        Err(Stopped::Damaged(error)) => {
            tracing::error!(unit = lease.unit().id, error, "a unit can't be read");
            Ok(match lease.refuse(&error).await {
                Ok(()) => Ended::Refused,
                Err(lost) => Ended::Lost(lost),
            })
        }
        Err(stopped) => {
            let error = match stopped {
                Stopped::Read(error) => error.into(),
                Stopped::Run(error) => error,
                Stopped::Lease(error) => error.into(),
                Stopped::Lost(_) | Stopped::Draining | Stopped::Damaged(_) => {
                    return Ok(Ended::Released);
                }
            };
            // Others may do better, and needn't wait for the end of the lease.
            let _ = lease.release().await;
            Err(error)
        }
    }
}

/// When a program that was asked to stop waits no longer, for a target that is away or a repository that stalls.
pub(crate) async fn overdue(shutdown: &Shutdown) {
    shutdown.draining().await;
    tokio::select! {
        () = shutdown.stopping() => {}
        () = tokio::time::sleep(LAST_ANSWERS) => {}
    }
}

fn lost_reason(lease: &Lease) -> Lost {
    lease.reason().unwrap_or_else(|| Lost::Gone { unit: lease.unit().id.clone() })
}

struct Transfer<'t> {
    context: &'t Arc<Context>,
    lease: &'t Lease,
    failed: FailedWriter,
    under_way: VecDeque<UnderWay>,
}

/// A batch that is being sent, and what was read since the batch before.
struct UnderWay {
    /// Where to go on when it is settled.
    position: Option<Position>,
    sending: AbortOnDropHandle<Result<(Filled, Outcome), SendError>>,
    _memory: Option<OwnedSemaphorePermit>,
}

impl Transfer<'_> {
    /// Everything from the lease's position on.
    async fn run(&mut self) -> Result<(), Stopped> {
        let (unit, settings) = (self.lease.unit(), &self.context.settings);
        let plan = self.context.targets.of(&unit.index).map_err(RunError::from)?;
        let shard = match self.context.shard(&unit.index, unit.shard).await {
            Err(RunError::Read(error)) if error.is_damage() => {
                return Err(Stopped::Damaged(error.to_string()));
            }
            opened => opened?,
        };
        let mut from = self.lease.position();
        let first = from.map_or(unit.segments.start, |from| from.segment);
        let mut batches = Batches::new(plan, &self.context.targets, settings);
        let mut damaged = Vec::new();
        for ordinal in first..unit.segments.end {
            let at = from.take().filter(|from| from.segment == ordinal);
            match self.segment(&shard, ordinal, at, &mut batches).await {
                // What the others have is not to be missing as well.
                Err(Stopped::Read(error)) if error.is_damage() => {
                    damaged.push(error.to_string());
                }
                other => other?,
            }
        }
        let rest = batches.take();
        if rest.position.is_some() {
            self.send(rest, plan, &shard).await?;
        }
        self.settle_all(&shard).await?;
        match damaged.is_empty() {
            true => Ok(()),
            false => Err(Stopped::Damaged(damaged.join("; "))),
        }
    }

    async fn settle_all(&mut self, shard: &Shard) -> Result<(), Stopped> {
        while let Some(next) = self.under_way.pop_front() {
            self.settle(next, shard).await?;
        }
        Ok(())
    }

    async fn segment(
        &mut self,
        shard: &Shard,
        ordinal: u32,
        from: Option<Position>,
        batches: &mut Batches<'_>,
    ) -> Result<(), Stopped> {
        let plan = self.context.targets.of(shard.index()).map_err(RunError::from)?;
        let mut segment = Segment::open(shard, ordinal, from).await?;
        while segment.advance(shard).await? {
            segment.each(|position, entry| batches.add(position, entry));
            batches.apply_rules().await.map_err(RunError::from)?;
            if batches.is_full(self.context.sender.batch_bytes()) {
                self.send(batches.take(), plan, shard).await?;
            }
            while self.under_way.front().is_some_and(|first| first.sending.is_finished())
                || self.under_way.len() > self.context.sender.connections() as usize
            {
                let Some(first) = self.under_way.pop_front() else { break };
                self.settle(first, shard).await?;
            }
            if self.context.shutdown.is_draining() {
                self.settle_all(shard).await?;
                return Err(Stopped::Draining);
            }
        }
        Ok(())
    }

    async fn send(
        &mut self,
        filled: Filled,
        plan: &IndexPlan,
        shard: &Shard,
    ) -> Result<(), Stopped> {
        let bytes = filled.batch.bytes();
        let memory = loop {
            if let Some(memory) = self.context.memory_now(bytes) {
                break Some(memory);
            }
            let Some(first) = self.under_way.pop_front() else {
                break self.context.memory(bytes).await;
            };
            self.settle(first, shard).await?;
        };
        let sender = self.context.sender.clone();
        let limits = self.context.settings.read.source.clone();
        let superseded = plan.is_superseded();
        let position = filled.position;
        let sending = tokio::spawn(async move {
            let mut filled = filled;
            let outcome = match superseded || filled.batch.is_empty() {
                // The target's index is the image of another one: nothing is written into it.
                true => Outcome { superseded: filled.batch.len() as u64, ..Outcome::default() },
                false => {
                    repair::send(&sender, &filled.batch, &limits, &mut filled.accounts).await?
                }
            };
            Ok((filled, outcome))
        });
        let sending = AbortOnDropHandle::new(sending);
        self.under_way.push_back(UnderWay { position, sending, _memory: memory });
        Ok(())
    }

    /// Waits for a batch, keeps what failed of it, then writes the checkpoint that counts it.
    async fn settle(&mut self, under_way: UnderWay, shard: &Shard) -> Result<(), Stopped> {
        let UnderWay { position, sending, _memory } = under_way;
        let (filled, outcome) = match sending.await {
            Ok(sent) => sent.map_err(RunError::from)?,
            Err(error) => return Err(RunError::Task(error.to_string()).into()),
        };
        let Filled { batch, mut accounts, unread, .. } = filled;
        accounts.written += outcome.written;
        accounts.superseded += outcome.superseded;
        let now = jiff::Timestamp::now();
        for failed in &outcome.failed {
            accounts.fail(failed.class.name(), 1);
            let place = batch.items()[failed.position].place;
            let origin = origin(shard, place)?;
            self.failed.refused(origin, &batch, failed, now).await.map_err(RunError::from)?;
        }
        for unread in &unread {
            let origin = origin(shard, unread.place)?;
            let (id, why) = (unread.id.as_deref(), unread.why.as_str());
            let kept = match unread.is_ruled_out {
                true => self.failed.ruled_out(origin, id, why, now).await,
                false => self.failed.unreadable(origin, id, why, now).await,
            };
            kept.map_err(RunError::from)?;
        }
        self.failed.flush().await.map_err(RunError::from)?;
        self.context.progress.add(&accounts);
        if let Some(position) = position {
            self.lease.checkpoint(position, &accounts)?;
        }
        Ok(())
    }
}

/// Where a failed document came from.
fn origin(shard: &Shard, place: Place) -> Result<Origin<'_>, ReadError> {
    Ok(Origin {
        index: shard.index(),
        shard: shard.number(),
        segment: &shard.segment(place.segment)?.name,
        document: place.document,
    })
}
