//! The lines of a bulk that say what is done with a document. Documents themselves are left alone, byte for byte.

use memchr::memmem;
use serde_json::Value;

use crate::{Change, catalogue::RuleLine};

/// (name in an action's line, its new one, why)
const NAMES: &[(&str, Option<&str>, &str)] = &[
    ("_type", None, "there are no types any more"),
    ("_parent", Some("routing"), "a child is where its parent is"),
    ("parent", Some("routing"), "a child is where its parent is"),
    ("_routing", Some("routing"), "its name since Elasticsearch 7"),
    ("_version", Some("version"), "its name since Elasticsearch 7"),
    ("_version_type", Some("version_type"), "its name since Elasticsearch 7"),
    ("_retry_on_conflict", Some("retry_on_conflict"), "its name since Elasticsearch 7"),
    ("_timestamp", None, "_timestamp was removed in Elasticsearch 5"),
    ("timestamp", None, "_timestamp was removed in Elasticsearch 5"),
    ("_ttl", None, "_ttl was removed in Elasticsearch 5"),
    ("ttl", None, "_ttl was removed in Elasticsearch 5"),
];

/// `None`: nothing changes, or a line is none of a bulk (the target says so itself).
pub(super) fn transform(body: &[u8], changes: &mut Vec<Change>) -> Option<Vec<u8>> {
    let mut made = Vec::with_capacity(body.len());
    let mut found = Vec::new();
    let mut lines = body.split_inclusive(|byte| *byte == b'\n');
    while let Some(line) = lines.next() {
        if line.trim_ascii().is_empty() {
            made.extend_from_slice(line);
            continue;
        }
        let mut action: Value = serde_json::from_slice(line).ok()?;
        let (kind, says) = action.as_object_mut()?.iter_mut().next()?;
        let has_document = kind != "delete";
        let before = found.len();
        for (name, new, why) in NAMES {
            let Some(says) = says.as_object_mut() else { break };
            let Some(value) = says.remove(*name) else { continue };
            if let Some(new) = new {
                says.entry(*new).or_insert(value);
            }
            let path = (*name).to_owned();
            // Once for a bulk says it.
            found.push(Change { path, why, deferred: false });
        }
        match found.len() == before {
            true => made.extend_from_slice(line),
            false => {
                made.extend_from_slice(action.to_string().as_bytes());
                made.push(b'\n');
            }
        }
        if has_document && let Some(document) = lines.next() {
            made.extend_from_slice(document);
        }
    }
    if found.is_empty() {
        return None;
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.dedup();
    changes.append(&mut found);
    Some(made)
}

/// Actions as clients write them, and whether a document follows.
const ACTIONS: [(&[u8], bool); 4] = [
    (b"{\"index\":", true),
    (b"{\"create\":", true),
    (b"{\"update\":", true),
    (b"{\"delete\":", false),
];

/// Whether a name of the table may be in the line of an action. Documents are stepped over: they are nearly all of it.
pub(super) fn may_apply(body: &[u8]) -> bool {
    let holds =
        |text: &[u8]| NAMES.iter().any(|(name, ..)| memmem::find(text, name.as_bytes()).is_some());
    let mut rest = body;
    while !rest.is_empty() {
        let line = next_line(&mut rest);
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Some((_, has_document)) = ACTIONS.iter().find(|(start, _)| line.starts_with(start))
        else {
            // Written in another way: whatever there is of it is looked at in whole.
            return holds(line) || holds(rest);
        };
        if holds(line) {
            return true;
        }
        if *has_document {
            next_line(&mut rest);
        }
    }
    false
}

fn next_line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    let line = rest.get(..end).unwrap_or_default();
    *rest = rest.get(end + 1..).unwrap_or_default();
    line
}

pub(super) fn catalogue() -> Vec<RuleLine> {
    let line = |(name, new, why): &(&str, Option<&str>, &'static str)| {
        let becomes = new.unwrap_or("-").to_owned();
        RuleLine::new("lines of bulks (mirror)", *name, "all".into(), becomes, why)
    };
    NAMES.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_lose_what_targets_refuse_and_documents_keep_every_byte() {
        let body =
            b"{\"index\":{\"_index\":\"i\",\"_type\":\"t\",\"_id\":\"1\",\"_parent\":\"p\"}}\n\
                     { \"_type\": \"mine\", \"n\": 1.50 }\n\
                     {\"delete\":{\"_index\":\"i\",\"_type\":\"t\",\"_id\":\"2\"}}\n\
                     {\"create\":{\"_index\":\"j\" }}\n{}\n";
        let mut changes = Vec::new();
        let made = transform(body, &mut changes).unwrap();
        assert_eq!(
            String::from_utf8(made).unwrap(),
            "{\"index\":{\"_id\":\"1\",\"_index\":\"i\",\"routing\":\"p\"}}\n\
             { \"_type\": \"mine\", \"n\": 1.50 }\n\
             {\"delete\":{\"_id\":\"2\",\"_index\":\"i\"}}\n\
             {\"create\":{\"_index\":\"j\" }}\n{}\n"
        );
        let paths: Vec<&str> = changes.iter().map(|change| &change.path[..]).collect();
        assert_eq!(paths, ["_parent", "_type"]);
        assert!(may_apply(body));
    }

    #[test]
    fn what_is_no_bulk_or_has_nothing_to_change_stays() {
        let mut changes = Vec::new();
        for body in [
            &b"{\"index\":{}}\n{\"_type\":1}\n"[..],
            b"no JSON \"_type\"\n",
            b"[\"_type\"]\n",
            b"{}\n",
            b"\n\n",
            b"",
        ] {
            assert_eq!(transform(body, &mut changes), None, "{body:?}");
        }
        assert!(changes.is_empty() && !may_apply(b"{\"index\":{}}\n{\"_type\":1}\n"));
        assert!(!may_apply(b"{\"delete\":{}}\n{\"index\":{}}\n{\"_type\":1}"));
        assert!(may_apply(b"{\"delete\":{}}\n\n{\"index\":{\"_type\":1}}\n{}\n"));
        assert!(may_apply(b"{ \"index\":{}}\n{}\n{\"index\":{\"_type\":1}}\n{}\n"));
    }
}
