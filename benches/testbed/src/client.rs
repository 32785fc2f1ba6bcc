//! Client libraries and programs of the outside world, as `clients.sh` installs them.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use tokio::process::Command;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");
/// A client's work takes seconds.
const LIMIT: Duration = Duration::from_secs(180);

/// A client of one version.
#[derive(Debug)]
pub struct Client {
    name: String,
    folder: PathBuf,
}

impl Client {
    /// Installs it, if it isn't. `None`, and said on stderr, where what it runs on can't be had: nothing stands in.
    ///
    /// # Errors
    /// When it can't be installed although all that it needs is there.
    pub async fn get(name: &str) -> anyhow::Result<Option<Self>> {
        let mut script = Command::new(Path::new(FOLDER).join("servers.sh"));
        let output = script.args(["client", name]).stderr(Stdio::inherit()).output().await?;
        if output.status.code() == Some(69) {
            eprintln!("testbed: {name} CANNOT BE HAD HERE: this run says nothing about it");
            return Ok(None);
        }
        ensure!(output.status.success(), "cannot install {name}; see the messages above");
        let folder = PathBuf::from(String::from_utf8(output.stdout)?.trim_end());
        Ok(Some(Self { name: name.to_owned(), folder }))
    }

    /// Does what its users do, on the cluster that answers at `addr`, in indices whose names begin with `index`.
    ///
    /// # Errors
    /// When it ends with anything but 0: the cluster doesn't have what it was told to have.
    pub async fn work(&self, addr: SocketAddr, index: &str) -> anyhow::Result<()> {
        let (url, host, port) =
            (format!("http://{addr}"), addr.ip().to_string(), addr.port().to_string());
        let script = |name: &str| Path::new(FOLDER).join("clients").join(name);
        let kind = self.name.trim_end_matches(['-', '7', '8']);
        let command = match kind {
            "elasticsearch-py" => self.python(&script("python.py"), ["elasticsearch", &url, index]),
            "opensearch-py" => self.python(&script("python.py"), ["opensearchpy", &url, index]),
            "elasticsearch-js" | "opensearch-js" => {
                let package = match kind {
                    "opensearch-js" => "@opensearch-project/opensearch",
                    _ => "@elastic/elasticsearch",
                };
                let mut command = Command::new("node");
                command.arg(script("javascript.mjs")).args([package, &url, index]);
                command
            }
            "rest-client" => {
                let mut command = Command::new(java().await?);
                command.arg("-cp").arg(self.folder.join("*")).arg(script("RestClients.java"));
                command.args([host.as_str(), &port, index]);
                command
            }
            _ => bail!("{} does no work of its own", self.name),
        };
        self.run(command).await.map(drop)
    }

    /// The program `elasticdump`, with these arguments.
    ///
    /// # Errors
    /// When it ends with anything but 0.
    pub async fn dump(&self, arguments: &[String]) -> anyhow::Result<()> {
        let mut command = Command::new("node");
        command.arg(self.folder.join("node_modules/elasticdump/bin/elasticdump")).args(arguments);
        self.run(command).await.map(drop)
    }

    fn python(&self, script: &Path, arguments: [&str; 3]) -> Command {
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", &self.folder).env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(script).args(arguments);
        command
    }

    async fn run(&self, mut command: Command) -> anyhow::Result<String> {
        // As their users' machines are, without a proxy for outgoing requests.
        for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(variable);
        }
        command.current_dir(&self.folder).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(LIMIT, command.output()).await;
        let output = output.with_context(|| format!("{} does not end", self.name))??;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        ensure!(
            output.status.success(),
            "{} ended with {}\n{out}\n{err}",
            self.name,
            output.status
        );
        Ok(out)
    }
}

/// The JDK that servers run on compiles one file, too.
async fn java() -> anyhow::Result<PathBuf> {
    let mut script = Command::new(Path::new(FOLDER).join("servers.sh"));
    let output = script.args(["jdk", "es-7.17"]).output().await?;
    ensure!(output.status.success(), "no JDK: {}", String::from_utf8_lossy(&output.stderr));
    Ok(Path::new(String::from_utf8(output.stdout)?.trim_end()).join("bin/java"))
}
