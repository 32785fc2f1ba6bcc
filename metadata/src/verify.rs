//! What the target really holds against what the plan wants.

use serde::Serialize;

use crate::{Difference, Inventory, Plan, State, abreast, equal};

/// What was found of an item.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "found")]
pub enum Verified {
    Equal,
    Missing,
    Different { differences: Vec<Difference> },
}

impl Verified {
    pub fn is_equal(&self) -> bool {
        *self == Self::Equal
    }
}

/// Looks for every item that is to be on the target; `None`: it isn't to be.
pub(crate) fn verify(plan: &Plan, target: &Inventory) -> Vec<Option<Verified>> {
    let held = target.by_name();
    let check = |item: &crate::Planned| {
        let is_moved =
            matches!(item.state, State::Create | State::ExistsEqual | State::ExistsDifferent);
        is_moved.then(|| match held.get(&(item.kind, item.name.as_str())) {
            None => Verified::Missing,
            Some(held) => {
                let differences = equal::differences(item, held);
                match differences.is_empty() {
                    true => Verified::Equal,
                    false => Verified::Different { differences },
                }
            }
        })
    };
    abreast::each(&plan.items, check)
}
