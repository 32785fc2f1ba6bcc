//! What a complete head announces.

use super::fields::{fields, has_token, trim};
use super::reason::Reason;
use super::secrets::may_be_secret;

/// Request methods that something depends on; every other token is `Other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Connect,
    Trace,
    Other,
}

impl Method {
    /// Methods are case sensitive: `get` is `Other`.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"PATCH" => Self::Patch,
            b"CONNECT" => Self::Connect,
            b"TRACE" => Self::Trace,
            _ => Self::Other,
        }
    }

    /// The method as a metric label: from a fixed set.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Connect => "CONNECT",
            Self::Trace => "TRACE",
            Self::Other => "other",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    Http10,
    Http11,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// There is no body, whatever the fields say (also: a request that announces none).
    None,
    /// `Content-Length`, in bytes; never above `i64::MAX`.
    Length(u64),
    Chunked,
    /// A response that ends when the server closes the connection.
    UntilClose,
}

/// A complete request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// The whole head, from the method to the empty line. When [`advance`] returns it, it ends at the
    /// last byte consumed; its beginning may lie in earlier inputs.
    ///
    /// [`advance`]: super::RequestFramer::advance
    pub bytes: &'a [u8],
    /// Bytes of the stream that the head takes: `bytes`, and an empty line in front of it if any.
    pub len: usize,
    /// Length of the request line with its CRLF.
    pub first_line_len: usize,
    pub method: Method,
    pub method_bytes: &'a [u8],
    pub target: &'a [u8],
    pub version: Version,
    pub framing: Framing,
    /// `Expect: 100-continue`: the client may wait for an answer before it sends the body. If a
    /// final answer comes before the request's end, make both directions opaque:
    /// [`Reason::UnmetExpectation`].
    pub expect_continue: bool,
    /// The server may answer 101. Bytes after the end of this request have no meaning before it
    /// has answered: keep them from the framer until then.
    pub upgrade: bool,
    /// Neither side has to close after this exchange, as far as the request says.
    pub keep_alive: bool,
    /// A field may hold a secret: otherwise [`secret_ranges`](super::secret_ranges) finds none.
    pub may_hold_secrets: bool,
}

impl<'a> RequestHead<'a> {
    /// `bytes` has passed the scanner; `first_line` is the length of its first line.
    pub(super) fn parse(
        bytes: &'a [u8],
        leading: usize,
        first_line: usize,
    ) -> Result<Self, Reason> {
        let (method_bytes, target) =
            request_line(bytes, first_line).ok_or(Reason::MalformedRequestLine)?;
        let version = version_before(bytes, first_line.saturating_sub(3));
        let said = Said::read(bytes.get(first_line..).unwrap_or_default())?;
        let method = Method::of(method_bytes);
        if method == Method::Connect {
            return Err(Reason::Connect);
        }
        Ok(Self {
            bytes,
            len: bytes.len() + leading,
            first_line_len: first_line,
            method,
            method_bytes,
            target,
            version,
            framing: said.framing(version)?.unwrap_or(Framing::None),
            expect_continue: said.expect_continue,
            upgrade: said.upgrade,
            keep_alive: said.keep_alive(version),
            may_hold_secrets: said.secrets,
        })
    }
}

/// Method and target of a request whose first line, of `first_line` bytes, is complete.
pub(super) fn request_line(bytes: &[u8], first_line: usize) -> Option<(&[u8], &[u8])> {
    // `SP HTTP/1.x CRLF` is 11 bytes.
    let line = bytes.get(..first_line.checked_sub(11)?)?;
    let space = line.iter().position(|&byte| byte == b' ')?;
    Some((line.get(..space)?, line.get(space + 1..)?))
}

