//! What the benchmarks need beside the programs: the plainest TCP relay (the ceiling), a server that
//! answers and does nothing else, a client that holds idle connections, an appender alone, a target
//! that counts the documents it is sent.

#![forbid(unsafe_code)]

mod append;
mod backend;
mod forward;
mod idle;
mod paced;
mod sink;
mod ticks;
mod traffic;

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Parts of the benchmarks; without a command, a plain TCP relay.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Flags {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    forward: Forward,
}

#[derive(Args)]
struct Forward {
    /// Address that clients connect to.
    #[arg(long, required = true)]
    listen: Option<SocketAddr>,
    /// Address that every connection is relayed to.
    #[arg(long, required = true)]
    to: Option<SocketAddr>,
    /// Threads of the runtime.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

#[derive(Subcommand)]
enum Part {
    /// A keep-alive HTTP/1.1 server that reads whole requests and answers 300 bytes.
    Backend {
        #[arg(long)]
        listen: SocketAddr,
    },
    /// A target of `backfill run` that takes every document and keeps none; `GET /_sink` says how many.
    Sink {
        #[arg(long)]
        listen: SocketAddr,
        /// Captured connections of the made traffic that comes, to count what is out of order.
        #[arg(long, default_value_t = 0)]
        connections: usize,
    },
    /// How exactly timers of the runtime alone keep a rate; prints percentiles, milliseconds.
    Ticks {
        /// All tasks together, a second.
        #[arg(long, default_value_t = 10_000)]
        rate: u64,
        #[arg(long, default_value_t = 5000)]
        tasks: u64,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Writes a journal of made traffic, for replays.
    Traffic(traffic::Wanted),
    /// Opens connections, makes one GET on each, prints a line, and holds them until stdin ends.
    Idle {
        #[arg(long)]
        to: SocketAddr,
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
    },
    /// Writes at a rate over many connections, whatever becomes of the answers; prints percentiles from the intended moments.
    Paced(paced::Wanted),
    /// Opens connections, sends a POST on all at once, and waits for all answers.
    Flood {
        #[arg(long)]
        to: SocketAddr,
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
        /// Bytes of a body.
        #[arg(long, default_value_t = 100_000)]
        size: usize,
    },
    /// Appends records to a journal one at a time, each when the one before is durable; prints how
    /// long they took.
    Append {
        #[arg(long)]
        journal: journal::JournalUrl,
        /// Bytes of a record.
        #[arg(long, default_value_t = 4096)]
        size: usize,
        /// Records.
        #[arg(long, default_value_t = 2000)]
        count: u64,
    },
}

/// `0`: a thread for each core.
fn runtime(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    match threads {
        0 => tokio::runtime::Builder::new_multi_thread().enable_all().build(),
        1 => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        n => tokio::runtime::Builder::new_multi_thread().worker_threads(n).enable_all().build(),
    }
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    match flags.part {
        Some(Part::Backend { listen }) => runtime(1)?.block_on(backend::serve(listen)),
        Some(Part::Sink { listen, connections }) => {
            runtime(1)?.block_on(sink::serve(listen, connections))
        }
        Some(Part::Ticks { rate, tasks, seconds }) => {
            runtime(0)?.block_on(ticks::measure(rate, tasks, seconds))
        }
        Some(Part::Traffic(wanted)) => runtime(1)?.block_on(traffic::write(wanted)),
        Some(Part::Idle { to, connections }) => runtime(1)?.block_on(idle::hold(to, connections)),
        Some(Part::Paced(wanted)) => runtime(1)?.block_on(paced::measure(wanted)),
        Some(Part::Flood { to, connections, size }) => {
            runtime(1)?.block_on(paced::flood(to, connections, size))
        }
        Some(Part::Append { journal, size, count }) => append::measure(&journal, size, count),
        None => {
            let Forward { listen: Some(listen), to: Some(to), threads } = flags.forward else {
                anyhow::bail!("--listen and --to are needed");
            };
            runtime(threads)?.block_on(forward::serve(listen, to))
        }
    }
}
