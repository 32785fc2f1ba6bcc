//! What clients do to the source, all at once, and what of it is captured.

use bytes::Bytes;
use converge::{Answer, BodyState, Exchange, Method};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::source::{Action, Reply, Source, Verb};
use super::{one_in, pick};

/// One captured exchange.
#[derive(Clone, Debug)]
pub struct Captured {
    /// When its first byte and its end are captured, by the source's clock.
    pub began: u64,
    pub ended: u64,
    /// How much the clock of its proxy is ahead.
    pub ahead: u64,
    request: Planned,
    fate: Fate,
    filter: Filter,
    /// Sent as SMILE, as far as the replayer can tell.
    unreadable: bool,
    /// When each action is executed; `None` is never.
    executes: Vec<Option<u64>>,
    replies: Vec<Option<Reply>>,
}

#[derive(Clone, Debug)]
enum Planned {
    Single(Action),
    Bulk(Vec<Action>),
    DeleteIndex(String),
    CreateIndex(String),
    /// `_delete_by_query` or `_update_by_query`, of about half of the documents.
    ByQuery {
        index: String,
        deletes: bool,
        salt: usize,
    },
    /// Has [`ALIAS`] lead to this index alone.
    LeadAlias(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    /// The answer isn't captured.
    Lost,
    /// 503, whatever was executed.
    Error,
    /// The request isn't complete: so many of its actions arrived.
    Cut(usize),
    /// A recent Elasticsearch refuses a bulk after so many actions.
    RefusedMidway(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    None,
    /// As Beats and Logstash ask for.
    Beats,
    Errors,
    /// Items without an error are left out.
    OnlyErrors,
}

const INDICES: [&str; 4] = ["a", "a", "b", "piped"];

/// An alias that leads to one index or another.
pub const ALIAS: &str = "alias";

/// The indices that it may lead to.
pub const BEHIND_ALIAS: [&str; 2] = ["a", "b"];
const IDS: [&str; 6] = ["1", "2", "3", "x/y z", "5", "6"];
const ROUTINGS: [&str; 3] = ["r", "s&t", "7"];

/// The longest time for which a request may be executed after its connection is gone.
pub const GRACE: u64 = 60;

/// How far two proxies' clocks may be apart.
pub const SKEW: u64 = 3;

pub struct History {
    pub captured: Vec<Captured>,
    /// (time, exchange, action), in order.
    events: std::iter::Peekable<std::vec::IntoIter<(u64, usize, usize)>>,
}

impl History {
    pub fn plan(rng: &mut StdRng, recent: bool) -> Self {
        let mut captured = Vec::new();
        let skewed = one_in(rng, 2);
        for connection in 0..rng.random_range(2..6u32) {
            let ahead = if skewed { rng.random_range(0..=SKEW) } else { 0 };
            let mut now = rng.random_range(0..20);
            for number in 0..rng.random_range(1..9u32) {
                let began = now;
                let ended = began + rng.random_range(1..40);
                now = ended + rng.random_range(0..20);
                captured.push(Captured::plan(
                    rng,
                    recent,
                    (began, ended, ahead),
                    (connection, number),
                ));
            }
        }
        let mut events: Vec<(u64, usize, usize)> = Vec::new();
        for (number, exchange) in captured.iter().enumerate() {
            for (place, time) in exchange.executes.iter().enumerate() {
                events.extend(time.map(|time| (time, number, place)));
            }
        }
        events.shuffle(rng);
        events.sort_by_key(|(time, ..)| *time);
        Self { captured, events: events.into_iter().peekable() }
    }

    /// Without the others.
    pub fn only(self, numbers: &[usize]) -> Self {
        let place = |number: usize| numbers.iter().position(|kept| *kept == number);
        let events: Vec<_> = self
            .events
            .filter_map(|(time, number, action)| Some((time, place(number)?, action)))
            .collect();
        let captured = numbers.iter().map(|number| self.captured[*number].clone()).collect();
        Self { captured, events: events.into_iter().peekable() }
    }

    /// Lets the source execute what it executes until a time.
    pub fn run_until(&mut self, now: u64, source: &mut Source, rng: &mut StdRng) {
        while let Some((time, number, place)) = self.events.next_if(|(time, ..)| *time <= now) {
            source.now = time;
            if one_in(rng, 40) {
                source.fail_over(rng);
            }
            let exchange = &mut self.captured[number];
            let reply = match &exchange.request {
                Planned::Single(action) => source.execute(action, rng),
                Planned::Bulk(actions) => source.execute(&actions[place], rng),
                Planned::DeleteIndex(index) => control(index, source.delete(index), 404),
                Planned::CreateIndex(index) => control(index, source.create(index), 400),
                Planned::LeadAlias(index) => control(index, source.lead_alias(index), 404),
                Planned::ByQuery { index, deletes, salt } => {
                    let changed = source.by_query(index, *deletes, *salt);
                    let mut reply = control(index, changed.is_some(), 404);
                    reply.version = changed.unwrap_or_default();
                    reply
                }
            };
            exchange.replies[place] = Some(reply);
        }
    }

    /// When all is over.
    pub fn end(&self) -> u64 {
        self.captured.iter().map(|exchange| exchange.closes()).max().unwrap_or(0) + SKEW
    }
}

fn lead_alias(index: &str) -> String {
    let remove = BEHIND_ALIAS
        .map(|index| format!("{{\"remove\":{{\"index\":\"{index}\",\"alias\":\"{ALIAS}\"}}}}"));
    let add = format!("{{\"add\":{{\"index\":\"{index}\",\"alias\":\"{ALIAS}\"}}}}");
    format!("{{\"actions\":[{},{add}]}}", remove.join(","))
}

fn control(index: &str, done: bool, refused: u16) -> Reply {
    Reply {
        status: if done { 200 } else { refused },
        index: index.to_owned(),
        id: String::new(),
        result: "",
        version: 0,
        seq_no: 0,
        primary_term: 0,
        error: (!done).then_some("index_not_found_exception"),
    }
}

impl Captured {
    fn plan(
        rng: &mut StdRng,
        recent: bool,
        (began, ended, ahead): (u64, u64, u64),
        number: (u32, u32),
    ) -> Self {
        let index = (*pick(rng, &INDICES)).to_owned();
        let request = match rng.random_range(0..26) {
            0 => Planned::DeleteIndex(index),
            1 => Planned::CreateIndex(index),
            24 => {
                let (deletes, salt) = (one_in(rng, 2), rng.random_range(0..8));
                Planned::ByQuery { index, deletes, salt }
            }
            25 => Planned::LeadAlias((*pick(rng, &BEHIND_ALIAS)).to_owned()),
            2..14 => Planned::Single(action(rng, (number.0, number.1, 0))),
            _ => {
                let count = rng.random_range(1..7);
                Planned::Bulk(
                    (0..count).map(|place| action(rng, (number.0, number.1, place))).collect(),
                )
            }
        };
        let count = match &request {
            Planned::Bulk(actions) => actions.len(),
            _ => 1,
        };
        let is_bulk = matches!(request, Planned::Bulk(_));
        let some = |rng: &mut StdRng| rng.random_range(0..=count);
        let fate = match rng.random_range(0..20) {
            0 => Fate::Lost,
            1 => Fate::Error,
            2 if is_bulk => Fate::Cut(some(rng)),
            3 if is_bulk && recent => Fate::RefusedMidway(some(rng)),
            _ => Fate::Answered,
        };
        // What is answered was executed before; what lost its answer may be executed later, or not
        // at all.
        let executes = (0..count)
            .map(|place| match fate {
                Fate::Answered => Some(rng.random_range(began..=ended)),
                Fate::Cut(arrived) if !recent || place >= arrived => None,
                Fate::RefusedMidway(arrived) if place >= arrived => None,
                _ if one_in(rng, 3) => None,
                Fate::Lost | Fate::Cut(_) => Some(rng.random_range(began..=ended + GRACE / 2)),
                Fate::Error | Fate::RefusedMidway(_) => Some(rng.random_range(began..=ended)),
            })
            .collect();
        let filter = match rng.random_range(0..8) {
            0 => Filter::Beats,
            1 => Filter::Errors,
            2 => Filter::OnlyErrors,
            _ => Filter::None,
        };
        let filter = if is_bulk { filter } else { Filter::None };
        let is_write = matches!(request, Planned::Single(_) | Planned::Bulk(_));
        let unreadable = is_write && one_in(rng, 40);
        let replies = vec![None; count];
        Self { began, ended, ahead, request, fate, filter, unreadable, executes, replies }
    }

    /// When the source has surely finished with it.
    pub fn closes(&self) -> u64 {
        match self.fate {
            Fate::Lost | Fate::Cut(_) => self.ended + GRACE,
            _ => self.ended,
        }
    }

    /// The request, as it is known before there is an answer.
    pub fn request(&self, rng: &mut StdRng) -> Exchange {
        let (method, target, body) = match &self.request {
            Planned::Single(action) => single(action),
            Planned::Bulk(actions) => {
                (Method::Post, format!("/_bulk{}", self.filter.query()), bulk(actions))
            }
            Planned::DeleteIndex(index) => (Method::Delete, format!("/{index}"), String::new()),
            Planned::CreateIndex(index) => (Method::Put, format!("/{index}"), "{}".to_owned()),
            Planned::ByQuery { index, deletes, .. } => {
                let verb = if *deletes { "delete" } else { "update" };
                (
                    Method::Post,
                    format!("/{index}/_{verb}_by_query?conflicts=proceed"),
                    "{}".to_owned(),
                )
            }
            Planned::LeadAlias(index) => (Method::Post, "/_aliases".to_owned(), lead_alias(index)),
        };
        let mut body = Bytes::from(body);
        let mut body_state = BodyState::Whole;
        if let (Fate::Cut(arrived), Planned::Bulk(actions)) = (self.fate, &self.request) {
            let whole = bulk(&actions[..arrived]).len();
            body.truncate((whole + rng.random_range(0..5)).min(body.len()));
            body_state = BodyState::Cut;
        }
        if self.unreadable {
            (body, body_state) = (Bytes::new(), BodyState::Unreadable);
        }
        Exchange {
            method,
            target: Bytes::from(target),
            headers: Vec::new(),
            body,
            body_state,
            answer: None,
        }
    }

    /// The answer, once the exchange is over.
    pub fn answer(&self, rng: &mut StdRng) -> Option<Answer> {
        let (status, body) = match self.fate {
            Fate::Lost | Fate::Cut(_) => return None,
            Fate::Error if one_in(rng, 2) => (503, "<html>".to_owned()),
            Fate::Error => (
                503,
                "{\"error\":{\"type\":\"unavailable_shards_exception\"},\"status\":503}".to_owned(),
            ),
            Fate::RefusedMidway(_) => {
                (400, "{\"error\":{\"type\":\"x\"},\"status\":400}".to_owned())
            }
            Fate::Answered => match (&self.request, self.replies.as_slice()) {
                (Planned::Bulk(actions), replies) => (200, self.bulk_answer(actions, replies, rng)),
                (Planned::Single(_), [Some(reply)]) => {
                    (reply.status, object(reply.fields(false), rng))
                }
                (Planned::ByQuery { deletes, .. }, [Some(reply)]) if reply.error.is_none() => {
                    let (deleted, updated) = match deletes {
                        true => (reply.version, 0),
                        false => (0, reply.version),
                    };
                    (200, format!("{{\"took\":1,\"updated\":{updated},\"deleted\":{deleted}}}"))
                }
                (_, [Some(reply)]) if reply.error.is_none() => {
                    (200, format!("{{\"acknowledged\":true,\"index\":\"{}\"}}", reply.index))
                }
                (_, [Some(reply)]) => (reply.status, object(reply.fields(false), rng)),
                _ => unreachable!("what is answered was executed"),
            },
        };
        Some(Answer { status, headers: Vec::new(), body: Bytes::from(body) })
    }

    fn bulk_answer(
        &self,
        actions: &[Action],
        replies: &[Option<Reply>],
        rng: &mut StdRng,
    ) -> String {
        if self.filter == Filter::Errors {
            return "{\"errors\":false}".to_owned();
        }
        let mut items = Vec::new();
        for (action, reply) in actions.iter().zip(replies) {
            let mut reply = reply.clone().expect("what is answered was executed");
            if reply.error.is_none() && one_in(rng, 30) {
                // Executed, but a replica didn't answer in time.
                reply.status = 503;
                reply.error = Some("unavailable_shards_exception");
            }
            let mut fields = reply.fields(true);
            match self.filter {
                Filter::Beats => fields.retain(|(name, _)| matches!(*name, "error" | "status")),
                Filter::OnlyErrors => fields.retain(|(name, _)| *name == "error"),
                Filter::None | Filter::Errors => {}
            }
            if !fields.is_empty() {
                items.push(format!("{{\"{}\":{}}}", action.verb.name(), object(fields, rng)));
            }
        }
        format!("{{\"took\":3,\"errors\":false,\"items\":[{}]}}", items.join(","))
    }
}

impl Filter {
    fn query(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Beats => "?filter_path=errors,items.*.error,items.*.status",
            Self::Errors => "?filter_path=errors",
            Self::OnlyErrors => "?filter_path=items.*.error",
        }
    }
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Update | Self::UpdateDeletes | Self::UpdateNoop => "update",
        }
    }
}

