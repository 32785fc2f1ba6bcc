//! Requests that are never sent by themselves, and that a person wants sent all the same.

use converge::Target;
use settings::{BadSettings, glob, refuse};

/// Paths of such requests.
#[derive(Clone, Debug, Default)]
pub struct Also(Vec<String>);

impl Also {
    /// Paths in which `*` stands for anything: `/_ilm/policy/*`.
    ///
    /// # Errors
    /// For what doesn't begin with `/`.
    pub fn parse(patterns: &[String]) -> Result<Self, BadSettings> {
        match patterns.iter().find(|pattern| !pattern.starts_with('/')) {
            Some(wrong) => {
                Err(refuse("replay-also", wrong, "give paths, with `*`: /_ilm/policy/*"))
            }
            None => Ok(Self(patterns.to_vec())),
        }
    }

    /// Whether a request with this target, as it was captured, is among them.
    pub(crate) fn has(&self, target: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let path = format!("/{}", Target::parse(target).segments.join("/"));
        self.0.iter().any(|pattern| glob::matches(pattern, &path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_without_their_parameters_are_among_the_patterns() {
        let patterns =
            ["/_ilm/policy/*", "/_cluster/settings", "/*/_forcemerge"].map(str::to_owned);
        let also = Also::parse(&patterns).unwrap();
        for (target, among) in [
            ("/_ilm/policy/hot?pretty", true),
            ("_ilm/policy/a%2Fb", true),
            ("/_ilm/status", false),
            ("/_cluster/settings?flat_settings", true),
            ("/_cluster/settings/more", false),
            ("/i/_forcemerge?max_num_segments=1", true),
            ("/_forcemerge", false),
        ] {
            assert_eq!(also.has(target.as_bytes()), among, "{target}");
        }
        assert!(!Also::default().has(b"/_ilm/policy/hot"));
        assert!(Also::parse(&["_ilm".to_owned()]).is_err());
    }
}
