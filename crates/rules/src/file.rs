//! Rules in a file, and the files beside it.

use std::{fs, io, path::Path};

use thiserror::Error;

use crate::{Handed, ReadFile, Rules, RulesError, WithTypes};

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
        in_file(path, |text, read| Self::parse(text, handed, read))
    }

    /// As [`Rules::load`], of [`Rules::parse_with_types`].
    ///
    /// # Errors
    /// As [`Rules::load`].
    pub fn load_with_types(path: &Path, handed: Handed) -> Result<WithTypes, UnreadableRules> {
        in_file(path, |text, read| Self::parse_with_types(text, handed, read))
    }
}

fn in_file<T>(
    path: &Path,
    parse: impl FnOnce(&str, ReadFile<'_>) -> Result<T, RulesError>,
) -> Result<T, UnreadableRules> {
    let text = fs::read_to_string(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut read =
        |name: &str| fs::read_to_string(folder.join(name)).map_err(|error| error.to_string());
    Ok(parse(&text, &mut read)?)
}
