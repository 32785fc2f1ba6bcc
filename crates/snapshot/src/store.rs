//! A store for a location: local directory, S3, Google Cloud Storage, Azure.

use std::{sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    local::LocalFileSystem,
};

use crate::{Settings, SnapshotError, location::Store};

/// For reaching the service of credentials and the store; bytes have `reading.stall`.
const CONNECT: Duration = Duration::from_secs(10);

/// Opens the store. Nothing is asked of it yet.
pub(crate) fn connect(settings: &Settings) -> Result<Arc<dyn ObjectStore>, SnapshotError> {
    let url = settings.location.url.as_str();
    let refuse = |error: object_store::Error| {
        SnapshotError::Settings(format!("repository `{url}`: {error}"))
    };
    let region = settings.region.as_deref();
    let endpoint = settings.endpoint.as_deref();
    match &settings.location.store {
        Store::Directory(path) => {
            if !path.is_dir() {
                let text = format!("repository `{url}`: no such directory");
                return Err(SnapshotError::Settings(text));
            }
            Ok(Arc::new(LocalFileSystem::new_with_prefix(path).map_err(refuse)?))
        }
        Store::S3 => {
            let mut builder = AmazonS3Builder::from_env()
                .with_client_options(client(settings)?)
                .with_retry(retry())
                .with_url(url)
                .with_virtual_hosted_style_request(!settings.path_style)
                .with_skip_signature(settings.anonymous);
            for (key, value) in &settings.options {
                let key: AmazonS3ConfigKey = key.parse().map_err(refuse)?;
                builder = builder.with_config(key, value.reveal());
            }
            if let Some(region) = region {
                builder = builder.with_region(region);
            }
            let of_the_environment = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
            if let Some(endpoint) = settings.endpoint.clone().or(of_the_environment) {
                builder = builder.with_endpoint(with_bucket(settings, &endpoint));
            }
            Ok(Arc::new(builder.build().map_err(refuse)?))
        }
        Store::GoogleCloud => {
            let mut builder = GoogleCloudStorageBuilder::from_env()
                .with_client_options(client(settings)?)
                .with_retry(retry())
                .with_url(url)
                .with_skip_signature(settings.anonymous);
            for (key, value) in &settings.options {
                let key: GoogleConfigKey = key.parse().map_err(refuse)?;
                builder = builder.with_config(key, value.reveal());
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_base_url(endpoint);
            }
            Ok(Arc::new(builder.build().map_err(refuse)?))
        }
        Store::Azure => {
            let mut builder = MicrosoftAzureBuilder::from_env()
                .with_client_options(client(settings)?)
                .with_retry(retry())
                .with_url(url)
                .with_skip_signature(settings.anonymous);
            for (key, value) in &settings.options {
                let key: AzureConfigKey = key.parse().map_err(refuse)?;
                builder = builder.with_config(key, value.reveal());
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint.to_owned());
            }
            Ok(Arc::new(builder.build().map_err(refuse)?))
        }
    }
}

/// An endpoint of S3 is taken as it is: with buckets in the host's name, it must have the bucket's.
fn with_bucket(settings: &Settings, endpoint: &str) -> String {
    let (Some(bucket), Some((scheme, host))) =
        (settings.location.url.host_str(), endpoint.split_once("://"))
    else {
        return endpoint.to_owned();
    };
    match settings.path_style || host.starts_with(&format!("{bucket}.")) {
        true => endpoint.trim_end_matches('/').to_owned(),
        false => format!("{scheme}://{bucket}.{}", host.trim_end_matches('/')),
    }
}

fn client(settings: &Settings) -> Result<ClientOptions, SnapshotError> {
    let mut options = ClientOptions::new()
        .with_allow_http(settings.allow_http)
        .with_connect_timeout(CONNECT)
        .with_read_timeout(settings.reading.stall)
        .with_timeout_disabled(); // a large block over a slow line may take its time, as long as bytes come
    let Some(path) = &settings.ca else { return Ok(options) };
    let refuse = |error: &dyn std::fmt::Display| {
        SnapshotError::Settings(format!("certificate authority {}: {error}", path.display()))
    };
    let pem = std::fs::read(path).map_err(|error| refuse(&error))?;
    for certificate in Certificate::from_pem_bundle(&pem).map_err(|error| refuse(&error))? {
        options = options.with_root_certificate(certificate);
    }
    Ok(options)
}

/// The store's own retries cover the service of credentials; ours, in `blobs`, count and bound the rest.
fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: 2,
        retry_timeout: Duration::from_secs(30),
    }
}

#[cfg(test)]
mod tests {
    use settings::Secret;

    use super::*;
    use crate::Location;

    #[test]
    fn a_virtual_host_has_the_bucket_once() {
        let mut settings = Settings::new(Location::parse("s3://bucket/x").unwrap());
        assert_eq!(with_bucket(&settings, "https://s3.host/"), "https://bucket.s3.host");
        assert_eq!(with_bucket(&settings, "https://bucket.s3.host"), "https://bucket.s3.host");
        settings.path_style = true;
        assert_eq!(with_bucket(&settings, "https://s3.host"), "https://s3.host");
    }

    #[test]
    fn options_are_the_stores_own_and_others_are_named() {
        for url in ["s3://bucket", "gs://bucket", "abfs://box@account.dfs.core.windows.net"] {
            let mut settings = Settings::new(Location::parse(url).unwrap());
            settings.anonymous = true;
            assert!(connect(&settings).is_ok(), "{url}");
            settings.options.push(("no_such_option".to_owned(), Secret::new("secret")));
            let error = connect(&settings).unwrap_err().to_string();
            assert!(error.contains("no_such_option") && !error.contains("secret"), "{error}");
            assert!(!format!("{settings:?}").contains("\"secret\""));
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let settings = Settings::new(Location::parse("/no/such/place").unwrap());
        let error = connect(&settings).unwrap_err().to_string();
        assert!(error.contains("/no/such/place"), "{error}");
    }
}
