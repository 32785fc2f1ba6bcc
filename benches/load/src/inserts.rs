//! The first load: everything that the journal alone proves. Bulks with all cities; between them
//! single writes, generated ids, deletes, documents created again, documents that all clients write
//! at once, conditional writes, refused writes, reads.

use rand::Rng;

use crate::bulk::{Action, Answer, Bulk};
use crate::writer::Writer;

const BATCH: usize = 250;
const SINGLES: usize = 12;

/// Runs one client to its end.
///
/// # Errors
/// When the cluster refuses what it should take.
pub async fn run(writer: &mut Writer) -> anyhow::Result<()> {
    let own = writer.own.clone();
    for (round, cities) in own.chunks(BATCH).enumerate() {
        let bulk = batch(writer, cities, round);
        writer.bulk(&bulk, Answer::Full).await?;
        for _ in 0..SINGLES {
            single(writer).await?;
        }
    }
    Ok(())
}

fn batch(writer: &mut Writer, cities: &[usize], round: usize) -> Bulk {
    let mut bulk = Bulk::default();
    for city in cities {
        let document = writer.document(*city);
        let action = if city % 5 == 0 { Action::Create(document) } else { Action::Index(document) };
        bulk.writes.push(Writer::to_own(*city, action));
        if city % 17 == 0 {
            let generated = writer.to_generated();
            bulk.writes.push(generated);
        }
    }
    if round % 3 == 2 {
        for _ in 0..12 {
            let city = writer.any_own();
            let document = writer.document(city);
            let hot = writer.document(city);
            let (own, hot) = match writer.random.random_range(0..3) {
                0 => (Action::Delete, Action::Delete),
                1 => (Action::Index(document), Action::Index(hot)),
                _ => (Action::Create(document), Action::Create(hot)),
            };
            bulk.writes.push(Writer::to_own(city, own));
            let hot = writer.to_hot(hot);
            bulk.writes.push(hot);
        }
    }
    bulk
}

async fn single(writer: &mut Writer) -> anyhow::Result<()> {
    let city = writer.any_own();
    let document = writer.document(city);
    let number = writer.random.random_range(0..60);
    let (write, query) = match writer.random.random_range(0..15) {
        0 => (Writer::to_own(city, Action::Index(document)), ""),
        1 => (Writer::to_own(city, Action::Delete), ""),
        2 => (Writer::to_own(city, Action::Create(document)), ""),
        3 => (Writer::to_own(city, Action::Index(document)), "op_type=create"),
        4 => (writer.to_generated(), ""),
        5 => match writer.to_told() {
            Some(write) => (write, ""),
            None => (writer.to_generated(), ""),
        },
        6 => (writer.to_routed(number, Action::Index(document)), ""),
        7 => (writer.to_routed(number, Action::Delete), ""),
        8 | 9 => (writer.to_hot(Action::Index(document)), ""),
        10 => (writer.to_hot(Action::Create(document)), ""),
        11 => (writer.to_hot(Action::Delete), ""),
        12 => {
            let (write, query) = writer.conditional();
            return writer.single(&write, &query).await;
        }
        _ => return writer.read().await,
    };
    writer.single(&write, query).await
}
