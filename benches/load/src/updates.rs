//! The second load: what can't be known without the source. Partial updates, scripts (some that
//! delete, some that do nothing), upserts, bulks whose answers were filtered, writes that are
//! refused; and deletes and plain writes between them.

use rand::Rng;
use serde_json::{Value, json};

use crate::bulk::{Action, Answer, Bulk};
use crate::writer::{REFUSED, Writer};

/// A client does as many rounds as its cities make batches of this many.
const CITIES_A_ROUND: usize = 250;
const FILTERED: usize = 60;
const UPDATES_IN_BULK: usize = 15;
const SINGLES: usize = 10;

// Sources never change, values are parameters: a cluster compiles only so many scripts a minute.
const COUNT: &str = "ctx._source.visits += params.by";
const COUNT_OR_DELETE: &str =
    "if (ctx._source.visits > params.most) { ctx.op = 'delete' } else { ctx._source.visits += 1 }";
const NOTHING: &str = "ctx.op = 'none'";

/// Runs one client to its end.
///
/// # Errors
/// When the cluster refuses what it should take.
pub async fn run(writer: &mut Writer) -> anyhow::Result<()> {
    for round in 0..writer.own.len().div_ceil(CITIES_A_ROUND) {
        let bulk = filtered(writer);
        let answer = if round % 4 == 3 { Answer::Errors } else { Answer::Statuses };
        writer.bulk(&bulk, answer).await?;
        let bulk = updates(writer);
        writer.bulk(&bulk, Answer::Full).await?;
        for _ in 0..SINGLES {
            single(writer).await?;
        }
    }
    Ok(())
}

fn filtered(writer: &mut Writer) -> Bulk {
    let mut bulk = Bulk::default();
    for number in 0..FILTERED {
        let city = writer.any_own();
        let document = writer.document(city);
        let write = match number % 12 {
            0 | 1 => Writer::to_own(city, Action::Delete),
            2..5 => writer.to_generated(),
            5 => writer.to_hot(Action::Index(document)),
            _ => Writer::to_own(city, Action::Index(document)),
        };
        bulk.writes.push(write);
    }
    bulk
}

fn updates(writer: &mut Writer) -> Bulk {
    let mut bulk = Bulk::default();
    for _ in 0..UPDATES_IN_BULK {
        let mut body = update(writer);
        if writer.once_in(2) {
            body["_source"] = json!(true);
        }
        let city = writer.any_own();
        let write = if writer.once_in(3) {
            writer.to_hot(Action::Update(body))
        } else {
            Writer::to_own(city, Action::Update(body))
        };
        bulk.writes.push(write);
    }
    bulk
}

/// The body of an update; some create what isn't there.
fn update(writer: &mut Writer) -> Value {
    let city = writer.any_own();
    let document = writer.document(city);
    let part = json!({"note": format!("seen by {}", writer.number), "tags": [document["writer"]]});
    let script = |source: &str, params: Value| json!({"source": source, "params": params});
    match writer.random.random_range(0..8) {
        0..3 => json!({"doc": part}),
        3 => json!({"script": script(COUNT, json!({"by": 1}))}),
        4 => json!({"script": script(COUNT_OR_DELETE, json!({"most": 3}))}),
        5 => json!({"script": script(NOTHING, json!({}))}),
        6 => json!({"doc": document, "doc_as_upsert": true}),
        _ => json!({"script": script(COUNT, json!({"by": 2})), "upsert": document}),
    }
}

async fn single(writer: &mut Writer) -> anyhow::Result<()> {
    let city = writer.any_own();
    let number = writer.random.random_range(0..60);
    let update = Action::Update(update(writer));
    let document = writer.document(city);
    let (write, query) = match writer.random.random_range(0..14) {
        0 => (Writer::to_own(city, update), ""),
        1 | 2 => (Writer::to_own(city, update), "_source=true"),
        3 | 4 => (writer.to_hot(update), "_source=true&retry_on_conflict=3"),
        5 => (writer.to_hot(update), ""),
        6 => (writer.to_routed(number, update), "_source=true"),
        7 => (writer.to_hot(Action::Delete), ""),
        8 => (Writer::to_own(city, Action::Delete), ""),
        9 => (Writer::to_own(city, Action::Create(document)), ""),
        10 => {
            let wrong = json!({"location": "nowhere at all", "writer": document["writer"]});
            (Writer::to_own(city, Action::Index(wrong)), REFUSED)
        }
        11 => (Writer::to_own(city, Action::Index(document)), ""),
        _ => return writer.read().await,
    };
    writer.single(&write, query).await
}
