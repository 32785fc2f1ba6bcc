//! The checked settings: nothing is bound or opened before all of them hold.

mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use codec::redact::Redaction;
use journal::{AppendSettings, JournalUrl, KafkaProperties, SpillSettings};
use settings::{Size, Span, layered};
use thiserror::Error;

use crate::Flags;
use crate::accept::{Entry, ProxyProtocol};
use crate::addresses::Trusted;
use crate::left_out::{LeftOut, Patterns};
use crate::set_header::SetHeader;
use crate::source::SourceAddress;
use crate::tls::{ListenerTls, SourceTls};

/// Whether writes wait for the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    Journal,
    None,
}

/// What waits for the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Requests.
    Request,
    /// Requests, and the last bytes of their answers.
    Exchange,
}

/// What happens to a write that the journal does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// It is answered 503 and does not reach the source.
    Reject,
    /// It goes to the source uncaptured, and is counted.
    Forward,
}

/// Everything a proxy needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    pub tls: Option<ListenerTls>,
    pub source: SourceAddress,
    pub source_tls: SourceTls,
    pub set_headers: Vec<SetHeader>,
    pub entry: Entry,
    /// `None`: forward only.
    pub journal: Option<JournalUrl>,
    pub append: AppendSettings,
    pub durability: Durability,
    pub hold: Hold,
    pub when_full: WhenFull,
    /// Requests that are passed on and not recorded.
    pub left_out: LeftOut,
    /// What the journal does not get to know.
    pub redaction: Redaction,
    /// Share of the connections that are recorded, above 0 and up to 1.
    pub capture_only: f64,
    /// `None`: for as long as the proxy runs.
    pub record_for: Option<Duration>,
    pub journal_patience: Duration,
    /// Bytes that all connections may hold together.
    pub memory: usize,
    pub window: usize,
    pub read_size: usize,
    pub head_limit: usize,
    pub head_timeout: Duration,
    pub connect_timeout: Duration,
    pub answer_patience: Duration,
    pub drain_delay: Duration,
    pub drain: Duration,
    pub drain_idle: Duration,
    pub upgrade_timeout: Duration,
    pub threads: usize,
    pub admin: Option<SocketAddr>,
    pub log_level: String,
}

