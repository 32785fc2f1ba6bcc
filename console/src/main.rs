//! The program `godwit`: every step of a migration; see `godwit --help`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    godwit::command(std::env::args_os().collect()).into()
}
