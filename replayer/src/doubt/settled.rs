//! Which doubts a reading has resolved.

use std::collections::HashMap;

use converge::{Doubt, DoubtKind, Task};

use super::{Later, Resolved, Waiting, reading::Reading};

impl Reading<'_> {
    /// Tells which doubts are resolved.
    pub(super) fn settle(self, batch: Vec<Waiting>) -> Resolved {
        let mut resolved = Resolved::default();
        for waiting in batch {
            if let Some(later) = self.later(&waiting.doubt) {
                resolved.later.push((waiting, later));
                continue;
            }
            match self.failure(&waiting.doubt) {
                None => resolved.done.push(waiting),
                Some(why) => resolved.left.push((waiting, why)),
            }
        }
        resolved
    }

    fn later(&self, doubt: &Doubt) -> Option<Later> {
        let of_task = task_of(doubt).and_then(|task| self.not_over.get(task)).cloned();
        of_task.or_else(|| self.hit(&self.unavailable, doubt).map(Later::Unavailable))
    }

    fn failure(&self, doubt: &Doubt) -> Option<String> {
        let of_task = task_of(doubt).and_then(|task| self.untold.get(task)).cloned();
        of_task.or_else(|| self.hit(&self.failures, doubt))
    }

    /// What is said of a doubt in `failures`.
    fn hit(&self, failures: &HashMap<String, String>, doubt: &Doubt) -> Option<String> {
        if failures.is_empty() {
            return None;
        }
        match &doubt.kind {
            DoubtKind::ById(address) | DoubtKind::ByIdAnywhere(address) => {
                // Behind an alias the failure is under the concrete name.
                let end = format!("/{}", address.id);
                let one = failures.iter().find(|(key, _)| key.ends_with(&end));
                let one = one.map(|(_, why)| why);
                one.or_else(|| failures.get(&*address.index)).cloned()
            }
            DoubtKind::Sweep { index }
            | DoubtKind::Walk { index }
            | DoubtKind::WalkAfter { index, .. } => self.hit_in(failures, index),
            DoubtKind::Definition { scope, .. } => self.hit_in(failures, &format!("{scope:?}")),
            DoubtKind::Named { path } => failures.get(&path.join("/")).cloned(),
        }
    }

    /// The first failure of a name or scope, of an index behind it, or of a document in one of those.
    fn hit_in(&self, failures: &HashMap<String, String>, name: &str) -> Option<String> {
        let behind = self.behind.get(name).map(Vec::as_slice).unwrap_or_default();
        let hit = |key: &str| {
            let index = key.split('/').next().unwrap_or(key);
            key == name || behind.iter().any(|behind| behind == index)
        };
        failures.iter().find(|(key, _)| hit(key)).map(|(_, why)| why.clone())
    }
}

fn task_of(doubt: &Doubt) -> Option<&Task> {
    match &doubt.kind {
        DoubtKind::WalkAfter { task, .. } => Some(task),
        _ => None,
    }
}
