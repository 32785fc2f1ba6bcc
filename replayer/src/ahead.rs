//! Which indices of the target may be ahead of the replay: a document that was read from the source is as it was then,
//! and not as it was when the captured requests that are replayed now were answered.

use std::collections::HashMap;

use converge::Scope;
use parking_lot::Mutex;

/// By index, when documents of it were last read from the source, nanoseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Ahead(Mutex<HashMap<String, u64>>);

impl Ahead {
    /// Documents of `index` were read from the source at `at`.
    pub(crate) fn note(&self, index: &str, at: u64) {
        let mut read = self.0.lock();
        match read.get_mut(index) {
            Some(latest) => *latest = at.max(*latest),
            None => drop(read.insert(index.to_owned(), at)),
        }
    }

    /// Whether what the source answered at `answered` may have been of older documents than the target has. `behind`:
    /// the indices behind aliases in the scope.
    pub(crate) fn of(&self, scope: &Scope, behind: &[String], answered: u64) -> bool {
        let read = self.0.lock();
        let named = |index: &String| scope.contains(index) || behind.contains(index);
        read.iter().any(|(index, at)| *at > answered && named(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_before_a_reading_is_behind_it() {
        let ahead = Ahead::default();
        ahead.note("a", 10);
        ahead.note("a", 5);
        assert!(ahead.of(&Scope::of_expression("a*"), &[], 9));
        assert!(!ahead.of(&Scope::of_index("a"), &[], 10));
        assert!(!ahead.of(&Scope::of_index("b"), &[], 9));
        assert!(ahead.of(&Scope::of_index("alias"), &["a".into()], 9));
    }
}
