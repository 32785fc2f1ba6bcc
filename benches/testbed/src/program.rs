//! Child programs that can't outlive this process.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};

/// When this process died before the child had asked to die with it, the child sees it here.
const LEASH: &str = r#"[ "$PPID" = "$0" ] || exit 1; exec "$@""#;

/// A running child in a process group of its own. It is killed when this value is dropped and, by
/// the kernel, when this process ends in whatever way.
#[derive(Debug)]
pub struct Program {
    child: Child,
    group: Pid,
    ended: Option<ExitStatus>,
}

impl Program {
    /// Starts `program`; what it prints is appended to `log`.
    ///
    /// # Errors
    /// When the log can't be opened or the program can't be started.
    pub fn start<A: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
        env: &[(&str, &str)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot open {}", log.display()))?;
        let err = out.try_clone()?;
        Self::start_with(program, args, env, out.into(), err.into())
    }

    /// Starts `program` with the given standard output and error.
    ///
    /// # Errors
    /// When the program can't be started.
    pub fn start_with<A: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
        env: &[(&str, &str)],
        stdout: Stdio,
        stderr: Stdio,
    ) -> anyhow::Result<Self> {
        let name = program.as_ref().to_owned();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "sh", "-c", LEASH]);
        command.arg(std::process::id().to_string()).arg(&name).args(args);
        command.envs(env.iter().copied()).process_group(0);
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let child = spawn(command).with_context(|| format!("cannot start {}", name.display()))?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let group = group.with_context(|| format!("{} has no process id", name.display()))?;
        Ok(Self { child, group, ended: None })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child's standard output, once, when it was started with a pipe for it.
    pub fn take_stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub async fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Asks it to end (`SIGTERM`) and waits; after `grace` it is killed.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub async fn terminate(&mut self, grace: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM);
        match tokio::time::timeout(grace, self.wait()).await {
            Ok(status) => status,
            Err(_) => self.kill().await,
        }
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Errors
    /// When the kernel can't be asked.
    pub async fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.wait().await
    }

    /// Stops it where it is (`SIGSTOP`): its sockets stay open, nothing answers.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Program::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        // A group that was waited for is gone, and its number may be another's by now.
        if self.ended.is_none() {
            let _ = kill_process_group(self.group, signal);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

type Order = (Command, SyncSender<std::io::Result<Child>>);

/// All children are started by one thread that lives as long as this process: the kernel takes the
/// *thread* that started a child for its parent, and a test's own thread ends with the test.
fn spawn(command: Command) -> std::io::Result<Child> {
    static LAUNCHER: LazyLock<Sender<Order>> = LazyLock::new(|| {
        let (orders, inbox) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, outcome) = sync_channel(1);
    let gone = |_| std::io::Error::other("the launcher thread is gone");
    LAUNCHER.send((command, reply)).map_err(|_| std::io::Error::other("no launcher thread"))?;
    outcome.recv().map_err(gone)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(id: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    #[tokio::test]
    async fn a_dropped_program_takes_its_children_with_it() {
        let args = ["-c", "sleep 1000 & echo $!; wait"];
        let mut shell =
            Program::start_with("sh", args, &[], Stdio::piped(), Stdio::null()).unwrap();
        let mut line = String::new();
        let out = shell.take_stdout().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
        let grandchild: u32 = line.trim().parse().unwrap();
        assert!(alive(shell.id()) && alive(grandchild));

        drop(shell);
        tokio::time::timeout(Duration::from_secs(5), async {
            while alive(grandchild) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("the grandchild is gone");
    }

    #[tokio::test]
    async fn terminate_kills_what_does_not_listen() {
        let args = ["-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"];
        let mut deaf = Program::start_with("sh", args, &[], Stdio::piped(), Stdio::null()).unwrap();
        let out = deaf.take_stdout().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
        let status = deaf.terminate(Duration::from_millis(200)).await.unwrap();
        assert_eq!(status.code(), None);
    }
}
