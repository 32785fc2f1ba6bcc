//! Which doubts a reading has resolved.

use converge::{Doubt, DoubtKind};

use super::{Resolved, Waiting, reading::Reading};

impl Reading<'_> {
    /// Tells which doubts are resolved.
    pub(super) fn settle(self, batch: Vec<Waiting>) -> Resolved {
        let mut resolved = Resolved::default();
        for waiting in batch {
            match self.failure(&waiting.doubt) {
                None => resolved.done.push(waiting),
                Some(why) => resolved.left.push((waiting, why)),
            }
        }
        resolved
    }

    fn failure(&self, doubt: &Doubt) -> Option<String> {
        if self.failures.is_empty() {
            return None;
        }
        match &doubt.kind {
            DoubtKind::ById(address) | DoubtKind::ByIdAnywhere(address) => {
                // Behind an alias the failure is under the concrete name.
                let end = format!("/{}", address.id);
                let one = self.failures.iter().find(|(key, _)| key.ends_with(&end));
                let one = one.map(|(_, why)| why);
                one.or_else(|| self.failures.get(&*address.index)).cloned()
            }
            DoubtKind::Sweep { index } | DoubtKind::Walk { index } => self.failure_in(index),
            DoubtKind::Definition { scope, .. } => self.failure_in(&format!("{scope:?}")),
            DoubtKind::Named { path } => self.failures.get(&path.join("/")).cloned(),
        }
    }

    /// The first failure of a name or scope, of an index behind it, or of a document in one of those.
    fn failure_in(&self, name: &str) -> Option<String> {
        let behind = self.behind.get(name).map(Vec::as_slice).unwrap_or_default();
        let hit = |key: &str| {
            let index = key.split('/').next().unwrap_or(key);
            key == name || behind.iter().any(|behind| behind == index)
        };
        self.failures.iter().find(|(key, _)| hit(key)).map(|(_, why)| why.clone())
    }
}
