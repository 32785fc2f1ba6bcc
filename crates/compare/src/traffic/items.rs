//! What became of the items of two bulks.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// Adds up.
#[derive(Debug, Default)]
pub(super) struct Items {
    bulks: u64,
    /// Bulks whose answers have not as many items: what the source refused isn't sent.
    other_length: u64,
    statuses: BTreeMap<(u16, u16), u64>,
}

/// Bulks that both sides answered with items.
#[derive(Debug, Serialize)]
pub struct ItemsReport {
    pub bulks: u64,
    pub other_length: u64,
    /// `201 → 201`, by the item's status on the source and on the target, where both have the item.
    pub statuses: BTreeMap<String, u64>,
}

impl Items {
    pub(super) fn add(&mut self, left: &Value, right: &Value) {
        let (Some(here), Some(there)) = (item_statuses(left), item_statuses(right)) else { return };
        self.bulks += 1;
        if here.len() != there.len() {
            self.other_length += 1;
            return;
        }
        for pair in here.into_iter().zip(there) {
            *self.statuses.entry(pair).or_default() += 1;
        }
    }

    pub(super) fn report(self) -> ItemsReport {
        let status = |((left, right), count)| (format!("{left} → {right}"), count);
        ItemsReport {
            bulks: self.bulks,
            other_length: self.other_length,
            statuses: self.statuses.into_iter().map(status).collect(),
        }
    }
}

/// The status of each item of a bulk's answer; `None`: it has no items, or some without a status.
pub fn item_statuses(answer: &Value) -> Option<Vec<u16>> {
    let status = |item: &Value| {
        let outcome = item.as_object()?.values().next()?;
        u16::try_from(outcome.get("status")?.as_u64()?).ok()
    };
    answer.get("items")?.as_array()?.iter().map(status).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_are_paired_where_both_have_as_many() {
        let of = |statuses: &[u16]| {
            let items: Vec<Value> =
                statuses.iter().map(|s| json!({"index": {"status": s}})).collect();
            json!({"items": items})
        };
        let mut items = Items::default();
        items.add(&of(&[201, 200]), &of(&[201, 409]));
        items.add(&of(&[201, 400]), &of(&[201]));
        items.add(&json!({"errors": false}), &of(&[201]));
        let report = items.report();
        assert_eq!((report.bulks, report.other_length), (2, 1));
        assert_eq!(report.statuses, [("200 → 409".into(), 1), ("201 → 201".into(), 1)].into());
    }
}
