//! Settings of a program: a YAML file, the environment, flags; and the units, patterns and exit codes that
//! programs share.
//!
//! A program has one struct of optional fields that serves as flags (clap), as file and as
//! environment at once; [`layered`] merges the three (flag > environment > file), and the program
//! turns the result into its checked settings before it binds or connects to anything.

#![forbid(unsafe_code)]

mod bad;
mod exit;
pub mod glob;
mod layers;
mod secret;
mod units;

pub use bad::{BadSettings, refuse};
pub use exit::Exit;
pub use layers::{SettingsError, layered, nearest};
pub use secret::Secret;
pub use units::{Size, Span, UnitError};
