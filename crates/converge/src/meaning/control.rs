//! Changes of something other than documents.

use serde::Deserialize;

use super::write::{is_refusal, no_answer};
use super::{Control, Doubt, DoubtKind, DoubtReason, Meaning, NothingReason};
use crate::answer::{self, ControlAnswer};
use crate::endpoint::ControlKind;
use crate::exchange::{BodyState, Exchange};
use crate::scope::Scope;
use crate::selection::Selection;
use crate::target::Target;
use crate::text::Text;

pub(super) fn control(
    exchange: &Exchange,
    target: &Target,
    kind: ControlKind,
    index: Option<&str>,
) -> Meaning {
    let Touched { scope, deletes } = touched(exchange, target, kind, index);
    let may_delete = deletes != Deletes::Nothing;
    let doubt = |reason| {
        let kind = doubt_kind(kind, target, scope.clone(), may_delete);
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
    let deletes = match deletes {
        Deletes::Nothing => Vec::new(),
        Deletes::These(selections) => selections,
        Deletes::Untold => return doubt(DoubtReason::Unnamed),
    };
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

/// What is to be read from the source when it isn't certain what a control request did.
pub(super) fn doubt_kind(
    kind: ControlKind,
    target: &Target,
    scope: Scope,
    deletes: bool,
) -> DoubtKind {
    match kind {
        ControlKind::PutTemplate
        | ControlKind::DeleteTemplate
        | ControlKind::PutPipeline
        | ControlKind::DeletePipeline
        | ControlKind::PutScript
        | ControlKind::DeleteScript
        | ControlKind::PutDataStream => DoubtKind::Named { path: target.segments.clone() },
        _ => DoubtKind::Definition { scope, deletes },
    }
}

/// The indices that a control request touches, and those that it deletes.
pub(super) struct Touched {
    pub(super) scope: Scope,
    deletes: Deletes,
}

#[derive(PartialEq)]
enum Deletes {
    Nothing,
    These(Vec<Selection>),
    /// Some in the scope: only the source can tell which.
    Untold,
}

impl Touched {
    fn keeping(scope: Scope) -> Self {
        Self { scope, deletes: Deletes::Nothing }
    }

    /// The scope, if something in it may be deleted.
    pub(super) fn may_delete(self) -> Option<Scope> {
        (self.deletes != Deletes::Nothing).then_some(self.scope)
    }
}

impl Deletes {
    fn these(expression: &str) -> Self {
        match Selection::of_expression(expression) {
            Some(selection) => Self::These(vec![selection]),
            None => Self::Untold,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, one) | (one, Self::Nothing) => one,
            (Self::These(mut these), Self::These(others)) => {
                these.extend(others);
                Self::These(these)
            }
            _ => Self::Untold,
        }
    }
}

pub(super) fn touched(
    exchange: &Exchange,
    target: &Target,
    kind: ControlKind,
    index: Option<&str>,
) -> Touched {
    let named = index.map_or(Scope::All, Scope::of_expression);
    match kind {
        ControlKind::DeleteIndex => {
            Touched { scope: named, deletes: Deletes::these(index.unwrap_or_default()) }
        }
        ControlKind::DeleteDataStream => {
            let backing = match &named {
                Scope::All => Scope::All,
                Scope::Indices(names) => {
                    Scope::Indices(names.iter().map(|name| backing_of(name)).collect())
                }
            };
            let expression = index.map(|index| {
                let backing = index.split(',').map(backing_of);
                backing.chain(index.split(',').map(str::to_owned)).collect::<Vec<_>>().join(",")
            });
            let deletes = Deletes::these(&expression.unwrap_or_default());
            Touched { scope: named.union(backing), deletes }
        }
        ControlKind::Aliases => aliases(exchange),
        ControlKind::PutAlias => Touched::keeping(put_alias(exchange, target, index)),
        ControlKind::DeleteAlias => match target.segments.as_slice() {
            [_, _, alias] => Touched::keeping(named.union(Scope::of_expression(alias))),
            _ => Touched::keeping(Scope::All),
        },
        ControlKind::CreateIndex
        | ControlKind::OpenIndex
        | ControlKind::CloseIndex
        | ControlKind::PutSettings
        | ControlKind::PutMapping
        | ControlKind::PutDataStream
        | ControlKind::Rollover => Touched::keeping(named),
        ControlKind::PutTemplate
        | ControlKind::DeleteTemplate
        | ControlKind::PutPipeline
        | ControlKind::DeletePipeline
        | ControlKind::PutScript
        | ControlKind::DeleteScript => Touched::keeping(Scope::All),
    }
}

/// Whether settings in the body name a pipeline, or it can't be told.
pub(super) fn may_set_pipeline(exchange: &Exchange) -> bool {
    const NAMES: [&[u8]; 2] = [b"default_pipeline", b"final_pipeline"];
    let named = |name: &&[u8]| exchange.body.windows(name.len()).any(|part| part == *name);
    exchange.body_state == BodyState::Unreadable || NAMES.iter().any(named)
}

/// The backing indices of a data stream, as a pattern; what an exclusion (`-name`) takes out stays one.
fn backing_of(stream: &str) -> String {
    match stream.strip_prefix('-') {
        Some(excluded) => format!("-.ds-{excluded}-*"),
        None => format!(".ds-{stream}-*"),
    }
}

/// The index and the alias of a request that makes one. What the body says of them counts, and not the path: here
/// both do. Where neither names one of the two, it may be any.
fn put_alias(exchange: &Exchange, target: &Target, index: Option<&str>) -> Scope {
    #[derive(Default, Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        index: Option<Text<'a>>,
        #[serde(borrow)]
        alias: Option<Text<'a>>,
    }
    let body = match exchange.body.trim_ascii() {
        [] => Body::default(),
        body => match answer::read::<Body<'_>>(body) {
            Some(body) => body,
            None => return Scope::All,
        },
    };
    let alias = match target.segments.as_slice() {
        [_, _, alias] => Some(alias.as_str()),
        [first, alias] if first.starts_with("_alias") => Some(alias.as_str()),
        _ => None,
    };
    let (of_index, of_alias) = (body.index.as_ref(), body.alias.as_ref());
    let indices = [index, of_index.map(Text::as_str)];
    let aliases = [alias, of_alias.map(Text::as_str)];
    if [indices, aliases].iter().any(|either| either.iter().all(Option::is_none)) {
        return Scope::All;
    }
    let names = indices.into_iter().chain(aliases).flatten();
    let nothing = Scope::Indices(Vec::new());
    names.fold(nothing, |scope, name| scope.union(Scope::of_expression(name)))
}

