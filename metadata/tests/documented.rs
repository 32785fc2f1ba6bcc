//! The table of rules in docs/metadata.md is made of the rules themselves: `GODWIT_UPDATE=1` writes it anew.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::fmt::Write as _;

const BEGIN: &str = "<!-- made by metadata/tests/documented.rs: begin -->\n";
const END: &str = "<!-- end -->\n";

/// A section for each area, a line for each rule.
fn table() -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let mut table = String::new();
    let mut area = "";
    for rule in transform::catalogue() {
        if rule.area != area {
            area = rule.area;
            write!(
                table,
                "\n### Rules: {area}\n\n| what | versions | becomes | why |\n|---|---|---|---|\n"
            )
            .unwrap();
        }
        let (what, versions) = (cell(&rule.what), cell(&rule.versions));
        let (becomes, why) = (cell(&rule.becomes), cell(rule.why));
        writeln!(table, "| `{what}` | {versions} | {becomes} | {why} |").unwrap();
    }
    table.push('\n');
    table
}

#[test]
fn the_document_has_every_rule() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metadata.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (held, after) = rest.split_once(END).unwrap();
    let table = table();
    if std::env::var_os("GODWIT_UPDATE").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert!(
        held == table,
        "docs/metadata.md isn't what the rules say; run this with GODWIT_UPDATE=1"
    );
}
