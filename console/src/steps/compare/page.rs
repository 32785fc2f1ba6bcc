//! The report as one page: no scripts, nothing from elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use compare::traffic::Percentiles;

use super::Compared;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1b1f24}\
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d8dee4}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
.bar{background:#d8dee4;height:.6rem;border-radius:.3rem}.bar i{display:block;height:100%;border-radius:.3rem;background:#0969da}\
.t i{background:#1a7f37}code{font-size:.9em}.big{font-size:2rem;font-weight:600}.row{display:flex;gap:3rem;flex-wrap:wrap}";

/// The page.
pub(super) fn page(name: &str, compared: &Compared) -> String {
    let report = &compared.report;
    let mut out = String::new();
    let title = format!("{}: both clusters' answers", escape(name));
    let _ = write!(
        out,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><h1>{title}</h1><div class=row>"
    );
    let facts = [
        ("requests", report.requests.to_string()),
        ("answered by both", report.pairs.to_string()),
        ("reads that differ", report.differing_reads.to_string()),
        ("overlap of hits", format!("{:.2} %", report.hits.overlap * 100.0)),
    ];
    for (what, value) in facts {
        let _ = write!(out, "<div><div class=big>{value}</div>{what}</div>");
    }
    out.push_str("</div><h2>Latency, by class of endpoint (ms)</h2><table><tr><th>class<th>side<th class=n>p50<th class=n>p90<th class=n>p99<th class=n>max<th>p99");
    let slowest =
        report.classes.values().map(|class| class.source_ms.p99.max(class.target_ms.p99)).max();
    for (class, of) in &report.classes {
        latencies(&mut out, class, "source", "", &of.source_ms, slowest.unwrap_or(0));
        latencies(&mut out, "", "target", "t", &of.target_ms, slowest.unwrap_or(0));
    }
    out.push_str("</table>");
    counts(&mut out, "Statuses, source → target", &report.statuses);
    counts(&mut out, "Items of bulks, source → target", &report.items.statuses);
    let hits = &report.hits;
    let _ = write!(
        out,
        "<h2>Searches</h2><p>{} searches were answered by both sides: {} with the same total, {} with the same first {} hits.</p>",
        hits.searches, hits.same_total, hits.same_hits, hits.first
    );
    if report.before_history + report.ahead > 0 {
        let _ = write!(
            out,
            "<p>Not compared: {} that were replayed before the target had the history, {} that saw documents on the target \
             before the source had them.</p>",
            report.before_history, report.ahead
        );
    }
    if !report.examples.is_empty() {
        out.push_str("<h2>Reads that differ, the first of them</h2><table><tr><th>exchange<th>request<th>how");
        for example in &report.examples {
            let _ = write!(
                out,
                "<tr><td><code>{}</code><td><code>{} {}</code><td>{}",
                escape(&example.id),
                escape(&example.method),
                escape(&example.path),
                escape(&example.what)
            );
        }
        out.push_str("</table>");
    }
    let _ = writeln!(
        out,
        "<p>{} tuples came again, {} could not be read; {} files end in the middle, as one does that is still written.</p></html>",
        compared.repeats, compared.unreadable, compared.unfinished_files
    );
    out
}

fn latencies(
    out: &mut String,
    class: &str,
    side: &str,
    style: &str,
    of: &Percentiles,
    slowest: u64,
) {
    let share = of.p99 as f64 * 100.0 / slowest.max(1) as f64;
    let _ = write!(
        out,
        "<tr><td>{}<td>{side}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td><div class=\"bar {style}\"><i style=\"width:{share:.0}%\"></i></div>",
        escape(class),
        of.p50,
        of.p90,
        of.p99,
        of.max
    );
}

fn counts(out: &mut String, title: &str, counts: &BTreeMap<String, u64>) {
    if counts.is_empty() {
        return;
    }
    let _ = write!(out, "<h2>{title}</h2><table>");
    for (what, count) in counts {
        let _ = write!(out, "<tr><td>{}<td class=n>{count}", escape(what));
    }
    out.push_str("</table>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use compare::traffic::{Answer, Pair, Traffic};

    use super::*;

    #[test]
    fn what_clients_sent_is_not_markup() {
        let mut traffic = Traffic::new(10);
        let answer = |status| Some(Answer { status, millis: 3, body: None });
        let path = "/<script>/_search";
        let (id, class, method) = ("c.1", "search", "GET");
        traffic.add(Pair {
            id,
            class,
            method,
            path,
            source: answer(200),
            target: answer(500),
            apart: None,
        });
        let page = page(
            "move",
            &Compared { report: traffic.report(), repeats: 0, unreadable: 0, unfinished_files: 0 },
        );
        assert!(!page.contains("<script>") && page.contains("/&lt;script&gt;/_search"));
        assert!(page.contains("200 → 500") && page.ends_with("</html>\n"));
    }
}
