//! The program `traffic-replayer`; see `traffic-replayer --help`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    traffic_replayer::command(std::env::args_os()).into()
}
