//! What transforms and rules would make of captured traffic, without a target.
//!
//! ```text
//! journal ─ connections ─ Captured ─ converge::interpret ─▶ the request that would be sent ─ headers, rules ─▶ Tried
//! ```
//! Nothing is sent, and nothing committed. What a replay would read from the source isn't shown: its documents go
//! through the same rules.

mod settings;
mod tried;

use std::io;

use converge::{Meaning, Rendering, interpret};
use journal::{ReadError, Reader};
use transform::{ManyTypes, Target};

use crate::{
    captured::Captured,
    connections::Connections,
    controls::beside,
    facts::Knowledge,
    message::{self, Between},
    offsets::{Claims, Offsets},
    rules::{Kept, Transforms},
    settings::Mutations,
    stream::Event,
};

pub use settings::{TryFlags, TrySettings};
pub use tried::{Outcome, Side, Totals, Tried};

/// Whose offsets they are; none are ever committed.
const GROUP: &str = "godwit-transform-try";

/// Why it can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum TryError {
    #[error(transparent)]
    Journal(#[from] ReadError),
    #[error(transparent)]
    Rules(#[from] ::rules::NoWorker),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Goes through a journal to its end, as it is now, or to `until`, and shows what would become of each request.
///
/// # Errors
/// [`TryError`], also when `show` fails.
pub async fn transform_try(
    settings: TrySettings,
    mut show: impl FnMut(&Tried) -> io::Result<()>,
) -> Result<Totals, TryError> {
    let (source, target) = (settings.transforms.source_version, Target::default());
    let between = Between { source, target };
    let transforms = Transforms::new(settings.transforms.headers, settings.transforms.rules)?;
    let mut reader = Reader::open(&settings.journal, GROUP, settings.from, &settings.kafka).await?;
    let ends = reader.ends().await?;
    let offsets = Offsets::default();
    let mut connections = Connections::new(settings.reorder_window, settings.body_limit);
    let (mut knowledge, mut next_key, mut totals) = (Knowledge::default(), 0, Totals::default());
    let mut is_over = false;
    while !is_over {
        is_over = reader.has_reached(&ends);
        let events = match is_over {
            true => connections.end(&offsets, &mut next_key, |_, _| false),
            false => {
                let entry = reader.next().await?;
                let (partition, offset, next) = (entry.partition, entry.offset, entry.next);
                let place = offsets.place(partition, offset, next);
                let is_scattered = entry.is_scattered();
                let mut own = Claims::default();
                offsets.claim(&mut own, place);
                let events = match entry.record {
                    Ok(record) if record.heartbeat.is_none() => {
                        let scattered = (place, is_scattered);
                        connections.take(record, scattered, &offsets, &mut next_key)
                    }
                    Ok(_) => Vec::new(),
                    Err(bad) => {
                        tracing::error!(%bad, "a record can't be read");
                        totals.bad_records += 1;
                        Vec::new()
                    }
                };
                offsets.release(own);
                events
            }
        };
        for event in events {
            match event {
                Event::Closed(captured) => {
                    let mut captured = *captured;
                    offsets.release(std::mem::take(&mut captured.claims));
                    if settings.until.is_some_and(|until| captured.ended > until) {
                        continue;
                    }
                    let exchange = captured.exchange(settings.mutations, settings.body_limit);
                    let tried = one(
                        &captured,
                        &exchange,
                        (settings.mutations, between),
                        &transforms,
                        &mut knowledge,
                    );
                    let tried = tried.await;
                    totals.add(&tried);
                    show(&tried)?;
                    if settings.limit.is_some_and(|limit| totals.exchanges >= limit) {
                        return Ok(totals);
                    }
                }
                Event::Cancelled { claims, .. } => offsets.release(claims),
                Event::Began { .. }
                | Event::Deletes { .. }
                | Event::Opaque { .. }
                | Event::Gap { .. } => {}
            }
        }
        // What nobody commits isn't to pile up.
        drop(offsets.take_committable());
    }
    Ok(totals)
}

async fn one(
    captured: &Captured,
    exchange: &converge::Exchange,
    (mutations, between): (Mutations, Between),
    transforms: &Transforms,
    knowledge: &mut Knowledge,
) -> Tried {
    let path = String::from_utf8_lossy(&exchange.target).into_owned();
    let method = &captured.request.method_bytes;
    let as_captured =
        || message::as_captured(between, method, exchange, &path, exchange.body.clone());
    let meaning = match mutations {
        Mutations::Mirror => None,
        Mutations::Converge => Some(interpret(exchange, &knowledge.facts(None))),
    };
    let (name, request, kept) = match &meaning {
        None => ("mirror", Some(as_captured()), Kept::Nothing),
        Some(Meaning::Read(_)) => ("read", Some(as_captured()), Kept::Nothing),
        Some(Meaning::Control(control)) => {
            knowledge.learn(exchange, control, None);
            let made = beside::request(between, ManyTypes::Split, method, exchange);
            let request = match made {
                Ok(request) => request,
                Err(why) => {
                    let asked = message::plainly(method, exchange);
                    let outcome = (Outcome::Failed { why }, Vec::new());
                    return Tried::new(captured.id(), "control", &asked, outcome);
                }
            };
            ("control", Some(request), Kept::Path)
        }
        Some(Meaning::Write(write)) => {
            let rendered = converge::render(write, Rendering::default());
            let request = rendered.map(|rendered| message::rendered(&rendered, Some(exchange)));
            ("write", request, Kept::Operations)
        }
        Some(Meaning::Doubt(_)) => ("doubt", None, Kept::Nothing),
        Some(Meaning::Nothing(_)) => ("nothing", None, Kept::Nothing),
        Some(Meaning::NotSent(_)) => ("not sent", None, Kept::Nothing),
    };
    let asked = message::plainly(method, exchange);
    // A write goes out in a form of its own; what is compared is what the rules make of that.
    let before = match (&request, kept) {
        (Some(request), Kept::Operations) => request.clone(),
        _ => asked,
    };
    let outcome = match request {
        None => (Outcome::NotSent, Vec::new()),
        Some(request) => {
            let (ruled, rules) = transforms.trace(request, exchange, kept).await;
            (Outcome::of(ruled, &before), rules)
        }
    };
    Tried::new(captured.id(), name, &before, outcome)
}
