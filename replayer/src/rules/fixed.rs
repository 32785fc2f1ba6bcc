//! What the rules must leave as it is, so that what they change can be found again.

use bytes::Bytes;
use cluster::Request;
use serde_json::Value;

use super::Kept;

/// Gives back what a rule made, unless it changed what has to stay.
pub(super) fn check(before: &Request, made: Request, kept: Kept) -> Result<Request, String> {
    if kept == Kept::Nothing {
        return Ok(made);
    }
    let (old, new) = (path(before, kept), path(&made, kept));
    if before.method != made.method || old != new {
        return Err(format!(
            "{} {old} became {} {new}; what a write is about has to stay, or it couldn't be found again",
            before.method, made.method,
        ));
    }
    if kept == Kept::Operations && before.body != made.body {
        let is_bulk = old.split('?').next().is_some_and(|path| path.ends_with("_bulk"));
        match is_bulk {
            true => bulk(&before.body, &made.body)?,
            false if !made.body.starts_with(b"{") => return Err("the document is no object".into()),
            false => {}
        }
    }
    Ok(made)
}

/// Of operations the whole, because a version is in it.
fn path(request: &Request, kept: Kept) -> &str {
    match kept {
        Kept::Operations => &request.path,
        Kept::Nothing | Kept::Path => request.path.split('?').next().unwrap_or_default(),
    }
}

/// Documents may differ, nothing else.
fn bulk(before: &Bytes, made: &Bytes) -> Result<(), String> {
    let lines = |body: &Bytes| -> Vec<Bytes> {
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| body.slice_ref(line)).collect()
    };
    let (old, new) = (lines(before), lines(made));
    if old.len() != new.len() {
        return Err(format!("a bulk of {} lines became one of {}", old.len(), new.len()));
    }
    let mut pairs = old.iter().zip(&new);
    while let Some((old, new)) = pairs.next() {
        let action = |line: &Bytes| serde_json::from_slice::<Value>(line).unwrap_or_default();
        let (said, says) = (action(old), action(new));
        if said != says {
            return Err(format!(
                "a bulk's line {said} became {says}; only its documents may change"
            ));
        }
        if said.get("delete").is_none()
            && let Some((_, document)) = pairs.next()
            && !document.starts_with(b"{")
        {
            return Err(format!("the document of {said} is no object"));
        }
    }
    Ok(())
}
