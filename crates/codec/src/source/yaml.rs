//! YAML → JSON, as Jackson's parser over SnakeYAML reads it: YAML 1.1, where `yes` is true.
//!
//! An alias is the text of its name, and `<<` is a name like any other: that is what a server indexed.

use std::borrow::Cow;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::json::{Open, Writer};
use super::{Format, Limits, Problem, SourceError};

pub(super) fn append(source: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), SourceError> {
    let text = std::str::from_utf8(source)
        .map_err(|error| fail(error.valid_up_to(), Problem::Text { encoding: "UTF-8" }))?;
    let options = granit_parser::options! { emit_unresolved_aliases: true };
    let mut reader = Reader { json: Writer::new(out, limits), name_next: Vec::new() };
    let mut documents = 0_usize;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| unreadable(&error))?;
        let offset = span.start.byte_offset().unwrap_or_default();
        let fail = |problem| fail(offset, problem);
        match event {
            Event::DocumentStart(..) if documents > 0 => {
                return Err(fail(Problem::Trailing { bytes: text.len() - offset }));
            }
            Event::DocumentStart(..) => documents += 1,
            Event::MappingStart(..) => reader.open(Open::Object).map_err(fail)?,
            Event::SequenceStart(..) => reader.open(Open::Array).map_err(fail)?,
            Event::MappingEnd | Event::SequenceEnd => reader.close().map_err(fail)?,
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let alias = span.slice(text).unwrap_or_default();
                let name = alias.strip_prefix('*').unwrap_or(alias);
                reader.scalar(name, Scalar::Text(name.into())).map_err(fail)?;
            }
            Event::Scalar(text, style, _, tag) => {
                let scalar = Scalar::read(&text, style, tag.as_deref());
                reader.scalar(&text, scalar).map_err(fail)?;
            }
            _ => {}
        }
    }
    match documents {
        0 => Err(fail(source.len(), Problem::NotAnObject)),
        _ => Ok(()),
    }
}

fn fail(offset: usize, problem: Problem) -> SourceError {
    SourceError { format: Some(Format::Yaml), offset, problem }
}

fn unreadable(error: &ScanError) -> SourceError {
    fail(error.marker().byte_offset().unwrap_or_default(), Problem::Corrupt(error.to_string()))
}

struct Reader<'o> {
    json: Writer<'o>,
    /// For each open mapping and sequence: whether a name comes next.
    name_next: Vec<bool>,
}

impl Reader<'_> {
    /// Whether what comes is a name; if not, the next one of a mapping is.
    fn takes_name(&mut self) -> bool {
        let in_mapping = self.json.inside() == Some(Open::Object);
        match self.name_next.last_mut() {
            Some(name_next) if in_mapping => {
                *name_next = !*name_next;
                !*name_next
            }
            _ => false,
        }
    }

    fn open(&mut self, open: Open) -> Result<(), Problem> {
        if self.name_next.is_empty() && open == Open::Array {
            return Err(Problem::NotAnObject);
        }
        if self.takes_name() {
            return Err(Problem::Corrupt("a name that is no scalar".to_owned()));
        }
        self.name_next.push(true);
        self.json.open(open)
    }

    fn close(&mut self) -> Result<(), Problem> {
        self.name_next.pop();
        self.json.close()
    }

    fn scalar(&mut self, text: &str, scalar: Scalar<'_>) -> Result<(), Problem> {
        if self.name_next.is_empty() {
            return Err(Problem::NotAnObject);
        }
        if self.takes_name() {
            return self.json.key(text);
        }
        match scalar {
            Scalar::Literal(literal) => self.json.literal(&literal),
            Scalar::Text(text) => self.json.text(&text),
        }
    }
}

/// A scalar in JSON.
#[derive(Debug, PartialEq, Eq)]
enum Scalar<'a> {
    /// A number or a literal.
    Literal(Cow<'a, str>),
    Text(Cow<'a, str>),
}

impl<'a> Scalar<'a> {
    fn read(text: &'a str, style: ScalarStyle, tag: Option<&Tag>) -> Self {
        // A lone `!` is no tag to Jackson.
        let tag = tag.filter(|tag| tag.original() != "!");
        let tag = tag.map(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:").unwrap_or_default());
        match tag.as_deref() {
            Some("null") => Self::Literal("null".into()),
            Some("binary") => Self::Text(text.split_ascii_whitespace().collect::<String>().into()),
            Some("bool" | "int" | "float") => Self::plain(text),
            None if style == ScalarStyle::Plain => Self::plain(text),
            _ => Self::Text(text.into()),
        }
    }

    /// A number with a leading zero stays a text, which a mapping reads as well: Jackson took 017 for
    /// 17 and from 2.14 on takes it for 15. Sexagesimal numbers never were numbers to it.
    fn plain(text: &'a str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Literal("null".into()),
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
                Self::Literal("true".into())
            }
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
                Self::Literal("false".into())
            }
            ".nan" | ".NaN" | ".NAN" => Self::Text("NaN".into()),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Self::Text("Infinity".into()),
            "-.inf" | "-.Inf" | "-.INF" => Self::Text("-Infinity".into()),
            _ => number(text).map_or(Self::Text(text.into()), |text| Self::Literal(text.into())),
        }
    }
}

/// A decimal number in the spelling of JSON: `+1_000.` is `1000.0`.
fn number(text: &str) -> Option<String> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some((radix, digits)) = prefixed(unsigned) {
        let number = i128::from_str_radix(&digits, radix).ok()?;
        return Some(format!("{sign}{number}"));
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    if !exponent.is_none_or(is_exponent) {
        return None;
    }
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let starts = |part: &str| part.starts_with(|first: char| first.is_ascii_digit());
    let begins = starts(whole) || (whole.is_empty() && fraction.is_some_and(starts));
    if !begins || !digits_only(whole) || !fraction.is_none_or(digits_only) {
        return None;
    }
    if fraction.is_none() && exponent.is_none() && whole.len() > 1 && whole.starts_with('0') {
        return None;
    }
    let whole = whole.replace('_', "");
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let mut number = format!("{sign}{whole}");
    if let Some(fraction) = fraction {
        let digits = fraction.replace('_', "");
        number.push('.');
        number.push_str(if digits.is_empty() { "0" } else { &digits });
    }
    if let Some(exponent) = exponent {
        number.push('e');
        number.push_str(exponent);
    }
    Some(number)
}

/// Radix and digits of a hexadecimal or binary integer.
fn prefixed(text: &str) -> Option<(u32, String)> {
    let hexadecimal = text.strip_prefix("0x").map(|digits| (16, digits));
    let (radix, digits) = hexadecimal.or(text.strip_prefix("0b").map(|digits| (2, digits)))?;
    // A sign may stand before the prefix only.
    let digits = digits.replace('_', "");
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some((radix, digits))
}

fn is_exponent(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
