//! What exchanges mean, by what is known when they are read, and again when their turn comes.

use converge::{Meaning, interpret};

use super::{Conductor, Pending};
use crate::exchange::What;

impl Conductor {
    pub(super) async fn interpret(&mut self, exchange: &converge::Exchange) -> Meaning {
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
        pending.job.meaning = What::Converge(interpret(&pending.job.exchange, &facts));
    }
}