/// A complete response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead<'a> {
    /// The whole head, from the version to the empty line; see [`RequestHead::bytes`].
    pub bytes: &'a [u8],
    /// Bytes of the stream that the head takes.
    pub len: usize,
    /// Length of the status line with its CRLF.
    pub first_line_len: usize,
    /// 100 to 999.
    pub status: u16,
    pub reason: &'a [u8],
    pub version: Version,
    pub framing: Framing,
    /// A 1xx other than 101: the answer proper is still to come. No [`Event::End`] follows it.
    ///
    /// [`Event::End`]: super::Event::End
    pub interim: bool,
    /// Status 101: both directions are another protocol from here on.
    pub upgrade: bool,
    pub keep_alive: bool,
    /// See [`RequestHead::may_hold_secrets`].
    pub may_hold_secrets: bool,
}

impl<'a> ResponseHead<'a> {
    /// `bytes` has passed the scanner; `request` is the method this answers.
    pub(super) fn parse(
        bytes: &'a [u8],
        first_line: usize,
        request: Method,
    ) -> Result<Self, Reason> {
        let version = version_before(bytes, 7);
        let status = bytes
            .get(9..12)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse::<u16>().ok())
            .ok_or(Reason::MalformedStatusLine)?;
        let reason = bytes.get(13..first_line.saturating_sub(2)).unwrap_or_default();
        let said = Said::read(bytes.get(first_line..).unwrap_or_default())?;
        let announced = said.framing(version)?;
        let interim = (100..200).contains(&status) && status != 101;
        let framing = match status {
            // Netty sends `content-length: 0` with a 100.
            100..200 | 204 => match announced {
                None | Some(Framing::Length(0)) => Framing::None,
                Some(_) => return Err(Reason::BodyNotAllowed),
            },
            200..300 if request == Method::Connect => return Err(Reason::Connect),
            304 => Framing::None,
            _ if request == Method::Head => Framing::None,
            _ => announced.unwrap_or(Framing::UntilClose),
        };
        Ok(Self {
            bytes,
            len: bytes.len(),
            first_line_len: first_line,
            status,
            reason,
            version,
            framing,
            interim,
            upgrade: status == 101,
            keep_alive: said.keep_alive(version) && framing != Framing::UntilClose,
            may_hold_secrets: said.secrets,
        })
    }
}

impl ResponseHead<'_> {
    /// Whether what follows is HTTP/2: the answer is 101, and names no other protocol.
    pub fn begins_http2(&self) -> bool {
        let lines = self.bytes.get(self.first_line_len..).unwrap_or_default();
        let is_other = |(name, value): (&[u8], &[u8])| {
            name.eq_ignore_ascii_case(b"upgrade") && !has_token(value, b"h2c")
        };
        self.upgrade && !fields(lines).any(is_other)
    }
}

/// The version whose last digit is at `at`. The scanner let only 0 and 1 through.
fn version_before(bytes: &[u8], at: usize) -> Version {
    if bytes.get(at) == Some(&b'0') { Version::Http10 } else { Version::Http11 }
}

/// What the fields that matter for boundaries say.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    chunked: bool,
    expect_continue: bool,
    upgrade: bool,
    connection_close: bool,
    connection_keep_alive: bool,
    secrets: bool,
}

impl Said {
    fn read(section: &[u8]) -> Result<Self, Reason> {
        let mut said = Self::default();
        let mut fields = fields(section);
        while let Some(line) = fields.line() {
            said.secrets |= may_be_secret(line);
            // Most fields are told apart by their first letter, the rest by where the colon is. A
            // name has no colon, so a line that has these bytes before one has that name.
            match line.first().map(u8::to_ascii_lowercase) {
                Some(b'c') => match value_of(line, b"connection") {
                    Some(value) => said.connection(value),
                    None => said.boundary(line, b"content-length".len())?,
                },
                Some(b't') => said.boundary(line, b"transfer-encoding".len())?,
                Some(b'u') => said.upgrade |= value_of(line, b"upgrade").is_some(),
                Some(b'e') => {
                    if let Some(value) = value_of(line, b"expect") {
                        said.expect(value)?;
                    }
                }
                _ => {}
            }
        }
        Ok(said)
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), Reason> {
        if self.expect_continue || !trim(value).eq_ignore_ascii_case(b"100-continue") {
            return Err(Reason::UnknownExpectation);
        }
        self.expect_continue = true;
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        self.connection_close |= has_token(value, b"close");
        self.connection_keep_alive |= has_token(value, b"keep-alive");
    }

