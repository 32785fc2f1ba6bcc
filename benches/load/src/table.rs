//! The figures at the end, as a table.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::client::{Class, Figures};

/// Requests by kind, as the clients saw them.
#[must_use]
pub fn requests(source: &Figures) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header([
        "requests",
        "sent",
        "documents",
        "p50 ms",
        "p99 ms",
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let millis = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    let mut totals = [0_u64; 2];
    for class in Class::ALL {
        let counts = [source.requests(class), source.documents[class as usize]];
        totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
        table.add_row([
            class.name().to_owned(),
            counts[0].to_string(),
            counts[1].to_string(),
            millis(source.millis(class, 0.5)),
            millis(source.millis(class, 0.99)),
        ]);
    }
    let [sent, documents] = totals.map(|total| total.to_string());
    let dash = || "-".to_owned();
    table.add_row(["all".to_owned(), sent, documents, dash(), dash()]);
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
        let text = requests(&source).to_string();
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
