//! What exchanges mean, by what is known when they are read, and again when their turn comes.

use converge::{DoubtReason, Exchange, Meaning, interpret};

use super::{Conductor, Pending};
use crate::{
    captured::Captured,
    exchange::{Job, What},
};

impl Conductor {
    pub(super) async fn interpret(&mut self, exchange: &Exchange) -> Meaning {
        let source = self.context.source.as_deref();
        if source.is_none() {
            self.knowledge.notice(exchange);
        }
        let meaning = interpret(exchange, &self.knowledge.facts(source));
        if let Meaning::Control(control) = &meaning {
            self.knowledge.learn(exchange, control, source);
        }
        if let Meaning::Write(write) = &meaning
            && self.knowledge.meet(&write.scope(), source).await
        {
            return interpret(exchange, &self.knowledge.facts(source));
        }
        meaning
    }

    /// What a write means now that its turn has come: by what was answered before it, which may have been read
    /// after it, from another partition.
    pub(super) fn reconsider(&mut self, pending: &mut Pending) {
        let What::Converge(Meaning::Write(write)) = &pending.job.meaning else { return };
        if pending.generation == self.knowledge.generation() {
            return;
        }
        self.knowledge.match_patterns(&write.scope());
        let facts = self.knowledge.facts(self.context.source.as_deref());
        let Job { captured, exchange, .. } = &*pending.job;
        let meaning = self.doubted(captured, exchange, interpret(exchange, &facts));
        pending.job.meaning = What::Converge(meaning);
    }

    /// What comes late is doubt. A document that was deleted since, by a request that another proxy captured, would come
    /// back, for the target may have forgotten the delete. Where nobody can be asked it is taken as it is.
    pub(super) fn doubted(
        &self,
        captured: &Captured,
        exchange: &Exchange,
        meaning: Meaning,
    ) -> Meaning {
        match captured.late && self.context.source.is_some() {
            true => meaning.into_doubt(exchange, DoubtReason::Late),
            false => meaning,
        }
    }
}