/// What is wrong with a setting, and what to do.
#[derive(Debug, Error)]
pub enum SettingsError {
    #[error(transparent)]
    Layers(#[from] settings::SettingsError),
    #[error("`{key}` is not set; {hint}")]
    Missing { key: &'static str, hint: &'static str },
    #[error("`{key}` is `{value}`: {reason}")]
    Wrong { key: &'static str, value: String, reason: String },
}

impl Settings {
    /// Merges file, environment and flags, and checks the result.
    ///
    /// # Errors
    /// [`SettingsError`] with the key, its value and what it should be.
    pub fn load(
        flags: Flags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Settings, SettingsError> {
        let file = flags.config.as_deref();
        let flags = layered("capture-proxy", file, environment, &flags, &Flags::KEYS)?;
        Settings::check(flags)
    }

    /// Whether only one process at a time may write to the journal.
    pub(crate) fn has_one_writer(&self) -> bool {
        matches!(self.journal, Some(JournalUrl::File(_))) || self.append.spill.is_some()
    }

    fn check(flags: Flags) -> Result<Settings, SettingsError> {
        let (left_out, redaction) = (left_out(&flags)?, redaction(&flags)?);
        let listener_tls = tls::listener(&flags)?;
        let source_tls = tls::source(&flags)?;
        let entry = entry(&flags)?;
        let set_header = |text: &String| {
            text.parse::<SetHeader>().map_err(|error| wrong("set-header", text, &error))
        };
        let set_headers: Result<Vec<_>, SettingsError> =
            flags.set_headers.iter().map(set_header).collect();
        let listen =
            need(flags.listen, "listen", "give the address for clients: --listen 0.0.0.0:9200")?;
        let source = need(flags.source, "source", "give the source: --source http://host:9200")?;
        let journal = need(
            flags.journal,
            "journal",
            "give a journal: --journal file:///var/lib/godwit/journal, or none to only forward",
        )?;
        let journal = match journal.as_str() {
            "none" => None,
            url => Some(url.parse().map_err(|error| wrong("journal", url, &error))?),
        };
        let is_kafka = matches!(journal, Some(JournalUrl::Kafka { .. }));
        let spill = spill((flags.spill, flags.spill_limit, flags.spill_after), is_kafka)?;
        let read_size = bytes("read-size", flags.read_size, 128 << 10, 4 << 10, 512 << 10)?;
        let queue = bytes("journal-queue", flags.journal_queue, 64 << 20, 4 << 20, 64 << 30)?;
        let usual = AppendSettings::default();
        Ok(Settings {
            listen: address("listen", &listen)?,
            tls: listener_tls,
            source: source.parse().map_err(|error| wrong("source", &source, &error))?,
            source_tls,
            set_headers: set_headers?,
            entry,
            journal,
            append: AppendSettings {
                queue_bytes: queue,
                limit_bytes: flags.journal_limit.map_or(usual.limit_bytes, |Size(bytes)| bytes),
                retention: flags.journal_retention.map(|Span(time)| time),
                kafka_properties: KafkaProperties::parse(&flags.kafka_properties)
                    .map_err(|error| wrong("kafka-properties", "***", &error))?,
                spill,
                partitions: flags.kafka_partitions.unwrap_or(usual.partitions).clamp(1, 10_000),
                ..usual
            },
            durability: choice(
                "durability",
                flags.durability,
                &[("journal", Durability::Journal), ("none", Durability::None)],
            )?,
            hold: choice(
                "hold",
                flags.hold,
                &[("request", Hold::Request), ("exchange", Hold::Exchange)],
            )?,
            when_full: choice(
                "when-full",
                flags.when_full,
                &[("reject", WhenFull::Reject), ("forward", WhenFull::Forward)],
            )?,
            left_out,
            redaction,
            capture_only: share(flags.capture_only)?,
            record_for: flags.record_for.map(|Span(time)| time),
            journal_patience: time(flags.journal_patience, 10),
            memory: bytes("memory", flags.memory, 512 << 20, LEAST_MEMORY, 1 << 40)?,
            window: bytes("window", flags.window, 1 << 20, read_size, 1 << 30)?,
            read_size,
            head_limit: bytes("head-limit", flags.head_limit, 1 << 20, 1 << 10, 64 << 20)?,
            head_timeout: time(flags.head_timeout, 60),
            connect_timeout: time(flags.connect_timeout, 5),
            answer_patience: time(flags.answer_patience, 60),
            drain_delay: time(flags.drain_delay, 0),
            drain: time(flags.drain, 30),
            drain_idle: time(flags.drain_idle, 1),
            upgrade_timeout: time(flags.upgrade_timeout, 30),
            threads: flags.threads.unwrap_or_else(cores).clamp(1, 1024),
            admin: flags.admin.map(|admin| address("admin", &admin)).transpose()?,
            log_level: flags.log_level.unwrap_or_else(|| "info".into()),
        })
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn need(
    value: Option<String>,
    key: &'static str,
    hint: &'static str,
) -> Result<String, SettingsError> {
    value.ok_or(SettingsError::Missing { key, hint })
}

fn wrong(key: &'static str, value: &str, reason: &dyn ToString) -> SettingsError {
    SettingsError::Wrong { key, value: value.into(), reason: reason.to_string() }
}

fn address(key: &'static str, text: &str) -> Result<SocketAddr, SettingsError> {
    text.parse().map_err(|_| wrong(key, text, &"use an IP address and a port, as in 0.0.0.0:9200"))
}

fn time(value: Option<Span>, seconds: u64) -> Duration {
    value.map_or(Duration::from_secs(seconds), |Span(time)| time)
}

fn bytes(
    key: &'static str,
    value: Option<Size>,
    usual: usize,
    least: usize,
    most: usize,
) -> Result<usize, SettingsError> {
    let Some(size) = value else { return Ok(usual.max(least)) };
    if size < Size(least as u64) || size > Size(most as u64) {
        let range = format!("it must be from {} to {}", Size(least as u64), Size(most as u64));
        return Err(wrong(key, &size.to_string(), &range));
    }
    Ok(size.0 as usize)
}

fn left_out(flags: &Flags) -> Result<LeftOut, SettingsError> {
    let named = flags.leave_out_headers.iter().map(|text| match text.split_once('=') {
        Some((name, pattern)) => Ok((name.trim().to_owned(), pattern.trim().to_owned())),
        None => Err(wrong("leave-out-headers", text, &"use name=pattern")),
    });
    // Two values each: clap has seen to it.
    let pairs = flags.suppressed_headers.chunks_exact(2);
    let pairs = pairs.map(|pair| Ok((pair[0].clone(), pair[1].clone())));
    let headers: Vec<_> = named.chain(pairs).collect::<Result<_, _>>()?;
    let patterns = Patterns {
        headers: &headers,
        method: flags.leave_out_method.as_deref(),
        target: flags.leave_out_path.as_deref(),
        request: flags.leave_out_method_and_path.as_deref(),
    };
    LeftOut::of(patterns).map_err(|(pattern, error)| wrong("leave-out", &pattern, &error))
}

/// The shortest key: 128 bits as text are longer.
const SHORTEST_KEY: usize = 16;

fn redaction(flags: &Flags) -> Result<Redaction, SettingsError> {
    let Flags { redact_headers: headers, redact_parameters: parameters, .. } = flags;
    let Some(file) = &flags.redact_key_file else {
        return Ok(Redaction::of(headers, parameters, &flags.redact_fields, None));
    };
    let named = file.display().to_string();
    let key = std::fs::read(file).map_err(|error| wrong("redact-key-file", &named, &error))?;
    let key = key.trim_ascii();
    if key.len() < SHORTEST_KEY {
        let reason = format!("a key has {SHORTEST_KEY} bytes at least: openssl rand -hex 32");
        return Err(wrong("redact-key-file", &named, &reason));
    }
    Ok(Redaction::of(headers, parameters, &flags.redact_fields, Some(key)))
}

fn share(percent: Option<String>) -> Result<f64, SettingsError> {
    let Some(text) = percent else { return Ok(1.0) };
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let percent = number.filter(|number| *number > 0.0 && *number <= 100.0);
    let percent =
        percent.ok_or_else(|| wrong("capture-only", &text, &"use a percentage, as in 10%"));
    Ok(percent? / 100.0)
}

/// One of `words`; the first is the default.
fn choice<T: Copy>(
    key: &'static str,
    value: Option<String>,
    words: &[(&str, T)],
) -> Result<T, SettingsError> {
    let Some(text) = value else { return Ok(words[0].1) };
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        wrong(key, &text, &format!("use {}", all.join(" or ")))
    })
}

fn entry(flags: &Flags) -> Result<Entry, SettingsError> {
    let words = [
        ("off", ProxyProtocol::Off),
        ("optional", ProxyProtocol::Optional),
        ("required", ProxyProtocol::Required),
    ];
    let proxy_protocol = choice("proxy-protocol", flags.proxy_protocol.clone(), &words)?;
    let ranges = flags.trusted_proxies.as_deref().unwrap_or_default();
    let trusted =
        ranges.parse::<Trusted>().map_err(|error| wrong("trusted-proxies", ranges, &error))?;
    let entry =
        Entry { proxy_protocol, trusted, handshake_timeout: time(flags.handshake_timeout, 10) };
    if proxy_protocol != ProxyProtocol::Off && entry.trusted.is_empty() {
        let hint = "say whose PROXY headers are believed, as in 10.0.0.0/8";
        return Err(SettingsError::Missing { key: "trusted-proxies", hint });
    }
    Ok(entry)
}

/// The least that connections may have together: less, and they wait for each other more than they do anything.
const LEAST_MEMORY: usize = 16 << 20;

/// The least that a spill may hold: what waits in the queue has to find room, and a segment is deleted as a whole.
const LEAST_SPILL: usize = 256 << 20;

fn spill(
    (folder, limit, after): (Option<PathBuf>, Option<Size>, Option<Span>),
    is_kafka: bool,
) -> Result<Option<SpillSettings>, SettingsError> {
    let Some(folder) = folder else {
        if limit.is_none() && after.is_none() {
            return Ok(None);
        }
        let hint = "give the spill's folder: --spill /var/lib/godwit/spill";
        return Err(SettingsError::Missing { key: "spill", hint });
    };
    if !is_kafka {
        let reason =
            "a spill is for a journal in Kafka; a journal of files is on this host's disk already";
        return Err(wrong("spill", &folder.display().to_string(), &reason));
    }
    let limit = bytes("spill-limit", limit, 16 << 30, LEAST_SPILL, usize::MAX)?;
    Ok(Some(SpillSettings { folder, limit_bytes: limit as u64, after: time(after, 1) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn flags() -> Flags {
        Flags {
            listen: Some("127.0.0.1:0".into()),
            source: Some("http://127.0.0.1:9200".into()),
            journal: Some("file:///j".into()),
            ..Flags::default()
        }
    }

    fn error(flags: Flags) -> String {
        Settings::load(flags, []).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        let missing = error(Flags { source: None, ..flags() });
        assert_eq!(missing, "`source` is not set; give the source: --source http://host:9200");
        let wrong = error(Flags { durability: Some("maybe".into()), ..flags() });
        assert_eq!(wrong, "`durability` is `maybe`: use journal or none");
        let range = error(Flags { read_size: Some(Size(1)), ..flags() });
        assert_eq!(range, "`read-size` is `1B`: it must be from 4KiB to 512KiB");
        let share = error(Flags { capture_only: Some("150%".into()), ..flags() });
        assert!(share.contains("as in 10%"), "{share}");
        let spill = error(Flags { spill: Some("/s".into()), ..flags() });
        assert!(spill.contains("is for a journal in Kafka"), "{spill}");
        let alone = error(Flags { spill_after: Some(Span(Duration::ZERO)), ..flags() });
        assert!(alone.contains("`spill` is not set"), "{alone}");
        let key = error(Flags { tls_key: Some("/k".into()), ..flags() });
        assert_eq!(key, "`tls-certificate` is not set; a key needs its certificate");
        assert!(error(Flags { journal: Some("/tmp".into()), ..flags() }).contains("file:///"));
        let property = vec!["sasl.password:hunter2".into()];
        let property = error(Flags { kafka_properties: property, ..flags() });
        assert!(property.contains("NAME=VALUE") && !property.contains("hunter2"), "{property}");
        let alone = error(Flags { tls_client_auth: Some("optional".into()), ..flags() });
        assert!(alone.contains("`tls-client-ca` is not set"), "{alone}");
        let plain = error(Flags { danger_accept_invalid_certs: true, ..flags() });
        assert!(plain.contains("https://"), "{plain}");
        let anyone = error(Flags { proxy_protocol: Some("required".into()), ..flags() });
        assert!(anyone.contains("`trusted-proxies` is not set"), "{anyone}");
        let range = error(Flags { trusted_proxies: Some("10.0.0.0/8,lb".into()), ..flags() });
        assert!(range.contains("`lb` is none"), "{range}");
    }

    #[test]
    fn the_commented_example_holds() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/capture-proxy.yaml");
        let settings = Settings::load(Flags { config: Some(example), ..Flags::default() }, []);
        assert_eq!(settings.unwrap().durability, Durability::Journal);
    }
}
