//! What is wrong with the settings of a program.

use thiserror::Error;

use crate::SettingsError;

/// What is wrong with the settings; all are exit code 78.
#[derive(Debug, Error)]
pub enum BadSettings {
    #[error(transparent)]
    Layer(#[from] SettingsError),
    #[error("--{flag} is missing: {why}")]
    Missing { flag: &'static str, why: &'static str },
    #[error("--{flag} `{value}`: {why}")]
    Value { flag: &'static str, value: String, why: String },
}

/// A value that can't be taken, and why.
pub fn refuse(flag: &'static str, value: &str, why: impl ToString) -> BadSettings {
    BadSettings::Value { flag, value: value.to_owned(), why: why.to_string() }
}
