//! The figures at the end, as tables.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::client::{Class, Figures};
use crate::programs::Summary;
use crate::replayed::Replayed;

/// Requests by kind: what the clients saw of the source through the proxy, and what the replayer saw
/// of the target.
#[must_use]
pub fn requests(source: &Figures, replayed: &Replayed) -> Table {
    let mut table = empty(&[
        "requests",
        "sent",
        "documents",
        "source p50 ms",
        "p99 ms",
        "replayed",
        "target p50 ms",
        "p99 ms",
        "statuses that differ",
    ]);
    let millis = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    let mut totals = [0_u64; 4];
    for class in Class::ALL {
        let target = &replayed.target;
        let counts = [
            source.requests(class),
            source.documents[class as usize],
            target.requests(class),
            replayed.statuses_that_differ[class as usize],
        ];
        totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
        table.add_row([
            class.name().to_owned(),
            counts[0].to_string(),
            counts[1].to_string(),
            millis(source.millis(class, 0.5)),
            millis(source.millis(class, 0.99)),
            counts[2].to_string(),
            millis(target.millis(class, 0.5)),
            millis(target.millis(class, 0.99)),
            counts[3].to_string(),
        ]);
    }
    let [sent, documents, replayed, differ] = totals.map(|total| total.to_string());
    let dash = || "-".to_owned();
    let name = "all".to_owned();
    table.add_row([name, sent, documents, dash(), dash(), replayed, dash(), dash(), differ]);
    table
}

/// What the replayer did with the operations of the journal, replay by replay.
#[must_use]
pub fn operations(replays: &[(&str, Summary)]) -> Table {
    let mut table = empty(&[
        "operations resolved",
        "from the journal",
        "by id",
        "by sweep",
        "doubt left",
        "failed",
        "seconds",
    ]);
    for (name, replay) in replays {
        table.add_row([
            (*name).to_owned(),
            replay.journal.to_string(),
            replay.id.to_string(),
            replay.sweep.to_string(),
            replay.doubt_left.to_string(),
            replay.failed.to_string(),
            format!("{:.1}", replay.took.as_secs_f64()),
        ]);
    }
    table
}

fn empty(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header.iter().copied());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rows_add_up() {
        let mut source = Figures::default();
        source.record(Class::Bulk, Duration::from_millis(3), 250);
        source.record(Class::Read, Duration::from_millis(1), 0);
        let text = requests(&source, &Replayed::default()).to_string();
        let all: Vec<&str> = text
            .lines()
            .find(|line| line.contains(" all "))
            .unwrap()
            .split('┆')
            .map(|cell| cell.trim_matches([' ', '│']))
            .collect();
        assert_eq!(all[..3], ["all", "2", "250"]);
    }
}
