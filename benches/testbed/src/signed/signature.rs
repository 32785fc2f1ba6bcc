//! The service's side of AWS Signature Version 4, after its published description and with no library for it.
//!
//! How a service reads a path isn't written down: some take it as it came, some decode it first; both encode it
//! then. A request passes when both come to the signature that it has.

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use sha2::{Digest as _, Sha256};

/// A key that requests may be signed with.
#[derive(Debug, Clone)]
pub struct SigningKey {
    pub id: String,
    pub secret: String,
    /// Of a key that is lent.
    pub session_token: Option<String>,
}

#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) region: String,
    pub(super) keys: Vec<SigningKey>,
    /// How far its clock is ahead.
    pub(super) clock: SignedDuration,
}

/// The head of a request; names of headers in small letters.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    headers: Vec<(String, String)>,
}

/// How a path and a query are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    AsItCame,
    Decoded,
}

impl Head {
    pub(super) fn parse(request: &[u8]) -> Option<(Self, &[u8])> {
        let end = request.windows(4).position(|four| four == b"\r\n\r\n")?;
        let text = std::str::from_utf8(&request[..end]).ok()?;
        let mut lines = text.split("\r\n");
        let mut first = lines.next()?.splitn(3, ' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        Some((Self { method, target, headers: headers.collect() }, &request[end + 4..]))
    }

    fn value(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Service {
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::now() + self.clock
    }

    pub(super) fn check(&self, head: &Head, body: &[u8]) -> Result<(), String> {
        let authorization = head.value("authorization").ok_or("no Authorization")?;
        let parts = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("another scheme")?;
        let part = |name: &str| {
            let mut parts = parts.split(", ");
            parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let credential = part("Credential").ok_or("no Credential")?;
        let signed: Vec<&str> =
            part("SignedHeaders").ok_or("no SignedHeaders")?.split(';').collect();
        let signature = part("Signature").ok_or("no Signature")?;

        let (id, scope) = credential.split_once('/').ok_or("no scope")?;
        let key = self.keys.iter().find(|key| key.id == id);
        let key = key.ok_or("the security token included in the request is invalid")?;
        if head.value("x-amz-security-token") != key.session_token.as_deref() {
            return Err("another session token".into());
        }
        let time = head.value("x-amz-date").ok_or("no x-amz-date")?;
        let date = time.get(..8).unwrap_or_default();
        if scope != format!("{date}/{}/{}/aws4_request", self.region, self.name) {
            return Err(format!("credential should be scoped to another than {scope}"));
        }
        let stamp = civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time)
            .and_then(|time| time.to_zoned(TimeZone::UTC))
            .map_err(|error| error.to_string())?;
        if self.now().duration_since(stamp.timestamp()).abs() > SignedDuration::from_mins(5) {
            return Err("signature expired".into());
        }
        let hash = hex(&Sha256::digest(body));
        if head.value("x-amz-content-sha256") != Some(&hash) {
            return Err("x-amz-content-sha256 isn't the body's".into());
        }
        for (name, _) in &head.headers {
            let must = name == "host" || name == "content-type" || name.starts_with("x-amz-");
            if must && !signed.contains(&name.as_str()) {
                return Err(format!("{name} isn't signed"));
            }
        }
        for reading in [Reading::AsItCame, Reading::Decoded] {
            let canonical = canonical(head, &signed, &hash, reading);
            if computed(&key.secret, time, scope, &canonical) != signature {
                return Err(format!(
                    "the request signature we calculated does not match ({reading:?}): {canonical}"
                ));
            }
        }
        Ok(())
    }
}

fn canonical(head: &Head, signed: &[&str], hash: &str, reading: Reading) -> String {
    let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
    let mut headers = String::new();
    for name in signed {
        let values = head.headers.iter().filter(|(known, _)| known == name);
        let values: Vec<String> = values
            .map(|(_, value)| value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        headers += &format!("{name}:{}\n", values.join(","));
    }
    let (path, query) = (canonical_path(path, reading), canonical_query(query, reading));
    format!("{}\n{path}\n{query}\n{headers}\n{}\n{hash}", head.method, signed.join(";"))
}

fn canonical_path(path: &str, reading: Reading) -> String {
    let mut segments: Vec<String> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(match reading {
                Reading::AsItCame => encode(other.as_bytes()),
                Reading::Decoded => encode(encode(&decode(other, false)).as_bytes()),
            }),
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}

fn canonical_query(query: &str, reading: Reading) -> String {
    let read = |text: &str| match reading {
        Reading::AsItCame => text.to_owned(),
        Reading::Decoded => encode(&decode(text, true)),
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (read(name), read(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn computed(secret: &str, time: &str, scope: &str, canonical: &str) -> String {
    let hash = hex(&Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}");
    let key =
        scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
    hex(&mac(&key, &to_sign))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).expect("invariant: a key of any length is one");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encode(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let each = bytes.iter().map(|byte| match plain(byte) {
        true => char::from(*byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    each.collect()
}

fn decode(text: &str, plus_is_space: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        let pair = more.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match pair.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(if first == b'+' && plus_is_space { b' ' } else { first });
                rest = more;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests;
