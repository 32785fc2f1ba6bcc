//! Flags, file and environment → checked settings.

mod flags;
mod run;

use std::sync::Arc;

use codec::source;
use rules::{Handed, Rules};
use settings::{Size, layered, refuse};
use snapshot::{Location, Settings as RepositorySettings};

use crate::shard;

pub use ::settings::BadSettings;
pub use flags::{Cli, Command, ReadFlags, RetryFlags, RunFlags, StatusFlags};
pub use run::{Output, RetrySettings, RunSettings, StatusSettings, Types, Versioning};

/// The section of the environment, and the name in messages.
const PROGRAM: &str = "backfill";

/// Checked settings of `backfill read`, and of what `backfill run` reads.
#[derive(Clone, Debug)]
pub struct ReadSettings {
    pub repository: RepositorySettings,
    pub snapshot: String,
    /// Names and patterns; none: all indices.
    pub indices: Vec<String>,
    pub limits: shard::Limits,
    /// Bounds on one document's source.
    pub source: source::Limits,
    /// What each document goes through first.
    pub rules: Option<Arc<Rules>>,
    pub log_level: String,
}

impl ReadSettings {
    /// The defaults for a snapshot.
    pub fn new(location: Location, snapshot: impl Into<String>) -> Self {
        Self {
            repository: RepositorySettings::new(location),
            snapshot: snapshot.into(),
            indices: Vec::new(),
            limits: shard::Limits::default(),
            source: source::Limits::default(),
            rules: None,
            log_level: "info".into(),
        }
    }

    /// Merges file, environment and flags, and checks the result.
    pub fn load(
        flags: &ReadFlags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, BadSettings> {
        let known = flags::known();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let merged = layered(PROGRAM, flags.config.as_deref(), environment, flags, &known)?;
        Self::check(&merged)
    }

    pub(crate) fn check(flags: &ReadFlags) -> Result<Self, BadSettings> {
        let missing = |flag, why| BadSettings::Missing { flag, why };
        let url = flags.repository.as_ref();
        let url = url.ok_or_else(|| missing("repository", "say where the snapshot is"))?;
        let location = Location::parse(url).map_err(|e| refuse("repository", url, e))?;
        let snapshot = flags.snapshot.clone();
        let snapshot = snapshot.ok_or_else(|| missing("snapshot", "say which snapshot to read"))?;
        let mut settings = Self::new(location, snapshot);
        settings.indices.clone_from(&flags.index);
        let repository = &mut settings.repository;
        repository.endpoint.clone_from(&flags.repository_endpoint);
        repository.region.clone_from(&flags.repository_region);
        repository.path_style = flags.repository_path_style;
        repository.anonymous = flags.repository_anonymous;
        repository.allow_http = flags.repository_allow_http;
        repository.ca.clone_from(&flags.repository_ca);
        if let Some(Size(bytes)) = flags.read_block {
            repository.reading.block = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        if let Some(ahead) = flags.read_ahead {
            repository.reading.ahead = ahead;
        }
        if let Some(Size(bytes)) = flags.document_limit {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            settings.limits.chunk = bytes;
            settings.source.output = bytes;
        }
        if let Some(path) = &flags.rules {
            let rules = Rules::load(path, Handed::List);
            let rules = rules.map_err(|e| refuse("rules", &path.display().to_string(), e))?;
            settings.rules = Some(Arc::new(rules));
        }
        if let Some(level) = &flags.log_level {
            settings.log_level.clone_from(level);
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    fn run(arguments: &[&str]) -> Result<RunSettings, String> {
        let minimal = ["backfill", "run", "--repository", "file:///r", "--snapshot", "s"];
        let cli =
            Cli::try_parse_from(minimal.iter().chain(arguments)).map_err(|e| e.to_string())?;
        let Command::Run(flags) = cli.command else { panic!("another command") };
        let environment = [("GODWIT_TARGET_SECRET", "s"), ("GODWIT_BACKFILL__FAILED", "/f")];
        let environment = environment.map(|(n, v)| (n.to_owned(), v.to_owned()));
        RunSettings::load(&flags, environment.to_vec()).map_err(|e| e.to_string())
    }

    #[test]
    fn flags_become_settings() {
        let target = ["--target", "http://t:1", "--target-auth", "basic:u"];
        let settings =
            run(&[&target[..], &["--workers", "2", "--memory", "64MiB"]].concat()).unwrap();
        assert_eq!((settings.workers, settings.failed.as_str()), (2, "/f"));
        assert!(matches!(settings.target.auth, cluster::Auth::Basic { .. }));
        let reading = settings.read.repository.reading;
        let held = (reading.ahead + 1) * reading.block * settings.workers;
        assert!(held + settings.memory_for_batches() <= 64 << 20, "{reading:?}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(run(&[]).unwrap_err().contains("--target is missing"));
        let target = ["--target", "http://t:1"];
        let wrong = |more: &[&str]| run(&[&target[..], more].concat()).unwrap_err();
        assert!(wrong(&["--run", "A B"]).contains("--run `A B`"));
        assert!(wrong(&["--memory", "1MiB"]).contains("at least 16MiB"));
        assert!(
            wrong(&["--coordinator", "http://c", "--coordinator-auth", "api-key"])
                .contains("secret")
        );
    }

    #[test]
    fn the_example_in_config_is_valid_and_shows_every_setting() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/backfill.yaml");
        let mut flags = RunFlags::default();
        flags.read.config = Some(path.into());
        RunSettings::load(&flags, Vec::new()).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let commands = Cli::command();
        for argument in commands.get_subcommands().flat_map(|command| command.get_arguments()) {
            let Some(name) = argument.get_long().filter(|name| *name != "config") else { continue };
            assert!(text.contains(&format!("{name}:")), "{name} is not in {path}");
        }
    }
}
