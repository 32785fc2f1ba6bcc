//! AWS Signature Version 4: the last thing that is done to a request, over the bytes that are sent.
//!
//! ```text
//! request ─ path and query in the one form that can't be read in two ways (wire) ─▶ what is sent
//!                └─ method, host, x-amz-…, content-type, hash of the body ─ keys of the moment ─▶ authorization
//! ```
//! Every attempt is signed anew: a signature holds for five minutes. Keys that run out are fetched again by a task
//! before they do (`keys`).

mod clock;
mod keys;
mod scope;
mod wire;

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use reqwest::{
    Url,
    header::{self, HeaderName, HeaderValue},
};

use crate::{ClusterError, Request};
use keys::FreshKeys;

pub(crate) use clock::note;
pub use keys::Keys;
pub use scope::Scope;

/// Headers that a signature has of its own; those of a request, from another time and for another cluster, go.
const OWN: [&str; 4] =
    ["authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"];

/// A body above this size is hashed where it holds nobody up.
const LARGE: usize = 1 << 20;

/// Signs the requests to one cluster.
#[derive(Debug)]
pub(crate) struct Signer {
    cluster: Cluster,
    keys: FreshKeys,
}

/// What a signature is about besides the request.
#[derive(Clone, Debug)]
struct Cluster {
    /// For messages.
    url: String,
    /// As `Host` has it.
    host: String,
    /// In front of every path.
    prefix: String,
    scope: Scope,
}

/// What is sent instead of a request's own path, and what besides its own headers.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) target: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Signed {
    /// The request as it is sent, with its whole path.
    pub(crate) fn put_into(self, mut request: Request) -> Request {
        request.path = self.target;
        for name in OWN {
            request.headers.remove(name);
        }
        for (name, value) in self.headers {
            request.headers.insert(name, value);
        }
        request
    }

    /// Whether a request's own header of this name isn't sent.
    pub(crate) fn replaces(name: &HeaderName) -> bool {
        OWN.contains(&name.as_str())
    }
}

impl Signer {
    /// Fetches the first keys.
    pub(crate) async fn start(url: &Url, scope: Scope, keys: &Keys) -> Result<Self, ClusterError> {
        let keys = FreshKeys::start(keys.provider(&scope).await).await;
        let cluster = Cluster {
            url: url.as_str().trim_end_matches('/').to_owned(),
            host: crate::credentials::host(url),
            prefix: url.path().trim_end_matches('/').to_owned(),
            scope,
        };
        match keys {
            Ok(keys) => Ok(Self { cluster, keys }),
            Err(reason) => Err(cluster.no_keys(reason)),
        }
    }

    /// For this moment. Right before it is sent.
    pub(crate) async fn sign(&self, request: &Request) -> Result<Signed, ClusterError> {
        let keys = self.keys.now().map_err(|reason| self.cluster.no_keys(reason))?;
        if request.body.len() <= LARGE {
            return self.cluster.sign(&keys, request, SystemTime::now());
        }
        let (cluster, request) = (self.cluster.clone(), request.clone());
        let signing = move || cluster.sign(&keys, &request, SystemTime::now());
        let signed = tokio::task::spawn_blocking(signing).await;
        signed.unwrap_or_else(|error| Err(self.cluster.no_keys(error.to_string())))
    }
}

impl Cluster {
    fn sign(
        &self,
        keys: &Credentials,
        request: &Request,
        time: SystemTime,
    ) -> Result<Signed, ClusterError> {
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        self.sign_as(settings, keys, request, time)
    }

    fn sign_as(
        &self,
        settings: SigningSettings,
        keys: &Credentials,
        request: &Request,
        time: SystemTime,
    ) -> Result<Signed, ClusterError> {
        let target = wire::encoded(&format!("{}{}", self.prefix, request.path));
        let failed = |reason: String| ClusterError::Signature {
            url: self.url.clone(),
            path: request.path.clone(),
            reason,
        };
        let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = ("host", host.unwrap_or(&self.host));
        let others = request.headers.iter().filter_map(|(name, value)| {
            let signed = name == header::CONTENT_TYPE || name.as_str().starts_with("x-amz-");
            let signed = signed && !Signed::replaces(name);
            Some((name.as_str(), value.to_str().ok().filter(|_| signed)?))
        });
        let signable = SignableRequest::new(
            request.method.as_str(),
            // Only the path and the query count: the host is a header.
            format!("http://host{target}"),
            std::iter::once(host).chain(others),
            SignableBody::Bytes(&request.body),
        );
        let signable = signable.map_err(|error| failed(error.to_string()))?;
        let identity = keys.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.scope.region)
            .name(&self.scope.service)
            .time(time)
            .settings(settings)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let params = params.into();
        let (made, _) =
            sign(signable, &params).map_err(|error| failed(error.to_string()))?.into_parts();
        let mut headers = Vec::with_capacity(OWN.len());
        for (name, value) in made.headers() {
            let name = HeaderName::from_bytes(name.as_bytes());
            let name = name.map_err(|error| failed(error.to_string()))?;
            let value = HeaderValue::from_str(value).map_err(|error| failed(error.to_string()))?;
            headers.push((name, value));
        }
        Ok(Signed { target, headers })
    }

    fn no_keys(&self, reason: String) -> ClusterError {
        ClusterError::Keys { url: self.url.clone(), reason }
    }
}

#[cfg(test)]
mod tests;