fn action(rng: &mut StdRng, (connection, number, place): (u32, u32, u32)) -> Action {
    let verb = *pick(
        rng,
        &[
            Verb::Index,
            Verb::Index,
            Verb::Index,
            Verb::Create,
            Verb::Delete,
            Verb::Delete,
            Verb::Update,
            Verb::UpdateDeletes,
            Verb::UpdateNoop,
        ],
    );
    let makes = matches!(verb, Verb::Index | Verb::Create);
    let generated = makes && one_in(rng, 4);
    Action {
        verb,
        index: match one_in(rng, 8) {
            true => ALIAS.to_owned(),
            false => (*pick(rng, &INDICES)).to_owned(),
        },
        id: (!generated).then(|| (*pick(rng, &IDS)).to_owned()),
        routing: one_in(rng, 4).then(|| (*pick(rng, &ROUTINGS)).to_owned()),
        pipeline: (makes && one_in(rng, 6)).then(|| *pick(rng, &["adds", "drops", "_none"])),
        body: format!("{{\"by\": \"{connection}.{number}.{place}\"}}"),
        unfit: makes && one_in(rng, 12),
    }
}

fn single(action: &Action) -> (Method, String, String) {
    let mut query: Vec<String> = Vec::new();
    query.extend(
        action.routing.as_ref().map(|routing| format!("routing={}", routing.replace('&', "%26"))),
    );
    query.extend(action.pipeline.map(|pipeline| format!("pipeline={pipeline}")));
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let index = &action.index;
    let id =
        action.id.as_ref().map(|id| format!("/{}", id.replace('/', "%2F").replace(' ', "%20")));
    let id = id.unwrap_or_default();
    match action.verb {
        Verb::Index if id.is_empty() => {
            (Method::Post, format!("/{index}/_doc{query}"), action.body.clone())
        }
        Verb::Create if id.is_empty() => {
            (Method::Post, format!("/{index}/_doc{query}"), action.body.clone())
        }
        Verb::Index => (Method::Put, format!("/{index}/_doc{id}{query}"), action.body.clone()),
        Verb::Create => (Method::Put, format!("/{index}/_create{id}{query}"), action.body.clone()),
        Verb::Delete => (Method::Delete, format!("/{index}/_doc{id}{query}"), String::new()),
        Verb::Update | Verb::UpdateDeletes | Verb::UpdateNoop => {
            (Method::Post, format!("/{index}/_update{id}{query}"), "{\"doc\":{}}".to_owned())
        }
    }
}