/// What the actions of `POST /_aliases` touch: indices and aliases, and the indices that they
/// remove.
fn aliases(exchange: &Exchange) -> Touched {
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
    fn expressions<'a>(
        names: impl IntoIterator<Item = &'a Option<OneOrMany<'a>>>,
    ) -> impl Iterator<Item = &'a str> {
        let each = |names: &'a OneOrMany<'a>| match names {
            OneOrMany::One(name) => std::slice::from_ref(name),
            OneOrMany::Many(names) => names.as_slice(),
        };
        names.into_iter().flatten().flat_map(each).map(Text::as_str)
    }
    let Some(Body { actions }) = answer::read(&exchange.body) else {
        // What can't be read may remove an index.
        return Touched { scope: Scope::All, deletes: Deletes::Untold };
    };
    let mut touched = Touched::keeping(Scope::Indices(Vec::new()));
    let add = |scope: Scope, name| scope.union(Scope::of_expression(name));
    for action in &actions {
        for names in [&action.add, &action.remove].into_iter().flatten() {
            let all = [&names.index, &names.indices, &names.alias, &names.aliases];
            touched.scope = expressions(all).fold(touched.scope, add);
        }
        let Some(names) = &action.remove_index else { continue };
        let gone: Vec<&str> = expressions([&names.index, &names.indices]).collect();
        if gone.is_empty() {
            continue;
        }
        touched.scope = gone.iter().copied().fold(touched.scope, add);
        // The names of one action are one expression.
        touched.deletes = touched.deletes.and(Deletes::these(&gone.join(",")));
    }
    touched
}
