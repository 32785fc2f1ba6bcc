//! What a source that was not strict JSON needed.

use std::fmt;

/// One way in which a source was not strict JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Change {
    /// A name had no quotes.
    UnquotedName,
    /// A comment was left out.
    Comment,
    /// A name came twice in an object; its last value stays.
    DuplicateName,
    /// A control character in a text was escaped.
    ControlCharacter,
    /// NaN or an infinity became a text.
    NonFinite,
    /// Half a surrogate pair in a text was escaped.
    Surrogate,
    /// A byte order mark was left out.
    Mark,
    /// What followed the object was left out.
    Trailing,
}

impl Change {
    pub const ALL: [Self; 8] = [
        Self::UnquotedName,
        Self::Comment,
        Self::DuplicateName,
        Self::ControlCharacter,
        Self::NonFinite,
        Self::Surrogate,
        Self::Mark,
        Self::Trailing,
    ];

    /// For a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::UnquotedName => "unquoted_name",
            Self::Comment => "comment",
            Self::DuplicateName => "duplicate_name",
            Self::ControlCharacter => "control_character",
            Self::NonFinite => "non_finite",
            Self::Surrogate => "surrogate",
            Self::Mark => "byte_order_mark",
            Self::Trailing => "trailing",
        }
    }
}

/// A set of [`Change`]s. Empty when only whitespace was left out.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes(u8);

impl Changes {
    pub(super) fn add(&mut self, change: Change) {
        self.0 |= 1 << change as u8;
    }

    pub fn contains(self, change: Change) -> bool {
        self.0 & 1 << change as u8 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Change> {
        Change::ALL.into_iter().filter(move |change| self.contains(*change))
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The labels, comma between.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, change) in self.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{}", change.label())?;
        }
        Ok(())
    }
}
