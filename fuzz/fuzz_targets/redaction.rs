//! What is covered in a body doesn't depend on how it is cut, keeps every length, and leaves documents documents. The first bytes
//! say where the cuts are.
#![no_main]

use codec::redact::{Redaction, Secrets, cover};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Some(([first, second, how], body)) = data.split_first_chunk::<3>() else { return };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let key = (how % 2 == 1).then_some(&b"0123456789abcdef"[..]);
    let redaction = Redaction::of(&names(&["x-a"]), &names(&["q"]), &names(&["a", "b.c"]), key);
    let mut head = body.to_vec();
    let secrets = redaction.in_head(body);
    cover(&mut head, &secrets);
    assert_eq!(head.len(), body.len());

    let whole = stored(&redaction, body, &[]);
    let mut cuts =
        [usize::from(*first) % (body.len() + 1), usize::from(*second) % (body.len() + 1)];
    cuts.sort_unstable();
    assert_eq!(stored(&redaction, body, &cuts), whole);
    for (line, covered) in body.split(|byte| *byte == b'\n').zip(whole.split(|byte| *byte == b'\n'))
    {
        let Ok(Value::Object(_)) = serde_json::from_slice::<Value>(line) else { break };
        let covered: Value = serde_json::from_slice(covered).expect("a document");
        assert!(says_nothing(&covered, false, key.is_some()), "{covered}");
    }
});

fn stored(redaction: &Redaction, body: &[u8], cuts: &[usize]) -> Vec<u8> {
    let Some(mut search) = redaction.body(b"POST / HTTP/1.1\r\n\r\n") else { unreachable!() };
    let (mut secrets, mut start) = (Secrets::new(), 0);
    for end in cuts.iter().copied().chain([body.len()]) {
        search.next(redaction, &body[start..end], start, &mut secrets);
        start = end;
    }
    search.end(&mut secrets);
    let mut stored = body.to_vec();
    cover(&mut stored, &secrets);
    stored
}

/// Whether no value below a secret field is one that could have been there; under a key anything may stand there.
fn says_nothing(value: &Value, secret: bool, keyed: bool) -> bool {
    match value {
        Value::Object(fields) => {
            fields.iter().all(|(name, value)| says_nothing(value, secret || name == "a", keyed))
        }
        Value::Array(values) => values.iter().all(|value| says_nothing(value, secret, keyed)),
        Value::String(text) => !secret || keyed || text.bytes().all(|byte| byte == b'*'),
        Value::Bool(_) => !secret,
        Value::Null | Value::Number(_) => true,
    }
}
