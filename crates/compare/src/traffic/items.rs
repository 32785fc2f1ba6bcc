//! What became of the items of two bulks.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// Adds up.
#[derive(Debug, Default)]
pub(super) struct Items {
    bulks: u64,
    not_sent: u64,
    statuses: BTreeMap<(u16, u16), u64>,
}

/// Bulks that both sides answered with items.
#[derive(Debug, Serialize)]
pub struct ItemsReport {
    pub bulks: u64,
    /// Items that the target wasn't sent in this request: what the source refused, what was read from it instead.
    pub not_sent: u64,
    /// `201 → 201`, by the item's status on the source and on the target, where both have the item.
    pub statuses: BTreeMap<String, u64>,
}

impl Items {
    pub(super) fn add(&mut self, left: &Value, right: &Value) {
        let (Some(here), Some(there)) = (items(left), items(right)) else { return };
        self.bulks += 1;
        if here.len() == there.len() {
            for (here, there) in here.iter().zip(there) {
                *self.statuses.entry((here.status, there.status)).or_default() += 1;
            }
            return;
        }
        let mut unanswered = there.iter().peekable();
        for item in here {
            match unanswered.next_if(|there| there.is_of(&item)) {
                Some(there) => {
                    *self.statuses.entry((item.status, there.status)).or_default() += 1;
                }
                None => self.not_sent += 1,
            }
        }
    }

    pub(super) fn report(self) -> ItemsReport {
        let status = |((left, right), count)| (format!("{left} → {right}"), count);
        ItemsReport {
            bulks: self.bulks,
            not_sent: self.not_sent,
            statuses: self.statuses.into_iter().map(status).collect(),
        }
    }
}

/// One item of an answer.
struct Item<'a> {
    action: &'a str,
    index: &'a str,
    id: &'a str,
    status: u16,
}

impl Item<'_> {
    /// Whether this is the target's item for one of the source's. Items keep their order; a `create` that succeeded is
    /// sent as an `index`; an `update`, and what the source refused, is never sent.
    fn is_of(&self, source: &Item<'_>) -> bool {
        let deletes = |item: &Item<'_>| item.action == "delete";
        // Nothing to delete was found: no refusal.
        let refused = source.status >= 400 && !(deletes(source) && source.status == 404);
        source.action != "update"
            && !refused
            && deletes(self) == deletes(source)
            && (self.index, self.id) == (source.index, source.id)
    }
}

/// `None`: it has no items, or some without a status.
fn items(answer: &Value) -> Option<Vec<Item<'_>>> {
    answer.get("items")?.as_array()?.iter().map(item_of).collect()
}

fn item_of(item: &Value) -> Option<Item<'_>> {
    let (action, outcome) = item.as_object()?.iter().next()?;
    let text = |key| outcome.get(key).and_then(Value::as_str).unwrap_or_default();
    let status = u16::try_from(outcome.get("status")?.as_u64()?).ok()?;
    Some(Item { action, index: text("_index"), id: text("_id"), status })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(items: &[(&str, &str, u16)]) -> Value {
        let item = |(action, id, status): &(&str, &str, u16)| json!({*action: {"_index": "i", "_id": id, "status": status}});
        json!({"items": items.iter().map(item).collect::<Vec<_>>()})
    }

    #[test]
    fn items_of_as_many_are_paired_as_they_stand() {
        let mut items = Items::default();
        items.add(
            &answer(&[("create", "1", 201), ("index", "2", 200)]),
            &answer(&[("index", "1", 201), ("index", "2", 409)]),
        );
        items.add(&json!({"errors": false}), &answer(&[("index", "1", 201)]));
        let report = items.report();
        assert_eq!((report.bulks, report.not_sent), (1, 0));
        assert_eq!(report.statuses, [("200 → 409".into(), 1), ("201 → 201".into(), 1)].into());
    }

    #[test]
    fn of_fewer_items_each_is_paired_with_its_own() {
        let mut items = Items::default();
        let source = [
            ("update", "1", 200),
            ("index", "1", 409),
            ("index", "1", 200),
            ("index", "2", 400),
            ("delete", "1", 404),
            ("create", "3", 201),
        ];
        items.add(
            &answer(&source),
            &answer(&[("index", "1", 201), ("delete", "1", 200), ("index", "3", 201)]),
        );
        let report = items.report();
        assert_eq!((report.bulks, report.not_sent), (1, 3));
        let expected = [("200 → 201".into(), 1), ("201 → 201".into(), 1), ("404 → 200".into(), 1)];
        assert_eq!(report.statuses, expected.into());
    }
}
