//! What the journal tells becomes exchanges that wait for their turn.

use std::sync::Arc;

use converge::order::Closed;
use journal::StartFrom;
use tokio::time::Instant;

use super::{Conductor, Freed, Pending, touches};
use crate::{
    captured::Captured,
    connections::Gap,
    exchange::{Job, What},
    losses::Reason,
    metrics::Metrics,
    settings::Mutations,
    stream::Event,
};

impl Conductor {
    /// `late`: they come from a record that wasn't waited for.
    pub(super) async fn enter(&mut self, events: Vec<Event>, late: bool) {
        let taken = self.connections.seen.bytes
            - std::mem::replace(&mut self.taken, self.connections.seen.bytes);
        self.held = self.held.saturating_add(usize::try_from(taken).unwrap_or(usize::MAX));
        let duplicates = std::mem::take(&mut self.connections.seen.duplicates);
        if duplicates > 0 {
            self.context.metrics.duplicates.inc_by(duplicates);
        }
        for event in events {
            match event {
                Event::Began { key, at } => self.order.open(key, at, None),
                Event::Deletes { key, name, began, scope } => {
                    self.open_deletion(key, name, began, scope);
                }
                Event::Closed(mut captured) => {
                    captured.late = late;
                    self.enter_exchange(captured).await;
                }
                Event::Cancelled { key, claims, weight } => {
                    Metrics::count(&self.context.metrics.nothing, "no whole head");
                    self.finish(key);
                    self.context.offsets.release(claims);
                    self.held = self.held.saturating_sub(weight);
                }
                Event::Opaque { connection, reason, at, place } => {
                    self.context.metrics.opaque.with_label_values(&[reason.as_str()]).inc();
                    let what = format!("connection {connection} became opaque: {reason}");
                    self.lose(Reason::Opaque, place, at, what);
                }
                Event::Gap { gap, at, place } => {
                    self.context.metrics.gaps.inc();
                    let Gap { connection, first, last } = gap;
                    let what =
                        format!("records {first} to {last} of connection {connection} are missing");
                    self.lose(Reason::Gap, place, at, what);
                }
            }
        }
    }

    async fn enter_exchange(&mut self, mut captured: Box<Captured>) {
        let settings = &self.context.settings;
        let later = settings.until.is_some_and(|until| captured.ended > until);
        let earlier = matches!(settings.from, StartFrom::Time(from) if captured.ended < from);
        if later || earlier {
            self.finish(captured.key);
            self.held = self.held.saturating_sub(captured.weight);
            if earlier {
                // A journal of files begins with a whole segment.
                Metrics::count(&self.context.metrics.nothing, "before --from");
                self.context.offsets.release(captured.claims);
            }
            // The claims of what is later are kept: a later run replays it.
            return;
        }
        let exchange = captured.exchange(settings.mutations, settings.body_limit);
        let what = match settings.mutations {
            Mutations::Mirror => What::Mirror,
            Mutations::Converge => {
                let meaning = self.interpret(&exchange).await;
                What::Converge(self.doubted(&captured, &exchange, meaning))
            }
        };
        let (scope, role) = touches(&what);
        let closed = Closed { began: captured.began, answered: captured.ended, scope, role };
        let (mut key, connection) = (captured.key, Arc::clone(&captured.connection));
        let freed = self.close(captured.id(), &exchange, &mut key, closed);
        captured.key = key;
        let is_free = freed.is_some();
        let ready = freed.map(|ready| Freed::now(ready, self.swept.is_none()));
        let generation = self.knowledge.generation();
        let entered = Instant::now();
        let job = Job { captured, exchange, meaning: what, overlaps_deletion: false, held: None };
        let pending = Pending { job: Box::new(job), ready, generation, entered };
        self.jobs.insert(key, pending);
        self.lines.entry(Arc::clone(&connection)).or_default().waiting.push_back(key);
        if is_free {
            self.start_next(&connection);
        }
    }
}
