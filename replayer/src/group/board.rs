//! What is on the board, and what follows from it for one member.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use converge::{Answer, BodyState, Exchange, Scope};
use serde::{Deserialize, Serialize};

use super::Announcements;

/// The whole document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Board {
    pub(super) members: BTreeMap<String, Member>,
    /// Who has the turn, and who comes next.
    pub(super) turns: Vec<String>,
}

/// What a member says of itself. Times are the source's, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) beat: u64,
    pub(crate) partitions: Vec<i32>,
    /// Everything that was captured before, in these partitions, has been read.
    pub(crate) read: u64,
    /// Everything that was answered before has been finished on the target.
    pub(crate) done: u64,
    /// Everything that began before has been finished on the target.
    pub(crate) began: u64,
    /// What began before has no open doubt and no failure.
    pub(crate) held: u64,
    /// Controls and deletions that aren't finished.
    pub(crate) controls: Announcements,
}

/// A control, or a deletion that has no answer yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Announced {
    pub(crate) began: u64,
    /// `None`: there is no answer yet, and it may delete what `deletes` says.
    pub(crate) answered: Option<u64>,
    #[serde(default)]
    pub(crate) deletes: Option<Vec<String>>,
}

impl Announced {
    /// A request that deletes these indices if it succeeds.
    pub(crate) fn deleting(began: u64, scope: &Scope) -> Self {
        let deletes = match scope {
            Scope::Indices(names) => names.clone(),
            Scope::All => vec!["*".into()],
        };
        Self { began, answered: None, deletes: Some(deletes) }
    }

    pub(crate) fn scope(&self) -> Option<Scope> {
        let names = self.deletes.as_ref()?;
        Some(match names.iter().any(|name| name == "*") {
            true => Scope::All,
            false => Scope::Indices(names.clone()),
        })
    }
}

/// A control with its answer, as captured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    status: u16,
    answer_headers: Vec<(String, String)>,
    answer: String,
}

impl Told {
    pub(crate) fn of(exchange: &Exchange) -> Self {
        let text = |bytes: &Bytes| STANDARD.encode(bytes);
        let pairs = |pairs: &[(Bytes, Bytes)]| {
            pairs.iter().map(|(name, value)| (text(name), text(value))).collect::<Vec<_>>()
        };
        let (status, answer_headers, answer) = match &exchange.answer {
            Some(answer) => (answer.status, pairs(&answer.headers), text(&answer.body)),
            None => Default::default(),
        };
        Self {
            method: exchange.method.as_str().to_owned(),
            target: text(&exchange.target),
            headers: pairs(&exchange.headers),
            body: text(&exchange.body),
            status,
            answer_headers,
            answer,
        }
    }

    pub(crate) fn exchange(&self) -> Exchange {
        // What isn't base64 was not written by us, and says nothing.
        let bytes = |text: &String| Bytes::from(STANDARD.decode(text).unwrap_or_default());
        let pairs = |pairs: &[(String, String)]| {
            pairs.iter().map(|(name, value)| (bytes(name), bytes(value))).collect()
        };
        Exchange {
            method: converge::Method::parse(self.method.as_bytes()),
            target: bytes(&self.target),
            headers: pairs(&self.headers),
            body: bytes(&self.body),
            body_state: BodyState::Whole,
            answer: Some(Answer {
                status: self.status,
                headers: pairs(&self.answer_headers),
                body: bytes(&self.answer),
            }),
        }
    }
}

/// What the board says to one member.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// Everything that was captured before has been read, by whoever reads it. 0 while a partition moves.
    pub(crate) read: u64,
    /// The others' marks; 0 while a partition moves.
    pub(crate) done: u64,
    pub(crate) began: u64,
    pub(crate) held: u64,
    /// It is this member's turn.
    pub(crate) turn: bool,
    /// Others wait for it.
    pub(crate) awaited: bool,
    pub(crate) members: usize,
    /// What the member had said of its moves.
    pub(crate) moves: u64,
    /// The others' controls.
    pub(crate) elsewhere: Announcements,
    /// Those of them that are new, with what was captured.
    pub(crate) told: Vec<(String, Told)>,
}

impl Board {
    /// Puts a member into the line of those who want the turn, or takes it out.
    pub(super) fn line_up(&mut self, me: &str, wants: bool) {
        let is_there = self.turns.iter().any(|member| member == me);
        match (wants, is_there) {
            (true, false) => self.turns.push(me.to_owned()),
            (false, true) => self.turns.retain(|member| member != me),
            _ => {}
        }
    }

