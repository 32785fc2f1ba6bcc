//! What stopped a step: what happened, why, and what to type next.

use cluster::ClusterError;
use settings::{BadSettings, Exit};
use thiserror::Error;

/// Why a step did not do what was asked.
#[derive(Debug, Error)]
#[error("{what}: {why}\nnext: {next}")]
pub struct Problem {
    pub exit: Exit,
    /// What happened.
    pub what: String,
    pub why: String,
    /// A command, or what to change.
    pub next: String,
}

/// Which of the two clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Source,
    Target,
}

impl Side {
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Source => "source",
            Side::Target => "target",
        }
    }
}

impl Problem {
    pub fn new(
        exit: Exit,
        what: impl Into<String>,
        why: impl ToString,
        next: impl Into<String>,
    ) -> Problem {
        Problem { exit, what: what.into(), why: why.to_string(), next: next.into() }
    }

    /// Something of the configuration.
    pub fn config(what: impl Into<String>, why: impl ToString, next: impl Into<String>) -> Problem {
        Problem::new(Exit::Config, what, why, next)
    }

    /// The step comes before another that it needs.
    pub fn early(what: impl Into<String>, why: impl ToString, next: impl Into<String>) -> Problem {
        Problem::new(Exit::TryAgain, what, why, next)
    }

    /// The settings of a program that a section of the file is for.
    pub fn section(section: &str, error: &BadSettings) -> Problem {
        Problem::config(
            format!("the section `{section}` is wrong"),
            error,
            format!("correct `{section}` in the migration's file, then `godwit config check`"),
        )
    }

    /// A cluster that did not do what it was asked for.
    pub fn cluster(side: Side, error: &ClusterError) -> Problem {
        let name = side.as_str();
        match error {
            ClusterError::Settings(why) => Problem::config(
                format!("the settings of the {name} are wrong"),
                why,
                format!("correct `{name}` in the migration's file, then `godwit config check`"),
            ),
            error if matches!(error.status(), Some(401)) => Problem::config(
                format!("the {name} refused the credentials"),
                error,
                format!(
                    "correct `{name}.auth` and `{name}.secret-file` (or GODWIT_{}_SECRET), then \
                     `godwit setup check`",
                    name.to_ascii_uppercase()
                ),
            ),
            error if matches!(error.status(), Some(403)) => Problem::config(
                format!("the user of `{name}.auth` may not do this on the {name}"),
                error,
                "give that user the privilege, then `godwit setup check`",
            ),
            error if error.is_transient() => Problem::new(
                Exit::Unavailable,
                format!("the {name} does not answer"),
                error,
                format!("see that the {name} runs and that `{name}.url` is right, then repeat"),
            ),
            error => Problem::new(
                Exit::Data,
                format!("the {name} answered something else than was asked for"),
                error,
                "`godwit setup check` says what this version has",
            ),
        }
    }

    /// A file of the state's folder, or beside it.
    pub fn file(path: &std::path::Path, error: impl ToString) -> Problem {
        Problem::new(
            Exit::TryAgain,
            format!("{} can't be used", path.display()),
            error,
            "see that the folder is there, may be written and has room, then repeat",
        )
    }

    /// The journal.
    pub fn journal(error: &impl ToString) -> Problem {
        Problem::new(
            Exit::Unavailable,
            "the journal can't be read",
            error.to_string(),
            "`godwit capture status` says whether the proxy runs; `journal` in the migration's \
             file says where it writes",
        )
    }
}
