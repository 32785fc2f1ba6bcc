//! Both clusters, known again by their UUIDs.

use cluster::{Cluster, Flavour, Info, Method, Request};
use serde_json::Value;

use crate::console::Console;
use crate::migration::Migration;
use crate::problem::{Problem, Side};
use crate::state::{Known, State};

/// Both, connected.
#[derive(Debug, Clone)]
pub struct Clusters {
    pub source: Cluster,
    pub target: Cluster,
}

impl Clusters {
    /// Connects to both and sees that they are the ones that the state knows.
    ///
    /// # Errors
    /// When one doesn't answer, refuses the credentials, or is another one by now.
    pub async fn connect(migration: &Migration, state: &State) -> Result<Clusters, Problem> {
        let (source, target) = tokio::join!(
            Cluster::connect(migration.source.settings.clone()),
            Cluster::connect(migration.target.settings.clone())
        );
        let source = source.map_err(|error| Problem::cluster(Side::Source, &error))?;
        let target = target.map_err(|error| Problem::cluster(Side::Target, &error))?;
        same(Side::Source, state.source.as_ref(), &source)?;
        same(Side::Target, state.target.as_ref(), &target)?;
        let uuid = |cluster: &Cluster| cluster.info().cluster_uuid.clone();
        if uuid(&source).is_some() && uuid(&source) == uuid(&target) {
            let why = format!("both answer with the uuid {}", uuid(&source).unwrap_or_default());
            let next = "correct `source.url` and `target.url`, then `godwit setup check`";
            return Err(Problem::config("source and target are the same cluster", why, next));
        }
        Ok(Clusters { source, target })
    }

    pub fn of(&self, side: Side) -> &Cluster {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }
}

impl Console {
    /// Both clusters, after `godwit setup check` has seen them.
    ///
    /// # Errors
    /// When that hasn't been, or as [`Clusters::connect`].
    pub async fn clusters(&self) -> Result<Clusters, Problem> {
        let state = self.state()?;
        if state.setup_checked.is_none() {
            let why = "both clusters are to be checked first";
            return Err(Problem::early("it is too early", why, "`godwit setup check`"));
        }
        Clusters::connect(&self.migration, &state).await
    }
}

/// What is remembered of a cluster.
pub fn known(cluster: &Cluster) -> Known {
    let Info { flavour, version, cluster_uuid, .. } = cluster.info();
    let flavour = match flavour {
        Flavour::Elasticsearch => "Elasticsearch",
        Flavour::OpenSearch => "OpenSearch",
    };
    Known {
        url: cluster.url().to_owned(),
        uuid: cluster_uuid.clone(),
        flavour: flavour.into(),
        version: version.clone(),
    }
}

fn same(side: Side, known: Option<&Known>, found: &Cluster) -> Result<(), Problem> {
    let Some(known) = known else { return Ok(()) };
    let (before, now) = (known.uuid.as_deref(), found.info().cluster_uuid.as_deref());
    if before == now {
        return Ok(());
    }
    let name = side.as_str();
    let what = format!("the {name} at {} is another cluster than before", found.url());
    let words = |uuid: Option<&str>| uuid.unwrap_or("none").to_owned();
    let why = format!("its uuid was {} and is {}", words(before), words(now));
    let next = format!(
        "bring the old cluster back or correct `{name}.url`; if the change is meant, begin a new \
         migration with a file and a name of its own"
    );
    Err(Problem::config(what, why, next))
}

/// Asks a cluster for JSON.
///
/// # Errors
/// When it doesn't answer, or not with a success.
pub async fn ask(side: Side, cluster: &Cluster, path: &str) -> Result<Value, Problem> {
    let reply = cluster.call(Request::new(Method::GET, path)).await;
    let reply = reply.map_err(|error| Problem::cluster(side, &error))?;
    serde_json::from_slice(&reply.body)
        .map_err(|error| Problem::cluster(side, &cluster.answer_error(path, error)))
}

/// As [`ask`], with `None` for 404.
///
/// # Errors
/// As [`ask`].
pub async fn find(side: Side, cluster: &Cluster, path: &str) -> Result<Option<Value>, Problem> {
    let reply = cluster.find(Request::new(Method::GET, path)).await;
    let Some(reply) = reply.map_err(|error| Problem::cluster(side, &error))? else {
        return Ok(None);
    };
    let parsed = serde_json::from_slice(&reply.body);
    parsed.map(Some).map_err(|error| Problem::cluster(side, &cluster.answer_error(path, error)))
}

/// Sends JSON; anything but a success is a problem.
///
/// # Errors
/// As [`ask`].
pub async fn send(
    side: Side,
    cluster: &Cluster,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Problem> {
    let request = match body {
        Some(body) => Request::json(method, path, body.to_string()),
        None => Request::new(method, path),
    };
    let reply = cluster.call(request).await.map_err(|error| Problem::cluster(side, &error))?;
    Ok(serde_json::from_slice(&reply.body).unwrap_or_default())
}
