//! Which indices are replayed.

use cluster::data_stream_of;
use converge::Selection;
use settings::{BadSettings, refuse};

/// Why nothing is sent for an index that isn't among those that were chosen.
pub(crate) const NOT_CHOSEN: &str = "index not chosen";

/// The indices and data streams that are replayed.
#[derive(Clone, Debug, Default)]
pub struct Chosen(
    /// `None`: all.
    Option<Selection>,
);

impl Chosen {
    /// Names and patterns with `*`; `-` in front takes out, and what comes later wins. No pattern: all.
    ///
    /// # Errors
    /// For a date-math name, which means another index every day, and for what is no pattern.
    pub fn parse(patterns: &[String]) -> Result<Self, BadSettings> {
        if patterns.is_empty() {
            return Ok(Self::default());
        }
        let is_none = |text: &String| text.trim_start_matches('-').is_empty() || text.contains(':');
        if let Some(wrong) = patterns.iter().find(|text| is_none(text)) {
            return Err(refuse(
                "index",
                wrong,
                "use names, and patterns with `*`; `-pattern` takes out",
            ));
        }
        match Selection::of_patterns(patterns, "*") {
            Some(selection) => Ok(Self(Some(selection))),
            None => {
                Err(refuse("index", &patterns.join(","), "date math means another index every day"))
            }
        }
    }

    /// Whether some indices are left out.
    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Whether an index is replayed, or the data stream that it belongs to.
    pub fn has(&self, index: &str) -> bool {
        let Some(selection) = &self.0 else { return true };
        selection.contains(index)
            || data_stream_of(index).is_some_and(|stream| selection.contains(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(patterns: &[&str]) -> Chosen {
        let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        Chosen::parse(&patterns).unwrap()
    }

    #[test]
    fn later_patterns_win() {
        let all = chosen(&[]);
        assert!(all.is_all() && all.has("anything") && all.has(".kibana_1"));
        let logs = chosen(&["logs-*", "-logs-old*", "events"]);
        let has = |name: &str| logs.has(name);
        assert!(has("logs-1") && has("events") && !has("logs-old-1") && !has("events-1"));
        let but = chosen(&["-private*"]);
        assert!(but.has("logs-1") && !but.has("private-1"));
    }

    #[test]
    fn a_data_stream_brings_its_backing_indices() {
        let logs = chosen(&["logs-*"]);
        assert!(logs.has(".ds-logs-web-2026.11.28-000001") && logs.has(".ds-logs-web-000002"));
        assert!(!logs.has(".ds-metrics-web-000002") && !logs.has(".ds-logs-web"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (text, why) in [
            ("<logs-{now/d}>", "date math"),
            ("regex:logs.*", "names"),
            ("-", "names"),
            ("", "names"),
        ] {
            let error = Chosen::parse(&[text.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
