//! Templates that wait for the indices that they fit.

use super::Outcome;
use crate::{
    Kind, Planned,
    fitting::{Fitting, has_patterns, patterns},
};

/// Holds back each template that the target would merge into an index that this run was to make and didn't: when a
/// repeat makes the index, it would have more than its source.
pub(super) fn back(items: &[Planned], outcomes: &mut [Option<Outcome>]) {
    let missing: Vec<&Planned> = (items.iter().zip(&*outcomes))
        .filter(|(item, outcome)| item.kind == Kind::Index && is_missing(item, outcome.as_ref()))
        .map(|(item, _)| item)
        .collect();
    if missing.is_empty() {
        return;
    }
    let templates = items.iter().zip(&*outcomes).enumerate().filter(|(_, (item, outcome))| {
        has_patterns(item.kind) && item.state.is_moved() && outcome.is_none()
    });
    let fitting = Fitting::new(
        templates
            .map(|(place, (item, _))| (place, patterns(item.body.open().get("index_patterns")))),
    );
    for index in missing {
        for place in fitting.of(&index.name) {
            outcomes[place].get_or_insert_with(|| {
                Outcome::not_done(format!(
                    "held back: the index {} isn't there yet, and the target would merge this template into it; see why \
                     it isn't, and repeat",
                    index.name
                ))
            });
        }
    }
}

fn is_missing(item: &Planned, outcome: Option<&Outcome>) -> bool {
    item.state.is_moved() && !outcome.is_some_and(Outcome::is_good)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Packed, State};

    fn planned(kind: Kind, name: &str, body: &Value) -> Planned {
        let mut planned = Planned::new(kind, name, State::Create);
        planned.body = Packed::from(body);
        planned
    }

    #[test]
    fn templates_wait_for_what_they_fit() {
        let items = [
            planned(Kind::Index, "logs-1", &json!({})),
            planned(Kind::Index, "other", &json!({})),
            planned(Kind::IndexTemplate, "logs", &json!({"index_patterns": ["x", "logs-*"]})),
            planned(Kind::LegacyTemplate, "others", &json!({"index_patterns": ["other*"]})),
        ];
        let mut outcomes = [Some(Outcome::Created), Some(Outcome::Created), None, None];
        back(&items, &mut outcomes);
        assert_eq!(outcomes[2..], [None, None]);

        outcomes[0] = Some(Outcome::not_done("asked to stop"));
        back(&items, &mut outcomes);
        let Some(Outcome::NotDone { why }) = &outcomes[2] else { panic!("{outcomes:?}") };
        assert!(why.contains("logs-1"), "{why}");
        assert_eq!(outcomes[3], None);
    }
}
