//! How long a rule has run, and how deep it is in the stack.

use std::{cell::Cell, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// Questions between two looks at the clock.
const LOOK: u32 = 64;

/// Set when a rule begins; asked by what it does.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// On [`cpu_time`].
    until: Cell<Duration>,
    asked: Cell<u32>,
    /// Address of a local variable where the rule began; 0: the stack isn't watched.
    base: Cell<usize>,
    stack: Cell<usize>,
    over: Cell<Option<Over>>,
}

/// What there was too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Time,
    Stack,
}

impl Watch {
    pub(crate) fn start(&self, until: Duration, stack: usize) {
        self.until.set(until);
        self.asked.set(0);
        self.base.set(here());
        self.stack.set(stack);
        self.over.set(None);
    }

    /// What it ran out of since it was started; from then on it is out of it.
    pub(crate) fn over(&self) -> Option<Over> {
        self.over.get()
    }

    /// Asked often, and of the clock now and then.
    pub(crate) fn ask(&self) -> Result<(), Over> {
        if let Some(over) = self.over.get() {
            return Err(over);
        }
        if self.base.get().abs_diff(here()) > self.stack.get() {
            return self.end(Over::Stack);
        }
        let asked = self.asked.get() + 1;
        self.asked.set(asked % LOOK);
        if asked == LOOK && self.is_late() {
            return self.end(Over::Time);
        }
        Ok(())
    }

    /// Asked seldom: looks at the clock.
    pub(crate) fn ask_clock(&self) -> Result<(), Over> {
        match self.over.get() {
            Some(over) => Err(over),
            None if self.is_late() => self.end(Over::Time),
            None => Ok(()),
        }
    }

    fn end(&self, over: Over) -> Result<(), Over> {
        self.over.set(Some(over));
        Err(over)
    }

    fn is_late(&self) -> bool {
        cpu_time() > self.until.get()
    }
}

/// CPU time of this thread: a rule isn't late because the machine was busy, or paused.
pub(crate) fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// About where the stack is.
#[inline(never)]
fn here() -> usize {
    let local = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&local)).addr()
}
