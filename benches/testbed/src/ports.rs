//! Ports that nobody else has: two in a row, for REST and transport.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rand::Rng;

/// Two consecutive ports of 127.0.0.1. They are this value's until it is dropped, over all processes
/// of this user: a locked file stands for each pair.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    _lock: File,
}

impl Ports {
    /// Takes a free pair.
    ///
    /// # Errors
    /// When the folder of locks can't be written, or no pair of a few hundred tried is free.
    pub fn take() -> anyhow::Result<Self> {
        let folder = lock_folder()?;
        let ceiling = outgoing_floor();
        let floor = 10_000.min(ceiling / 2).max(1_024);
        let mut random = rand::rng();
        for _ in 0..500 {
            let first = random.random_range(floor / 2..(ceiling - 1) / 2) * 2;
            if let Some(lock) = lock_pair(&folder, first)
                && is_free(first)
                && is_free(first + 1)
            {
                return Ok(Self { first, _lock: lock });
            }
        }
        bail!("no pair of free ports between {floor} and {ceiling}")
    }

    /// The first port.
    #[must_use]
    pub fn first(&self) -> u16 {
        self.first
    }

    /// 127.0.0.1 and the first port.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.first))
    }

    /// 127.0.0.1 and the second port.
    #[must_use]
    pub fn second_addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.first + 1))
    }
}

/// The lowest port that the kernel gives to outgoing connections: a port at or above it can be taken
/// by any client between our look and the server's bind.
fn outgoing_floor() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .filter(|floor| *floor > 4_096)
        .unwrap_or(32_768)
}

fn lock_folder() -> anyhow::Result<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    let folder = std::env::temp_dir().join(format!("godwit-ports-{uid}"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn lock_pair(folder: &Path, first: u16) -> Option<File> {
    let lock = File::create(folder.join(first.to_string())).ok()?;
    lock.try_lock().ok()?;
    Some(lock)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_takers_never_share_a_port_and_stay_below_the_outgoing_range() {
        let taken: Vec<Ports> = (0..40).map(|_| Ports::take().unwrap()).collect();
        let mut all: Vec<u16> = taken.iter().flat_map(|p| [p.first(), p.first() + 1]).collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(all.iter().all(|port| *port < outgoing_floor()));
    }

    #[test]
    fn a_locked_pair_is_refused_until_it_is_dropped() {
        let ports = Ports::take().unwrap();
        let folder = lock_folder().unwrap();
        assert!(lock_pair(&folder, ports.first()).is_none());
        let first = ports.first();
        drop(ports);
        assert!(lock_pair(&folder, first).is_some());
    }
}
