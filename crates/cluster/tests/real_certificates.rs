//! A real server behind TLS that asks clients for a certificate.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use cluster::{Auth, Cluster, ClusterError, Identity, Method, Pool, Request, Retry, Settings};
use testbed::{Authority, Issued, Shared, TlsFront};

static TARGET: Shared = Shared::opensearch("2");

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn identity(folder: &Path, name: &str, issued: &Issued) -> Identity {
    Identity {
        certificate: written(folder, &format!("{name}.pem"), &issued.certificate),
        key: written(folder, &format!("{name}.key"), &issued.key),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_known_by_its_certificate() {
    let server = TARGET.get().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (servers, clients) =
        (Authority::new("servers").unwrap(), Authority::new("clients").unwrap());
    let front = TlsFront::in_front_of(server.addr(), &servers, Some(&clients)).await.unwrap();
    let mut settings = Settings::new(front.url());
    settings.auth = Auth::Mtls;
    settings.ca = Some(written(folder.path(), "ca.pem", &servers.certificate()));
    // Long: what is hopeless is not tried again.
    settings.retry = Retry::for_at_most(Duration::from_secs(600));
    let right = clients.client("godwit").unwrap();
    settings.identity = Some(identity(folder.path(), "right", &right));

    let cluster = Cluster::connect(settings.clone()).await.unwrap();
    assert_eq!(cluster.info().major, 2);
    let pool = Pool::new(&cluster, &settings, 1).unwrap();
    let reply = pool.lease().await.send(&Request::new(Method::GET, "/_cat/indices")).await.unwrap();
    assert!(reply.is_success());

    let refused = async |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings.clone();
        change(&mut settings);
        let error = Cluster::connect(settings).await.unwrap_err();
        (error.to_string(), error)
    };
    let nobody = |settings: &mut Settings| {
        (settings.auth, settings.identity) = (Auth::None, None);
    };
    let (text, error) = refused(&nobody).await;
    assert!(matches!(error, ClusterError::Tls { .. }), "{text}");
    assert!(
        text.contains("asks for a client certificate") && text.contains("-client-cert"),
        "{text}"
    );

    let stranger = Authority::new("strangers").unwrap().client("godwit").unwrap();
    let stranger = identity(folder.path(), "stranger", &stranger);
    let (text, error) =
        refused(&|settings: &mut Settings| settings.identity = Some(stranger.clone())).await;
    assert!(matches!(error, ClusterError::Tls { .. }), "{text}");
    assert!(text.contains("doesn't accept the client certificate"), "{text}");

    let (text, _) = refused(&|settings: &mut Settings| settings.ca = None).await;
    assert!(text.contains("UnknownIssuer") && text.contains("-ca"), "{text}");

    // What is wrong with the files is seen before anything is sent.
    let half = Identity { key: stranger.key.clone(), ..settings.identity.clone().unwrap() };
    let absent = Identity { key: folder.path().join("absent.key"), ..half.clone() };
    for (identity, says) in [(&half, "right.pem"), (&absent, "absent.key")] {
        let (text, error) =
            refused(&|settings: &mut Settings| settings.identity = Some(identity.clone())).await;
        assert!(matches!(error, ClusterError::Settings(_)) && text.contains(says), "{text}");
    }
    let (text, _) = refused(&|settings: &mut Settings| settings.identity = None).await;
    assert!(text.contains("certificate and its key"), "{text}");
    let plain = server.url();
    let (text, _) = refused(&|settings: &mut Settings| settings.url = plain.clone()).await;
    assert!(text.contains("https://"), "{text}");
}
