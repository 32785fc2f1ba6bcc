//! Flags, file and environment → checked settings.

mod flags;

use std::sync::Arc;

use ::rules::{Handed, Rules};
use ::settings::{Span, layered, refuse};
use snapshot::{Location, Settings as RepositorySettings};

use crate::{Kind, Patterns, Selection, naming};

pub use crate::naming::{Numbers, Renames};
pub use ::settings::BadSettings;
pub use flags::{Cli, Command, Flags, OnExisting, Output, Types};

/// The section of the environment, and the name in messages.
const PROGRAM: &str = "metadata";

/// Where the metadata is.
#[derive(Clone, Debug)]
pub enum Source {
    Cluster(Box<cluster::Settings>),
    Snapshot { repository: Box<RepositorySettings>, snapshot: String },
}

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    pub source: Source,
    pub target: cluster::Settings,
    pub selection: Selection,
    pub renames: Renames,
    pub shards: Numbers,
    pub replicas: Numbers,
    /// Zones; 1: replicas stay as they are.
    pub awareness_attributes: u32,
    pub types: Types,
    /// What each item goes through last.
    pub rules: Option<Arc<Rules>>,
    pub accept_refused: bool,
    pub on_existing: OnExisting,
    /// Parts of one item that may be taken out; 0: none.
    pub adapt: usize,
    pub deferred: bool,
    pub concurrency: usize,
    /// Requests a second.
    pub rate: Option<u32>,
    pub output: Output,
    pub log_level: String,
}

type Environment = Vec<(String, String)>;

impl Settings {
    /// The defaults for a source and a target.
    pub fn new(source: Source, target: cluster::Settings) -> Self {
        Self {
            source,
            target,
            selection: Selection::default(),
            renames: Renames::default(),
            shards: Numbers::default(),
            replicas: Numbers::default(),
            awareness_attributes: 1,
            types: Types::default(),
            rules: None,
            accept_refused: false,
            on_existing: OnExisting::default(),
            adapt: 0,
            deferred: false,
            // A master makes one change after the other; more than this only waits there.
            concurrency: 32,
            rate: None,
            output: Output::default(),
            log_level: "info".into(),
        }
    }

    /// Merges file, environment and flags, and checks the result.
    pub fn load(flags: &Flags, environment: Environment) -> Result<Self, BadSettings> {
        let known = flags::known();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let flags = layered(PROGRAM, flags.config.as_deref(), environment.clone(), flags, &known)?;
        Self::check(&flags, &environment)
    }

    fn check(flags: &Flags, environment: &Environment) -> Result<Self, BadSettings> {
        let why = "say which cluster to write to";
        let url = flags.target.as_ref().ok_or(BadSettings::Missing { flag: "target", why })?;
        let target = flags.target_reach.settings(url, environment)?;
        let target = patient(target, flags.retry_for);
        let mut settings = Self::new(source(flags, environment)?, target);
        settings.selection = selection(flags)?;
        settings.renames =
            Renames::parse(&flags.rename).map_err(|(value, why)| refuse("rename", &value, why))?;
        settings.shards = numbers("shards", &flags.shards, 1)?;
        settings.replicas = numbers("replicas", &flags.replicas, 0)?;
        if let Some(zones) = flags.awareness_attributes {
            if zones == 0 {
                return Err(refuse("awareness-attributes", "0", "there is one zone at least"));
            }
            settings.awareness_attributes = zones;
        }
        settings.types = flags.types.unwrap_or_default();
        if let Some(path) = &flags.rules {
            let rules = Rules::load(path, Handed::Message);
            let rules = rules.map_err(|e| refuse("rules", &path.display().to_string(), e))?;
            settings.rules = Some(Arc::new(rules));
        }
        settings.accept_refused = flags.accept_refused;
        settings.on_existing = flags.on_existing.unwrap_or_default();
        settings.adapt = if flags.adapt { flags.adapt_limit.unwrap_or(100) } else { 0 };
        settings.deferred = flags.deferred;
        if let Some(concurrency) = flags.concurrency {
            settings.concurrency = concurrency.clamp(1, 1024);
        }
        settings.rate = flags.rate;
        settings.output = flags.output.unwrap_or_default();
        if let Some(level) = &flags.log_level {
            settings.log_level.clone_from(level);
        }
        Ok(settings)
    }
}

fn source(flags: &Flags, environment: &Environment) -> Result<Source, BadSettings> {
    let missing = |flag, why| BadSettings::Missing { flag, why };
    match (&flags.source, &flags.repository) {
        (Some(url), Some(_)) => Err(refuse("source", url, "give it or --repository, not both")),
        (None, None) => Err(missing("source", "say what is read: --source or --repository")),
        (Some(url), None) => {
            let source = flags.source_reach.settings(url, environment)?;
            Ok(Source::Cluster(Box::new(patient(source, flags.retry_for))))
        }
        (None, Some(url)) => {
            let location = Location::parse(url).map_err(|e| refuse("repository", url, e))?;
            let snapshot = flags.snapshot.clone();
            let snapshot = snapshot.ok_or_else(|| missing("snapshot", "say which one to read"))?;
            let mut repository = Box::new(RepositorySettings::new(location));
            repository.endpoint.clone_from(&flags.repository_endpoint);
            repository.region.clone_from(&flags.repository_region);
            repository.path_style = flags.repository_path_style;
            repository.anonymous = flags.repository_anonymous;
            repository.allow_http = flags.repository_allow_http;
            repository.ca.clone_from(&flags.repository_ca);
            Ok(Source::Snapshot { repository, snapshot })
        }
    }
}

