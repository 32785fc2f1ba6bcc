//! Tests with thousands of connections need more files than a shell gives.

use anyhow::{Context, ensure};
use rustix::process::{Resource, getrlimit, setrlimit};

/// Lets this process, and what it starts, have `wanted` files open.
///
/// # Errors
/// When this user may not have so many.
pub fn allow_open_files(wanted: u64) -> anyhow::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    ensure!(
        limit.maximum.is_none_or(|maximum| maximum >= wanted),
        "this test opens {wanted} files, and this user may not: raise the hard limit (ulimit -Hn)"
    );
    limit.current = Some(wanted);
    setrlimit(Resource::Nofile, limit).context("raising the limit of open files")
}