    pub(super) fn remove(&mut self, member: &str) {
        self.members.remove(member);
        self.turns.retain(|other| other != member);
    }

    pub(super) fn seen_by(&self, me: &str, partitions: usize) -> View {
        let read: BTreeSet<i32> =
            self.members.values().flat_map(|member| member.partitions.iter().copied()).collect();
        let all_are_read = (0..partitions as i32).all(|partition| read.contains(&partition));
        let least = |members: &mut dyn Iterator<Item = u64>| match all_are_read {
            true => members.min().unwrap_or(u64::MAX),
            false => 0,
        };
        let others = || self.members.iter().filter(|(name, _)| *name != me).map(|(_, other)| other);
        let reading = self.members.values().filter(|member| !member.partitions.is_empty());
        View {
            read: least(&mut reading.map(|member| member.read)),
            done: least(&mut others().map(|other| other.done)),
            began: least(&mut others().map(|other| other.began)),
            held: least(&mut others().map(|other| other.held)),
            turn: self.turns.first().is_some_and(|first| first == me),
            awaited: self.turns.iter().any(|member| member != me),
            members: self.members.len(),
            moves: 0,
            elsewhere: all_of(others().map(|other| &other.controls)),
            told: Vec::new(),
        }
    }
}

/// Where a partition has just moved, two may have announced the same: the one with an answer says more.
fn all_of<'a>(each: impl Iterator<Item = &'a Announcements>) -> Announcements {
    let mut all = Announcements::new();
    for (name, announced) in each.flatten() {
        let known = all.get(name).is_some_and(|known: &Announced| known.answered.is_some());
        if !known {
            all.insert(name.clone(), announced.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(partitions: &[i32], mark: u64) -> Member {
        let partitions = partitions.to_vec();
        Member { partitions, read: mark, done: mark, began: mark, held: mark, ..Member::default() }
    }

    fn board(members: &[(&str, Member)]) -> Board {
        let members = members.iter().map(|(name, member)| ((*name).into(), member.clone()));
        Board { members: members.collect(), turns: Vec::new() }
    }

    #[test]
    fn a_partition_that_moves_stops_what_needs_all() {
        let marks = |board: &Board| {
            let view = board.seen_by("a", 3);
            (view.read, view.done, view.began, view.held)
        };
        let both = board(&[("a", member(&[0, 1], 50)), ("b", member(&[2], 70))]);
        assert_eq!(marks(&both), (50, 70, 70, 70));
        let moving = board(&[("a", member(&[0, 1], 50)), ("b", member(&[], 70))]);
        assert_eq!(marks(&moving), (0, 0, 0, 0));
        // Alone, it waits for nobody; and who reads nothing holds nobody up but by what it has not finished.
        assert_eq!(
            marks(&board(&[("a", member(&[0, 1, 2], 50))])),
            (50, u64::MAX, u64::MAX, u64::MAX)
        );
        let idle = board(&[("a", member(&[0, 1, 2], 50)), ("b", member(&[], 40))]);
        assert_eq!(marks(&idle), (50, 40, 40, 40));
    }

    #[test]
    fn turns_go_round_and_end_with_their_holder() {
        let mut board = board(&[("a", member(&[0], 1)), ("b", member(&[1], 1))]);
        board.line_up("a", true);
        board.line_up("b", true);
        board.line_up("a", true);
        assert_eq!(board.turns, ["a", "b"]);
        assert!(board.seen_by("a", 2).turn && board.seen_by("a", 2).awaited);
        assert!(!board.seen_by("b", 2).turn);
        board.remove("a");
        assert!(board.seen_by("b", 2).turn && !board.seen_by("b", 2).awaited);
        board.line_up("b", false);
        assert!(!board.seen_by("b", 2).turn);
    }

    #[test]
    fn a_control_is_told_as_it_was_captured() {
        let exchange = Exchange {
            method: converge::Method::Put,
            target: "/i?x=%20".into(),
            headers: vec![("content-type".into(), "application/json".into())],
            body: "{\"settings\":{}}".into(),
            body_state: BodyState::Whole,
            answer: Some(Answer { status: 200, headers: Vec::new(), body: "{}".into() }),
        };
        let text = serde_json::to_string(&Told::of(&exchange)).unwrap();
        let told: Told = serde_json::from_str(&text).unwrap();
        assert_eq!(format!("{:?}", told.exchange()), format!("{exchange:?}"));
        for scope in [Scope::All, Scope::Indices(vec!["a*".into(), "b".into()])] {
            assert_eq!(Announced::deleting(1, &scope).scope(), Some(scope));
        }
    }
}
