//! Rules in a file, and the files beside it.

use std::{fs, io, path::Path};

use thiserror::Error;

use crate::{Handed, Rules, RulesError};

/// A file of rules that can't be taken.
#[derive(Debug, Error)]
pub enum UnreadableRules {
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    #[error("{0}")]
    Wrong(#[from] RulesError),
}

impl Rules {
    /// Reads rules; the files that they name are beside theirs.
    ///
    /// # Errors
    /// When the file can't be read, or [`Rules::parse`] refuses it.
    pub fn load(path: &Path, handed: Handed) -> Result<Self, UnreadableRules> {
        let text = fs::read_to_string(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut read =
            |name: &str| fs::read_to_string(folder.join(name)).map_err(|error| error.to_string());
        Ok(Self::parse(&text, handed, &mut read)?)
    }
}
