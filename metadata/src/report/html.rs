//! The report as one page that needs nothing else.

use std::fmt::Write as _;

use super::{Report, table};
use crate::{Planned, State};

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Metadata</title>\n<style>\
body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#222;background:#fff}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}\
code{font-size:12px;overflow-wrap:anywhere}summary{cursor:pointer}ul{margin:.3rem 0}\
.unsupported,.refused,.missing,.different,.unanswered{color:#a40000}.create,.created,.equal{color:#006400}.skipped{color:#777}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}td,th{border-color:#444}\
.unsupported,.refused,.missing,.different,.unanswered{color:#ff8080}.create,.created,.equal{color:#80d080}}\
</style>\n";

/// The whole page.
pub fn html(report: &Report) -> String {
    let mut page = HEAD.to_owned();
    // Writing to a string doesn't fail.
    let _ = body(report, &mut page);
    page
}

fn body(report: &Report, page: &mut String) -> std::fmt::Result {
    writeln!(page, "<h1>Metadata: {}</h1>", escape(report.command))?;
    for (role, side) in [("source", &report.source), ("target", &report.target)] {
        let (version, place) = (escape(&side.version), escape(&side.place));
        writeln!(page, "<p>{role}: {version}, <code>{place}</code></p>")?;
    }
    let counts = report.counts.iter().chain(&report.outcomes);
    let counts: Vec<String> = counts.map(|(what, count)| format!("{count} {what}")).collect();
    writeln!(page, "<p><strong>{}</strong><br>{}</p>", report.verdict(), counts.join(", "))?;
    for note in &report.notes {
        writeln!(page, "<p>note: {}</p>", escape(note))?;
    }
    writeln!(
        page,
        "<table>\n<tr><th>kind<th>name<th>state<th>result<th>read back<th>what changed, and why</tr>"
    )?;
    for line in &report.items {
        let item = &line.item;
        let state = match &item.state {
            skipped @ State::Skipped(_) => skipped.to_string(),
            state => state.name().to_owned(),
        };
        let outcome = line.outcome.as_ref().map_or("", |outcome| outcome.name());
        let found = line.verified.as_ref().map_or("", table::found);
        writeln!(
            page,
            "<tr><td>{}<td><code>{}</code>{}<td class=\"{}\">{}<td class=\"{}\">{outcome}<td class=\"{found}\">{found}<td>{}</tr>",
            item.kind,
            escape(&item.name),
            renamed(item),
            class(item.state.name()),
            escape(&state),
            class(outcome),
            details(&table::texts(line)),
        )?;
    }
    writeln!(page, "</table>\n</html>")
}

fn renamed(item: &Planned) -> String {
    let of = item.source_name.as_ref();
    of.map(|name| format!("<br>was <code>{}</code>", escape(name))).unwrap_or_default()
}

fn details(texts: &[String]) -> String {
    if texts.is_empty() {
        return String::new();
    }
    let items: Vec<String> =
        texts.iter().map(|text| format!("<li><code>{}</code></li>", escape(text))).collect();
    format!("<details><summary>{}</summary><ul>{}</ul></details>", texts.len(), items.concat())
}

fn class(name: &str) -> &str {
    name.split(' ').next_back().unwrap_or_default()
}

/// Names and values are other people's: none of them is markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_others_is_markup() {
        assert_eq!(escape("<b a=\"x\" c='y'>&"), "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;");
        assert_eq!(class("exists different"), "different");
    }
}
