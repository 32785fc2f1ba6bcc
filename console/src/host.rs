//! What the kernel knows of this host and of its processes.

use std::fs;

/// This host's name.
pub fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Tells this boot of the host from every other: process ids begin anew with each.
pub fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    text.map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// When a process was started, in the kernel's ticks since the boot: together with its id it names one process.
/// `None`: there is no such process, or it has ended and nobody has asked how.
pub fn started(pid: u32) -> Option<u64> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name of the program stands in parentheses and may hold anything, parentheses too.
fn parse(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // Of all fields the 22nd; the state was the third.
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let me = started(std::process::id()).unwrap();
        assert_eq!(started(std::process::id()), Some(me));
        assert_eq!(started(u32::MAX), None);
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9";
        assert_eq!(parse(stat), Some(4711));
        assert_eq!(parse(&stat.replace(" S ", " Z ")), None);
    }
}
