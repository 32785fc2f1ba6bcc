//! The program `capture-proxy`; see `capture-proxy --help`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    capture_proxy::command(std::env::args_os()).into()
}
