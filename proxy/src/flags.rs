//! What may be set: one struct for flags, file and environment.

use std::path::PathBuf;

use clap::Parser;
use serde::{Deserialize, Serialize};
use settings::{Size, Span};

/// Forwards to the source cluster and captures what passes into a journal.
///
/// Example:
///   capture-proxy --listen 0.0.0.0:9200 --source http://10.0.0.5:9200 --journal file:///var/lib/godwit/journal
#[derive(Debug, Clone, Default, Parser, Serialize, Deserialize)]
#[command(name = "capture-proxy", version, verbatim_doc_comment)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Flags {
    /// Address that clients connect to.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// The source cluster: http://host:port or https://host:port.
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// Where records go: file:///folder, kafka://host:port/topic, or `none` to only forward.
    #[arg(long, value_name = "URL")]
    pub journal: Option<String>,
    /// Whether writes are held until their record is durable: journal (default) or none.
    #[arg(long, value_name = "WHAT")]
    pub durability: Option<String>,
    /// What is held: request (default), or exchange: the answer too.
    #[arg(long, value_name = "WHAT")]
    pub hold: Option<String>,
    /// When the journal takes nothing: reject (default) answers 503, forward lets writes through
    /// uncaptured and counts them.
    #[arg(long, value_name = "WHAT")]
    pub when_full: Option<String>,
    /// For load tests: record only so many of the connections, as in 10%; all others are passed on [default: 100%].
    #[arg(long, value_name = "PERCENT")]
    pub capture_only: Option<String>,
    /// For load tests: record for so long, then only forward [default: always].
    #[arg(long = "for", value_name = "DURATION")]
    #[serde(rename = "for")]
    pub record_for: Option<Span>,
    /// Requests with this field and a value that matches are passed on and not recorded, nor are their answers. May be
    /// given several times.
    #[arg(long = "leave-out-header", value_name = "NAME=REGEX")]
    pub leave_out_headers: Vec<String>,
    /// The same for requests whose method matches.
    #[arg(long, value_name = "REGEX", alias = "suppressCaptureForMethod")]
    pub leave_out_method: Option<String>,
    /// The same for requests whose path, with its query, matches.
    #[arg(long, value_name = "REGEX", alias = "suppressCaptureForUriPath")]
    pub leave_out_path: Option<String>,
    /// The same for requests whose method and path, with a space between, match.
    #[arg(long, value_name = "REGEX", alias = "suppressMethodAndPath")]
    pub leave_out_method_and_path: Option<String>,
    /// As the reference implementation calls --leave-out-header.
    #[arg(long = "suppressCaptureForHeaderMatch", num_args = 2, value_names = ["NAME", "REGEX"], hide = true)]
    #[serde(skip)]
    pub suppressed_headers: Vec<String>,
    /// Fields of heads whose values are covered in the journal, beside credentials. May be given several times.
    #[arg(long = "redact-header", value_name = "NAME")]
    pub redact_headers: Vec<String>,
    /// The same for parameters of the query.
    #[arg(long = "redact-parameter", value_name = "NAME")]
    pub redact_parameters: Vec<String>,
    /// The same for fields of JSON bodies, of requests and answers: `email`, or `user.email` for one within `user`.
    #[arg(long = "redact-field", value_name = "PATH")]
    pub redact_fields: Vec<String>,
    /// What is covered becomes a hash under the key in this file, so that equal values stay equal [default: stars].
    #[arg(long, value_name = "FILE")]
    pub redact_key_file: Option<PathBuf>,
    /// How long a full journal is waited for before --when-full applies [default: 10s].
    #[arg(long, value_name = "DURATION")]
    pub journal_patience: Option<Span>,
    /// Bytes of one connection that may wait for durability [default: 1MiB].
    #[arg(long, value_name = "SIZE")]
    pub window: Option<Size>,
    /// Memory of all connections together: what they have read and is in use, and they themselves. At the bound, clients wait
    /// [default: 512MiB].
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Size>,
    /// Bytes of all records that may wait for durability [default: 64MiB].
    #[arg(long, value_name = "SIZE")]
    pub journal_queue: Option<Size>,
    /// File journal: size of all segments at which appends are refused [default: 16GiB].
    #[arg(long, value_name = "SIZE")]
    pub journal_limit: Option<Size>,
    /// File journal: segments that were last written longer ago are deleted [default: kept].
    #[arg(long, value_name = "DURATION")]
    pub journal_retention: Option<Span>,
    /// Kafka: partitions of a topic that has to be made [default: 4].
    #[arg(long, value_name = "N")]
    pub kafka_partitions: Option<i32>,
    /// Kafka: a property of librdkafka, as in compression.type=lz4; a secret as in sasl.password-file=PATH. May be given
    /// several times.
    #[arg(long = "kafka-property", value_name = "NAME=VALUE")]
    pub kafka_properties: Vec<String>,
    /// Kafka: folder that records go to while it is slow or gone; what is there is drained when it is back
    /// [default: none].
    #[arg(long, value_name = "DIR")]
    pub spill: Option<PathBuf>,
    /// Kafka: size of the spill at which --when-full applies [default: 16GiB].
    #[arg(long, value_name = "SIZE")]
    pub spill_limit: Option<Size>,
    /// Kafka: how long a record may wait for its acknowledgement before the spill is used [default: 1s].
    #[arg(long, value_name = "DURATION")]
    pub spill_after: Option<Span>,
    /// Largest read, and so largest record [default: 128KiB].
    #[arg(long, value_name = "SIZE")]
    pub read_size: Option<Size>,
    /// Longest request head that is framed [default: 1MiB].
    #[arg(long, value_name = "SIZE")]
    pub head_limit: Option<Size>,
    /// How long a request's head may take from its first byte to its last; then it is answered 408. Fields behind a body, and
    /// values that are hashed, have as long [default: 1m].
    #[arg(long, value_name = "DURATION")]
    pub head_timeout: Option<Span>,
    /// How long the source has to accept a connection [default: 5s].
    #[arg(long, value_name = "DURATION")]
    pub connect_timeout: Option<Span>,
    /// How long answers are read on after the client has gone, or when nothing more is sent to the source [default: 1m].
    #[arg(long, value_name = "DURATION")]
    pub answer_patience: Option<Span>,
    /// After SIGTERM /readyz fails, and clients are served on for so long: until the load balancer has noticed [default: 0s].
    #[arg(long, value_name = "DURATION")]
    pub drain_delay: Option<Span>,
    /// How long open exchanges may take after that [default: 30s].
    #[arg(long, value_name = "DURATION")]
    pub drain: Option<Span>,
    /// While it drains, answers say `connection: close`; a connection without a request is closed after so long [default: 1s].
    #[arg(long, value_name = "DURATION")]
    pub drain_idle: Option<Span>,
    /// On SIGQUIT the program is started anew and takes over: how long it has for that [default: 30s].
    #[arg(long, value_name = "DURATION")]
    pub upgrade_timeout: Option<Span>,
    /// Threads that serve connections [default: one a core].
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Certificate chain (PEM) for TLS on the listener; needs --tls-key.
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// Private key (PEM) for TLS on the listener. Certificate, key and --tls-client-ca are read again when they change.
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Authorities (PEM) whose certificates clients have to show.
    #[arg(long, value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,
    /// Whether clients have to: required (default), or optional.
    #[arg(long, value_name = "WHAT")]
    pub tls_client_auth: Option<String>,
    /// Authorities (PEM) of the source's certificate [default: those that this host trusts].
    #[arg(long, value_name = "FILE")]
    pub source_ca: Option<PathBuf>,
    /// Certificate chain (PEM) that the proxy shows the source; needs --source-key.
    #[arg(long, value_name = "FILE")]
    pub source_certificate: Option<PathBuf>,
    /// Private key (PEM) of --source-certificate.
    #[arg(long, value_name = "FILE")]
    pub source_key: Option<PathBuf>,
    /// Name in the source's certificate [default: the host of --source, a name or an address].
    #[arg(long, value_name = "NAME")]
    pub source_server_name: Option<String>,
    /// A header field that the source gets with every request, instead of the client's. May be given several times.
    #[arg(long = "set-header", value_name = "NAME=VALUE")]
    pub set_headers: Vec<String>,
    /// Take any certificate of the source: whoever is in between reads and changes everything.
    #[arg(long)]
    pub danger_accept_invalid_certs: bool,
    /// Addresses of balancers, whose word for a client's address is taken, as in 10.0.0.0/8,fd00::/8 [default: none].
    #[arg(long, value_name = "RANGES")]
    pub trusted_proxies: Option<String>,
    /// PROXY protocol, 1 or 2, in front of connections of --trusted-proxies: off (default), optional or required.
    #[arg(long, value_name = "WHAT")]
    pub proxy_protocol: Option<String>,
    /// How long a client may take for its PROXY header and TLS handshake [default: 10s].
    #[arg(long, value_name = "DURATION")]
    pub handshake_timeout: Option<Span>,
    /// Address of /livez, /readyz and /metrics [default: none].
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<String>,
    /// Log filter, as in info or journal=debug [default: info].
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
    /// YAML file with these settings; flags and GODWIT_CAPTURE_PROXY__KEY win over it.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}

impl Flags {
    /// The names that a file or the environment may use.
    pub const KEYS: [&str; 52] = [
        "listen",
        "source",
        "journal",
        "durability",
        "hold",
        "when-full",
        "capture-only",
        "for",
        "leave-out-headers",
        "leave-out-method",
        "leave-out-path",
        "leave-out-method-and-path",
        "redact-headers",
        "redact-parameters",
        "redact-fields",
        "redact-key-file",
        "journal-patience",
        "window",
        "memory",
        "journal-queue",
        "journal-limit",
        "journal-retention",
        "kafka-partitions",
        "kafka-properties",
        "spill",
        "spill-limit",
        "spill-after",
        "read-size",
        "head-limit",
        "head-timeout",
        "connect-timeout",
        "answer-patience",
        "drain-delay",
        "drain",
        "drain-idle",
        "upgrade-timeout",
        "threads",
        "tls-certificate",
        "tls-key",
        "tls-client-ca",
        "tls-client-auth",
        "source-ca",
        "source-certificate",
        "source-key",
        "source-server-name",
        "set-headers",
        "danger-accept-invalid-certs",
        "trusted-proxies",
        "proxy-protocol",
        "handshake-timeout",
        "admin",
        "log-level",
    ];
}