fn bulk(actions: &[Action]) -> String {
    let mut body = String::new();
    for action in actions {
        let mut metadata = vec![format!("\"_index\":\"{}\"", action.index)];
        metadata.extend(action.id.as_ref().map(|id| format!("\"_id\":\"{id}\"")));
        metadata
            .extend(action.routing.as_ref().map(|routing| format!("\"routing\":\"{routing}\"")));
        metadata.extend(action.pipeline.map(|pipeline| format!("\"pipeline\":\"{pipeline}\"")));
        body.push_str(&format!("{{\"{}\":{{{}}}}}\n", action.verb.name(), metadata.join(",")));
        match action.verb {
            Verb::Delete => {}
            Verb::Index | Verb::Create => {
                body.push_str(&action.body);
                body.push('\n');
            }
            _ => body.push_str("{\"doc\":{}}\n"),
        }
    }
    body
}

/// A JSON object in any order of keys, compact or pretty.
fn object(mut fields: Vec<(&'static str, String)>, rng: &mut StdRng) -> String {
    if one_in(rng, 4) {
        fields.shuffle(rng);
    }
    let (between, colon) = if one_in(rng, 4) { (",\n  ", " : ") } else { (",", ":") };
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("\"{name}\"{colon}{value}")).collect();
    format!("{{{}}}", fields.join(between))
}
