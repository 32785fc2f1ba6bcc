//! A message: JSON text ⇄ a value that keeps its numbers as they are written.

use std::borrow::Cow;

use jaq_json::{Num, Val, read};
use serde::de::IgnoredAny;

use crate::{DEPTH, failure::Why};

/// A message between two rules: not parsed before one needs it.
#[derive(Clone)]
pub(crate) enum Message<'m> {
    Text(&'m [u8]),
    Value(Val),
}

impl Message<'_> {
    pub(crate) fn value(&self) -> Result<Val, Why> {
        match self {
            Self::Text(text) => parse(text),
            Self::Value(value) => Ok(value.clone()),
        }
    }

    pub(crate) fn text(&self, most: usize) -> Result<Cow<'_, [u8]>, Why> {
        match self {
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::Value(value) => write(value, most).map(Cow::Owned),
        }
    }
}

/// Strict JSON, no deeper than [`DEPTH`], without names that come twice in an object.
pub(crate) fn parse(text: &[u8]) -> Result<Val, Why> {
    // The parser proper takes more than JSON, and recursively.
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(text) {
        return Err(Why::NotJson(error.to_string()));
    }
    let (depth, members) = measure(text);
    if depth > DEPTH {
        return Err(Why::Deep);
    }
    let value = read::parse_single(text).map_err(|error| Why::NotJson(error.to_string()))?;
    match members_of(&value) == members {
        true => Ok(value),
        false => Err(Why::Twice),
    }
}

/// Levels of objects and arrays, and members of all objects, of strict JSON.
fn measure(text: &[u8]) -> (usize, usize) {
    let (mut depth, mut deepest, mut members) = (0_usize, 0, 0);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => loop {
                match bytes.next() {
                    Some(b'\\') => drop(bytes.next()),
                    Some(b'"') | None => break,
                    Some(_) => {}
                }
            },
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' => members += 1,
            _ => {}
        }
    }
    (deepest, members)
}

fn members_of(value: &Val) -> usize {
    match value {
        Val::Obj(members) => members.len() + members.values().map(members_of).sum::<usize>(),
        Val::Arr(items) => items.iter().map(members_of).sum(),
        _ => 0,
    }
}

/// One line of JSON, of no more than `most` bytes.
pub(crate) fn write(value: &Val, most: usize) -> Result<Vec<u8>, Why> {
    let mut out = Vec::with_capacity(1024);
    append(value, &mut out, most, 0)?;
    Ok(out)
}

fn append(value: &Val, out: &mut Vec<u8>, most: usize, depth: usize) -> Result<(), Why> {
    if depth > DEPTH {
        return Err(Why::Deep);
    }
    if out.len() > most {
        return Err(Why::Memory(most));
    }
    match value {
        Val::Null => out.extend_from_slice(b"null"),
        Val::Bool(true) => out.extend_from_slice(b"true"),
        Val::Bool(false) => out.extend_from_slice(b"false"),
        Val::Num(number) => append_number(number, out)?,
        Val::TStr(text) => append_string(text, out),
        Val::BStr(_) => return Err(Why::Value("a string of bytes".into())),
        Val::Arr(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                append(item, out, most, depth + 1)?;
            }
            out.push(b']');
        }
        Val::Obj(members) => {
            out.push(b'{');
            for (at, (name, member)) in members.iter().enumerate() {
                let Val::TStr(name) = name else {
                    return Err(Why::Value("an object with a name that is no string".into()));
                };
                if at > 0 {
                    out.push(b',');
                }
                append_string(name, out);
                out.push(b':');
                append(member, out, most, depth + 1)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn append_number(number: &Num, out: &mut Vec<u8>) -> Result<(), Why> {
    let text = match number {
        Num::Int(int) => int.to_string(),
        Num::BigInt(int) => int.to_string(),
        Num::Dec(text) => text.to_string(),
        Num::Float(float) if !float.is_finite() => {
            return Err(Why::Value(format!("the number {float}")));
        }
        // As jq and JavaScript write the result of 10 / 2.
        Num::Float(float) if float.fract() == 0.0 && float.abs() < 1e17 => format!("{float:.0}"),
        Num::Float(float) => format!("{float:e}"),
    };
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Strings needn't be UTF-8: what came in as it is goes out as it was.
fn append_string(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut plain = 0;
    for (at, byte) in text.iter().enumerate() {
        if *byte >= 0x20 && !matches!(byte, b'"' | b'\\') {
            continue;
        }
        out.extend_from_slice(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
    }
    out.extend_from_slice(&text[plain..]);
    out.push(b'"');
}

/// What a rule gave instead of an object.
pub(crate) fn kind(value: &Val) -> &'static str {
    match value {
        Val::Null => "null",
        Val::Bool(_) => "a boolean",
        Val::Num(_) => "a number",
        Val::BStr(_) | Val::TStr(_) => "a string",
        Val::Arr(_) => "an array",
        Val::Obj(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comes_back(text: &str) {
        let written = write(&parse(text.as_bytes()).unwrap(), 1 << 20).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), text);
    }

    #[test]
    fn numbers_names_and_their_order_come_back() {
        comes_back(
            r#"{"z":9007199254740993,"a":1.0,"b":[1e3,1E-400,0.10000000000000000555,-0.0,18446744073709551616]}"#,
        );
        comes_back(r#"{"é\n\"\\\u0001":"\t","":{"__proto__":[null,true,false]}}"#);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "{a:1}", "{\"a\":NaN}", "{\"a\":+1}", "# no\n{}", "{} {}", "{1:2}"] {
            assert!(matches!(parse(text.as_bytes()), Err(Why::NotJson(_))), "{text}");
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(parse(deep.as_bytes()).unwrap_err(), Why::Deep);
        for text in [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":1}"#, r#"[{"x":{"a":":","a":1}}]"#] {
            assert_eq!(parse(text.as_bytes()).unwrap_err(), Why::Twice, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_not_written() {
        let float = |float| write(&Val::Num(Num::Float(float)), 1000);
        assert!(float(f64::NAN).is_err() && float(f64::INFINITY).is_err());
        assert_eq!(float(5.0).unwrap(), b"5");
        assert_eq!(float(-0.25).unwrap(), b"-2.5e-1");
        assert!(matches!(write(&parse(b"[1,2,3]").unwrap(), 2), Err(Why::Memory(2))));
    }
}