    /// `line` if its first `name` bytes are the name of a field that says where the body ends.
    fn boundary(&mut self, line: &[u8], name: usize) -> Result<(), Reason> {
        if line.get(name) != Some(&b':') {
            return Ok(());
        }
        let value = line.get(name + 1..).unwrap_or_default();
        let name = line.get(..name).unwrap_or_default();
        match boundary_field(name) {
            BoundaryField::Length if self.length.is_some() => {
                return Err(Reason::RepeatedContentLength);
            }
            BoundaryField::Length => self.length = Some(length(value)?),
            BoundaryField::Encoding if self.chunked => {
                return Err(Reason::RepeatedTransferEncoding);
            }
            BoundaryField::Encoding if spaces_before(value).eq_ignore_ascii_case(b"chunked") => {
                self.chunked = true;
            }
            BoundaryField::Encoding => return Err(Reason::UnknownTransferEncoding),
            BoundaryField::Lookalike => return Err(Reason::LengthLookalike),
            BoundaryField::Neither => {}
        }
        Ok(())
    }

    /// What the fields announce; `None` when they announce nothing.
    fn framing(&self, version: Version) -> Result<Option<Framing>, Reason> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Reason::LengthAndEncoding),
            (true, None) if version == Version::Http10 => Err(Reason::EncodingInHttp10),
            (true, None) => Ok(Some(Framing::Chunked)),
            (false, length) => Ok(length.map(Framing::Length)),
        }
    }

    fn keep_alive(&self, version: Version) -> bool {
        !self.connection_close && (version == Version::Http11 || self.connection_keep_alive)
    }
}

/// The value on `line` if its field is `name`.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let is_it = line.get(name.len()) == Some(&b':')
        && line.get(..name.len()).is_some_and(|other| other.eq_ignore_ascii_case(name));
    if is_it { line.get(name.len() + 1..) } else { None }
}

/// Whether a name is one of the two that say where a body ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BoundaryField {
    Length,
    Encoding,
    /// One of them with an underscore: gateways that turn fields into variables confuse the two.
    Lookalike,
    Neither,
}

pub(super) fn boundary_field(name: &[u8]) -> BoundaryField {
    if name.eq_ignore_ascii_case(b"content-length") {
        return BoundaryField::Length;
    }
    if name.eq_ignore_ascii_case(b"transfer-encoding") {
        return BoundaryField::Encoding;
    }
    if name.eq_ignore_ascii_case(b"content_length")
        || name.eq_ignore_ascii_case(b"transfer_encoding")
    {
        return BoundaryField::Lookalike;
    }
    BoundaryField::Neither
}

/// Digits and nothing else after the spaces that follow the colon. Spaces behind them, tabs, signs,
/// lists, white space inside and numbers above `i64::MAX` are read differently by servers.
fn length(value: &[u8]) -> Result<u64, Reason> {
    let digits = spaces_before(value);
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Reason::BadContentLength);
    }
    // 19 digits fit in 64 bits without a sign.
    let number = digits.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    if number > i64::MAX as u64 {
        return Err(Reason::BadContentLength);
    }
    Ok(number)
}

/// `value` after the spaces in front of it; unlike [`trim`], leaves tabs and what is behind.
fn spaces_before(value: &[u8]) -> &[u8] {
    let from = value.iter().position(|&byte| byte != b' ').unwrap_or(value.len());
    value.get(from..).unwrap_or_default()
}
