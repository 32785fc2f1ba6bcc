//! What systemd wants to know of a service (`Type=notify`, or `notify-reload`): datagrams to the socket that it names.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::threads::Pulse;

/// The way to systemd; without one, nothing is said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Systemd(Option<OsString>);

impl Systemd {
    /// As the environment of this process says.
    pub(crate) fn of_environment() -> Systemd {
        Systemd(std::env::var_os("NOTIFY_SOCKET"))
    }

    /// Connections are served.
    pub(crate) fn ready(&self) {
        self.say("READY=1\n");
    }

    /// No new connections are taken.
    pub(crate) fn stopping(&self) {
        self.say("STOPPING=1\n");
    }

    /// Files are being read again; [`Systemd::ready`] ends it.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\n"));
    }

    /// Another process of this service is its main one from now on.
    pub(crate) fn succeeded_by(&self, process: u32) {
        self.say(&format!("MAINPID={process}\n"));
    }

    /// It is alive.
    pub(crate) fn alive(&self) {
        self.say("WATCHDOG=1\n");
    }

    fn say(&self, words: &str) {
        let Some(path) = &self.0 else { return };
        let said = || -> io::Result<()> {
            let address = match path.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
                _ => SocketAddr::from_pathname(path)?,
            };
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            socket.send_to_addr(words.as_bytes(), &address).map(drop)
        };
        if let Err(error) = said() {
            tracing::warn!(%error, "systemd can't be told");
        }
    }
}

/// How often [`Systemd::alive`] has to be said at most: half of what systemd waits. `None`: it doesn't wait for it.
pub(crate) fn watchdog() -> Option<Duration> {
    let micros: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    let process = std::env::var("WATCHDOG_PID").ok();
    let ours = process.is_none_or(|process| process == std::process::id().to_string());
    (ours && micros > 0).then(|| Duration::from_micros(micros / 2))
}

/// Says that the proxy is alive, as often as systemd wants to hear it, as long as each of its threads runs.
pub(crate) async fn watch(systemd: Systemd, every: Duration, threads: Vec<Pulse>) {
    let mut seen = vec![0; threads.len()];
    loop {
        tokio::time::sleep(every).await;
        let now: Vec<u64> = threads.iter().map(|pulse| pulse.load(Ordering::Relaxed)).collect();
        let stands = now.iter().zip(&seen).filter(|(now, seen)| now == seen).count();
        match stands {
            0 => systemd.alive(),
            _ => tracing::error!(stands, "threads of the proxy stand still"),
        }
        seen = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("notify");
        let name = format!("godwit-test-{}", std::process::id());
        let listening = UnixDatagram::bind(&path).unwrap();
        let hidden =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let heard = |socket: &UnixDatagram| {
            let mut words = [0; 100];
            let length = socket.recv(&mut words).unwrap();
            String::from_utf8(words[..length].to_vec()).unwrap()
        };
        let by_path = Systemd(Some(path.into_os_string()));
        by_path.ready();
        assert_eq!(heard(&listening), "READY=1\n");
        by_path.reloading();
        assert!(heard(&listening).starts_with("RELOADING=1\nMONOTONIC_USEC="));
        Systemd(Some(format!("@{name}").into())).stopping();
        assert_eq!(heard(&hidden), "STOPPING=1\n");
        Systemd(Some("/no/such/socket".into())).alive();
        Systemd(None).succeeded_by(1);
    }
}
