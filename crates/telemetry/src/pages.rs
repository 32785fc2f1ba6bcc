//! The size of the process's pages.

use std::io;

/// Turns transparent huge pages off for this process. Call it first: it holds for what is allocated from then on.
///
/// A huge page is 2 MiB that are made, and resident, as soon as some bytes of them are in use: whoever touched them waits for
/// all of it, and with it all that its thread was to do. And the kernel makes them later too, out of what has lain there for
/// twenty minutes, so that a process grows by itself.
///
/// # Errors
/// When the kernel refuses; nothing else changes.
pub fn refuse_huge_pages() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::thread::disable_transparent_huge_pages(true)?;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows() {
        refuse_huge_pages().unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let enabled = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"));
        assert_eq!(enabled.map(str::trim), Some("0"), "{status}");
    }
}
