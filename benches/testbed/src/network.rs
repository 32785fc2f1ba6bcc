//! A network of one's own, in which packets get lost: a test runs itself again in a namespace, where everything that it
//! starts talks over a loopback device that nobody else has.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::server::install_tools;

const INSIDE: &str = "GODWIT_TESTBED_NETWORK";
const TABLE: &str = "godwit";

/// The namespace that this process is in, and the only one who changes it.
#[derive(Debug)]
pub struct Network(());

impl Network {
    /// Runs the test `name` of this program again, in a new network, and gives `None` when it has passed; in there, gives that
    /// network. Needs to be root, as containers and CI are.
    ///
    /// # Errors
    /// When no namespace can be made, or the test in it failed.
    pub async fn of_its_own(name: &str) -> anyhow::Result<Option<Self>> {
        if std::env::var_os(INSIDE).is_some() {
            run("ip", &["link", "set", "lo", "up"]).await?;
            run("nft", &["add", "table", "ip", TABLE]).await?;
            return Ok(Some(Self(())));
        }
        install_tools(&["network"]).await?;
        let this = std::env::current_exe().context("where is this program?")?;
        let mut inside = Command::new("unshare");
        inside.arg("--net").arg("--").arg(this).args(["--exact", name, "--nocapture"]);
        let status = inside.env(INSIDE, "1").stdin(Stdio::null()).kill_on_drop(true).status().await;
        let status = status.context("cannot run unshare")?;
        ensure!(status.success(), "{name} failed in a network of its own: {status}");
        Ok(None)
    }

    /// Of the packets to and from `addresses` so many of a hundred are lost, both ways: 100 is a partition.
    ///
    /// # Errors
    /// When the kernel doesn't take the rules.
    pub async fn lose(&self, percent: u8, addresses: &[SocketAddr]) -> anyhow::Result<()> {
        let chain = "{ type filter hook input priority 0 ; }";
        run("nft", &["add", "chain", "ip", TABLE, "lost", chain]).await?;
        for address in addresses {
            for end in ["dport", "sport"] {
                let port = address.port().to_string();
                let percent = percent.to_string();
                let which = ["add", "rule", "ip", TABLE, "lost", "tcp", end, &port];
                let some = ["numgen", "random", "mod", "100", "<", &percent];
                let some = if percent == "100" { &[][..] } else { &some };
                run("nft", &[&which[..], some, &["counter", "drop"]].concat()).await?;
            }
        }
        Ok(())
    }

    /// No more packets are lost; how many have been.
    ///
    /// # Errors
    /// When the kernel doesn't say.
    pub async fn heal(&self) -> anyhow::Result<u64> {
        let rules = run("nft", &["list", "table", "ip", TABLE]).await?;
        run("nft", &["delete", "chain", "ip", TABLE, "lost"]).await?;
        let counts = rules.split("packets ").skip(1).filter_map(|rest| rest.split(' ').next());
        Ok(counts.filter_map(|count| count.parse::<u64>().ok()).sum())
    }
}

async fn run(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output().await;
    let output = output.with_context(|| format!("cannot run {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {said}", arguments.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
