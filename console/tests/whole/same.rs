//! Both clusters, read whole and held against each other without the console: Elasticsearch 8 doesn't sort by `_id`, so
//! not in the way that the load does it.

use std::collections::BTreeMap;

use cluster::Cluster;
use serde_json::Value;

/// By id and routing.
type Documents = BTreeMap<(String, Option<String>), Value>;

async fn indices(cluster: &Cluster) -> Vec<String> {
    let all = cluster.index_identities().await.unwrap();
    all.into_keys().filter(|name| !name.starts_with('.')).collect()
}

async fn documents(cluster: &Cluster, index: &str) -> Documents {
    let (mut all, mut scan) = (Documents::new(), cluster.scan(index, 1_000).await.unwrap());
    loop {
        let page = scan.next_page().await.unwrap();
        if page.is_empty() {
            return all;
        }
        for document in page {
            let source = serde_json::from_slice(&document.source).unwrap();
            all.insert((document.id, document.routing), source);
        }
    }
}

/// How many documents there are, and what isn't the same.
pub(crate) async fn compared(source: &Cluster, target: &Cluster) -> (usize, Vec<String>) {
    let (here, there) = (indices(source).await, indices(target).await);
    let mut different = Vec::new();
    if here != there {
        different.push(format!("indices {here:?} on the source, {there:?} on the target"));
    }
    let mut count = 0;
    for index in here.iter().filter(|index| there.contains(index)) {
        let (left, mut right) = (documents(source, index).await, documents(target, index).await);
        count += left.len();
        for (key, document) in left {
            match right.remove(&key) {
                Some(found) if found == document => {}
                found => different.push(format!("{index} {key:?}: {document} and {found:?}")),
            }
        }
        different.extend(right.keys().map(|key| format!("{index} {key:?} is on the target only")));
    }
    (count, different)
}
