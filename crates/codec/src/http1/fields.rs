//! Field lines of a head or of a trailer section that a framer has let through.

use memchr::memchr;

/// The fields of `section`, which begins after the first line of a head (or at the first trailer).
/// Ends at the empty line, or where a line isn't complete.
pub fn fields(section: &[u8]) -> Fields<'_> {
    Fields { rest: section }
}

/// Yields each field's name and its value, in order and as sent: the value is everything between the
/// colon and CRLF, white space included.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.line()?;
        let colon = line.iter().position(|&byte| byte == b':')?;
        Some((line.get(..colon)?, line.get(colon + 1..)?))
    }
}

impl<'a> Fields<'a> {
    /// The next field line, without its CRLF; `None` at the empty line.
    pub(super) fn line(&mut self) -> Option<&'a [u8]> {
        let end = memchr(b'\n', self.rest)?;
        let (line, rest) = self.rest.split_at_checked(end + 1)?;
        let line = line.strip_suffix(b"\r\n").filter(|line| !line.is_empty())?;
        self.rest = rest;
        Some(line)
    }
}

/// `value` without spaces and tabs around it.
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let from = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let to = value.iter().rposition(|byte| !blank(byte)).map_or(from, |last| last + 1);
    value.get(from..to).unwrap_or_default()
}

/// Whether the comma-separated list `value` has `token`, whatever its case.
pub(super) fn has_token(value: &[u8], token: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|item| trim(item).eq_ignore_ascii_case(token))
}