fn selection(flags: &Flags) -> Result<Selection, BadSettings> {
    let mut selection = Selection { kinds: flags.kind.clone(), ..Selection::default() };
    let lists: [(&'static str, &Vec<String>, &[Kind]); 8] = [
        ("index", &flags.index, &[Kind::Index]),
        ("template", &flags.template, &[Kind::LegacyTemplate, Kind::IndexTemplate]),
        ("component-template", &flags.component_template, &[Kind::ComponentTemplate]),
        ("pipeline", &flags.pipeline, &[Kind::Pipeline]),
        ("script", &flags.script, &[Kind::Script]),
        ("policy", &flags.policy, &[Kind::LifecyclePolicy, Kind::IsmPolicy]),
        ("alias", &flags.alias, &[Kind::Alias]),
        ("data-stream", &flags.data_stream, &[Kind::DataStream]),
    ];
    for (flag, texts, kinds) in lists {
        let patterns = Patterns::parse(texts).map_err(|(value, why)| refuse(flag, &value, why))?;
        selection.patterns.extend(kinds.iter().map(|kind| (*kind, patterns.clone())));
    }
    Ok(selection)
}

fn numbers(flag: &'static str, texts: &[String], least: u32) -> Result<Numbers, BadSettings> {
    naming::Numbers::parse(texts, least).map_err(|(value, why)| refuse(flag, &value, why))
}

fn patient(mut settings: cluster::Settings, retry_for: Option<Span>) -> cluster::Settings {
    if let Some(Span(patience)) = retry_for {
        settings.retry = cluster::Retry::for_at_most(patience);
    }
    settings
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    fn load(arguments: &[&str]) -> Result<Settings, String> {
        let minimal = ["metadata", "migrate", "--target", "http://t:1"];
        let cli =
            Cli::try_parse_from(minimal.iter().chain(arguments)).map_err(|e| e.to_string())?;
        let Command::Migrate(flags) = cli.command else { panic!("another command") };
        let environment = [("GODWIT_SOURCE_SECRET", "s"), ("GODWIT_METADATA__CONCURRENCY", "3")];
        let environment = environment.map(|(n, v)| (n.to_owned(), v.to_owned()));
        Settings::load(&flags, environment.to_vec()).map_err(|e| e.to_string())
    }

    #[test]
    fn flags_become_settings() {
        let source = ["--source", "http://s:1", "--source-auth", "basic:u"];
        let more = ["--kind", "index", "--index", "-x*", "--adapt", "--replicas", "a*=0"];
        let settings = load(&[&source[..], &more].concat()).unwrap();
        let Source::Cluster(source) = settings.source else { panic!("another source") };
        assert!(matches!(source.auth, cluster::Auth::Basic { .. }));
        assert_eq!((settings.concurrency, settings.adapt), (3, 100));
        assert!(!settings.selection.needs_global_state());
        assert_eq!(settings.replicas.of("ab"), Some(0));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(load(&[]).unwrap_err().contains("--source is missing"));
        let both = ["--source", "http://s:1", "--repository", "/r"];
        assert!(load(&both).unwrap_err().contains("not both"));
        assert!(load(&["--repository", "/r"]).unwrap_err().contains("--snapshot is missing"));
        let wrong = |more: &[&str]| load(&[&["--source", "http://s"], more].concat()).unwrap_err();
        assert!(wrong(&["--index", "regex:("]).contains("--index `regex:(`"));
        assert!(wrong(&["--rename", "a"]).contains("--rename `a`"));
        assert!(wrong(&["--shards", "0"]).contains("--shards `0`"));
        assert!(wrong(&["--replicas", "a=b"]).contains("--replicas `a=b`"));
        assert!(wrong(&["--awareness-attributes", "0"]).contains("one zone"));
        assert!(
            wrong(&["--source-auth", "api-key", "--source-secret-file", "/none"]).contains("/none")
        );
    }

    #[test]
    fn rules_that_can_not_be_taken_are_refused_with_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.yaml");
        let of = |text: &str| {
            std::fs::write(&file, text).unwrap();
            load(&["--source", "http://s", "--rules", file.to_str().unwrap()])
        };
        assert!(
            of("[{\"jq\": \".\"}, {\"js-file\": \"a.js\"}]").unwrap_err().contains("a.js: No such")
        );
        std::fs::write(folder.path().join("a.js"), "() => (m) => m").unwrap();
        assert!(of("[{\"jq\": \".\"}, {\"js-file\": \"a.js\"}]").unwrap().rules.is_some());
        for (text, place) in [
            ("[{\"jq\": \".\"},\n {\"jq\": ]", "line 2"),
            ("- jq: .\n- js: |\n    () => (m) => {\n      m.a = ;\n    }", "rule 2 (js): "),
        ] {
            let why = of(text).unwrap_err();
            assert!(why.contains("--rules `") && why.contains(place), "{why}");
        }
        assert!(load(&["--source", "http://s", "--rules", "/none"]).unwrap_err().contains("/none"));
    }

    #[test]
    fn the_example_in_config_is_valid_and_shows_every_setting() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/metadata.yaml");
        let flags = Flags { config: Some(path.into()), ..Flags::default() };
        Settings::load(&flags, Vec::new()).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let commands = Cli::command();
        for argument in commands.get_subcommands().flat_map(|command| command.get_arguments()) {
            let Some(name) = argument.get_long().filter(|name| *name != "config") else { continue };
            assert!(text.contains(&format!("{name}:")), "{name} is not in {path}");
        }
    }
}
