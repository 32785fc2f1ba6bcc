//! Real servers for tests, benchmarks and the demo.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use testbed::Testbed;
//! let source = Testbed::elasticsearch("7.10").await?;
//! let target = Testbed::opensearch("3").await?;
//! let kafka = Testbed::kafka().await?;
//! source.stop().await?;
//! source.start().await?; // the same data on the same port
//! # Ok(()) }
//! ```
//!
//! Invariants:
//! - A server is gone when its [`Server`] is dropped, when the test panics, and when the test's
//!   process is killed.
//! - A server that answers is the one that was started: it is known by a random cluster name.
//! - Ports lie below the range the kernel takes outgoing ports from, and no two processes that use
//!   this crate get the same one.
//!
//! [`History`] makes a snapshot of documents that are hard to read. [`Relay`] makes faults in front of a real server,
//! [`Gate`] answers in its place, [`SignedFront`] and [`TlsFront`] let only those in who prove who they are. [`ScriptedSource`] stands for a server where a
//! test is about bytes; [`Ambiguous`] is what such tests send. [`Tap`] writes down what passes between two others.
#![forbid(unsafe_code)]

mod ambiguous;
mod brokers;
mod client;
mod folder;
mod gate;
mod history;
mod kafka;
mod network;
mod open_files;
mod ports;
mod program;
mod relay;
mod s3;
mod scripted;
mod secured;
mod server;
mod shared;
mod signed;
mod tap;
mod tls;
mod traffic;

pub use ambiguous::Ambiguous;
pub use brokers::Brokers;
pub use client::Client;
pub use folder::Folder;
pub use gate::Gate;
pub use history::{ExpectedDocument, History};
pub use kafka::Kafka;
pub use network::Network;
pub use open_files::allow_open_files;
pub use ports::Ports;
pub use program::Program;
pub use relay::Relay;
pub use s3::S3;
pub use scripted::{ScriptedSource, Seen, Step};
pub use secured::{Door, SecuredKafka};
pub use server::{CLUSTERS, Server, Testbed, fetch, install_tools};
pub use shared::{Shared, SharedKafka};
pub use signed::{SignedFront, SigningKey};
pub use tap::{Tap, Tapped};
pub use tls::{Authority, Issued, TlsFront};
pub use traffic::Traffic;
