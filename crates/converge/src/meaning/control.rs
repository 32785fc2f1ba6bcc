//! Changes of something other than documents.

use serde::Deserialize;

use super::write::{is_refusal, no_answer};
use super::{Control, Doubt, DoubtKind, DoubtReason, Meaning, NothingReason};
use crate::answer::{self, ControlAnswer};
use crate::endpoint::ControlKind;
use crate::exchange::{BodyState, Exchange};
use crate::scope::Scope;
use crate::target::Target;
use crate::text::Text;

pub(super) fn control(
    exchange: &Exchange,
    target: &Target,
    kind: ControlKind,
    index: Option<&str>,
) -> Meaning {
    let (scope, deletes) = touched(exchange, target, kind, index);
    let may_delete = deletes.is_some();
    let doubt = |reason| {
        let kind = DoubtKind::Definition { scope: scope.clone(), deletes: may_delete };
        Meaning::Doubt(vec![Doubt { kind, reason }])
    };
    let Some(given) = &exchange.answer else { return doubt(no_answer(exchange)) };
    if is_refusal(given.status) {
        return Meaning::Nothing(NothingReason::Refused(given.status));
    }
    if !(200..300).contains(&given.status) {
        return doubt(DoubtReason::ServerError);
    }
    if exchange.body_state != BodyState::Whole {
        return doubt(no_answer(exchange));
    }
    let answer: ControlAnswer<'_> = answer::read(&given.body).unwrap_or_default();
    let mut control =
        Control { kind, scope: scope.clone(), deletes, created: None, rolled_from: None };
    match kind {
        ControlKind::CreateIndex => {
            control.created = answer::owned(answer.index.as_ref()).or(index.map(str::to_owned));
            if let Some(created) = &control.created {
                control.scope = control.scope.union(Scope::of_index(created));
            }
        }
        ControlKind::Rollover => match answer.rolled_over {
            Some(false) => return Meaning::Nothing(NothingReason::Noop),
            Some(true) if answer.new_index.is_some() && answer.old_index.is_some() => {
                control.created = answer::owned(answer.new_index.as_ref());
                control.rolled_from = answer::owned(answer.old_index.as_ref());
                let names = [&control.created, &control.rolled_from].into_iter().flatten().cloned();
                control.scope = control.scope.union(Scope::Indices(names.collect()));
            }
            _ => return doubt(DoubtReason::NoSequence),
        },
        _ => {}
    }
    Meaning::Control(control)
}

/// The indices that a control request touches, and those that it deletes.
pub(super) fn touched(
    exchange: &Exchange,
    target: &Target,
    kind: ControlKind,
    index: Option<&str>,
) -> (Scope, Option<Scope>) {
    let named = index.map_or(Scope::All, Scope::of_expression);
    match kind {
        ControlKind::DeleteIndex => (named.clone(), Some(named)),
        ControlKind::PutDataStream => (named, None),
        ControlKind::DeleteDataStream => {
            let backing = match &named {
                Scope::All => Scope::All,
                Scope::Indices(names) => {
                    Scope::Indices(names.iter().map(|name| format!(".ds-{name}-*")).collect())
                }
            };
            let scope = named.union(backing);
            (scope.clone(), Some(scope))
        }
        ControlKind::Aliases => aliases(exchange),
        ControlKind::PutAlias | ControlKind::DeleteAlias => match target.segments.as_slice() {
            [_, _, alias] => (named.union(Scope::of_expression(alias)), None),
            _ => (Scope::All, None),
        },
        ControlKind::CreateIndex
        | ControlKind::OpenIndex
        | ControlKind::CloseIndex
        | ControlKind::PutSettings
        | ControlKind::PutMapping
        | ControlKind::Rollover => (named, None),
        ControlKind::PutTemplate
        | ControlKind::DeleteTemplate
        | ControlKind::PutPipeline
        | ControlKind::DeletePipeline
        | ControlKind::PutScript
        | ControlKind::DeleteScript => (Scope::All, None),
    }
}

/// What the actions of `POST /_aliases` touch: indices and aliases, and the indices that they
/// remove.
fn aliases(exchange: &Exchange) -> (Scope, Option<Scope>) {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        actions: Vec<Action<'a>>,
    }
    #[derive(Deserialize)]
    struct Action<'a> {
        #[serde(borrow)]
        add: Option<Names<'a>>,
        #[serde(borrow)]
        remove: Option<Names<'a>>,
        #[serde(borrow)]
        remove_index: Option<Names<'a>>,
    }
    #[derive(Deserialize)]
    struct Names<'a> {
        #[serde(borrow)]
        index: Option<OneOrMany<'a>>,
        #[serde(borrow)]
        indices: Option<OneOrMany<'a>>,
        #[serde(borrow)]
        alias: Option<OneOrMany<'a>>,
        #[serde(borrow)]
        aliases: Option<OneOrMany<'a>>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany<'a> {
        #[serde(borrow)]
        One(Text<'a>),
        #[serde(borrow)]
        Many(Vec<Text<'a>>),
    }
    fn scope<'a>(names: impl IntoIterator<Item = &'a OneOrMany<'a>>) -> Scope {
        let none = Scope::Indices(Vec::new());
        names.into_iter().fold(none, |scope, names| {
            let names = match names {
                OneOrMany::One(name) => std::slice::from_ref(name),
                OneOrMany::Many(names) => names.as_slice(),
            };
            names.iter().fold(scope, |scope, name| scope.union(Scope::of_expression(name.as_str())))
        })
    }
    let Some(Body { actions }) = answer::read(&exchange.body) else {
        // What can't be read may remove an index.
        return (Scope::All, Some(Scope::All));
    };
    let mut touched = Scope::Indices(Vec::new());
    let mut removed: Option<Scope> = None;
    for action in &actions {
        for names in [&action.add, &action.remove].into_iter().flatten() {
            let all = [&names.index, &names.indices, &names.alias, &names.aliases];
            touched = touched.union(scope(all.into_iter().flatten()));
        }
        if let Some(names) = &action.remove_index {
            let gone = scope([&names.index, &names.indices].into_iter().flatten());
            touched = touched.union(gone.clone());
            removed = Some(match removed {
                Some(removed) => removed.union(gone),
                None => gone,
            });
        }
    }
    (touched, removed)
}
