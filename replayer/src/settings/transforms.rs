//! What is done to requests on their way to the target.

use std::{fmt::Display, path::PathBuf, sync::Arc};

use ::rules::{Handed, Rules};
use clap::Args;
use cluster::HeaderValue;
use serde::{Deserialize, Serialize};
use settings::{BadSettings, refuse};
use transform::{TypeNames, Version};

use crate::rules::{HeaderChanges, Host};

#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct TransformFlags {
    /// Rules in jq or JavaScript that each request goes through last, YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// What was captured, where no --source tells: 6.8, or opensearch-1.3
    #[arg(long, value_name = "VERSION")]
    pub source_version: Option<String>,
    /// Host of each request: `target`, as its url has it; `source`, as the client sent it; or a name
    #[arg(long, value_name = "HOW")]
    pub host: Option<String>,
    /// Text appended to each request's User-Agent
    #[arg(long, value_name = "TEXT")]
    pub user_agent: Option<String>,
    /// Header that each request gets in place of its own; may be given again
    #[arg(long, value_name = "NAME: VALUE")]
    pub set_header: Vec<String>,
    /// Header that is taken out of each request; may be given again
    #[arg(long, value_name = "NAME")]
    pub remove_header: Vec<String>,
}

/// What is done to requests on their way to the target.
#[derive(Clone, Debug, Default)]
pub struct TransformSettings {
    pub headers: HeaderChanges,
    pub rules: Option<Arc<Rules>>,
    /// What captured requests were written for.
    pub source_version: Option<Version>,
    /// Which index documents of a type go to, where the rules' file says it.
    pub type_names: Option<TypeNames>,
}

impl TransformFlags {
    pub(crate) fn check(self) -> Result<TransformSettings, BadSettings> {
        let mut headers = HeaderChanges::default();
        if let Some(text) = self.host {
            headers.host = match text.as_str() {
                "target" => Host::Target,
                "source" => Host::Source,
                name => HeaderValue::from_str(name)
                    .map(Host::Named)
                    .map_err(|error| refuse("host", &text, error))?,
            };
        }
        if let Some(text) = self.user_agent {
            HeaderValue::from_str(&text).map_err(|error| refuse("user-agent", &text, error))?;
            headers.user_agent = Some(text);
        }
        for text in &self.remove_header {
            let name =
                HeaderChanges::name(text).map_err(|why| refuse("remove-header", text, why))?;
            headers.removed.push(name);
        }
        for text in &self.set_header {
            let pair = HeaderChanges::pair(text).map_err(|why| refuse("set-header", text, why))?;
            headers.set.push(pair);
        }
        let mut settings = TransformSettings { headers, ..TransformSettings::default() };
        if let Some(text) = &self.source_version {
            let why = "write it 6.8, elasticsearch-6.8 or opensearch-1.3";
            let version = version(text).ok_or_else(|| refuse("source-version", text, why))?;
            settings.source_version = Some(version);
        }
        if let Some(path) = &self.rules {
            let wrong = |why: &dyn Display| refuse("rules", &path.display().to_string(), why);
            let found = Rules::load_with_types(path, Handed::Message).map_err(|e| wrong(&e))?;
            settings.rules = found.rules.map(Arc::new);
            let types = found.types.as_ref().map(TypeNames::parse).transpose();
            settings.type_names = types.map_err(|e| wrong(&format!("types: {e}")))?;
            let said = settings.type_names.as_ref().and_then(|names| names.source);
            settings.source_version = settings.source_version.or(said);
        }
        Ok(settings)
    }
}

fn version(text: &str) -> Option<Version> {
    let (flavour, numbers) = text.rsplit_once('-').unwrap_or(("elasticsearch", text));
    let mut numbers = numbers.split('.').map(|number| number.parse::<u32>().ok());
    let (major, minor) = (numbers.next()??, numbers.next().unwrap_or(Some(0))?);
    match flavour {
        "elasticsearch" => Some(Version::elasticsearch(major, minor)),
        "opensearch" => Some(Version::opensearch(major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |change: fn(&mut TransformFlags)| {
            let mut flags = TransformFlags::default();
            change(&mut flags);
            flags.check().unwrap_err().to_string()
        };
        assert!(wrong(|flags| flags.set_header = vec!["a".into()]).contains("NAME: VALUE"));
        assert!(wrong(|flags| flags.remove_header = vec!["a b".into()]).contains("`a b`"));
        assert!(wrong(|flags| flags.host = Some("a\n".into())).contains("--host"));
        assert!(wrong(|flags| flags.rules = Some("/none".into())).contains("/none"));
        assert!(wrong(|flags| flags.source_version = Some("six".into())).contains("`six`"));
        for (text, expected) in [
            ("6.8", Version::elasticsearch(6, 8)),
            ("elasticsearch-5", Version::elasticsearch(5, 0)),
            ("opensearch-2.19.1", Version::opensearch(2, 19)),
        ] {
            assert_eq!(version(text), Some(expected), "{text}");
        }
    }
}
