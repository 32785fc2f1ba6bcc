//! What the programs' exit codes mean; after BSD's sysexits where the answer isn't yes or no.

use std::process::ExitCode;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Done, and the answer is no: differences found, documents failed, doubt left.
    No = 1,
    /// The command line is wrong.
    Usage = 64,
    /// Data from outside can't be read.
    Data = 65,
    /// A service that is needed can't be reached.
    Unavailable = 69,
    /// A bug.
    Bug = 70,
    /// Trying again may help.
    TryAgain = 75,
    /// The configuration is wrong.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
