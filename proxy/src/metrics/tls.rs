//! Certificates, by side: `listener` or `source`.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

#[derive(Clone)]
pub(crate) struct TlsMetrics {
    /// `taken` or `refused`.
    pub reloads: IntCounterVec,
    /// 1 while the files hold something that was refused.
    pub stale: IntGaugeVec,
    pub expiry: IntGaugeVec,
}

impl TlsMetrics {
    pub(super) fn new(
        registry: &Registry,
        name: impl Fn(&str, &str) -> Opts,
    ) -> prometheus::Result<TlsMetrics> {
        let reloads = name("tls_reloads_total", "new certificates, keys and authorities found");
        let stale = name("tls_stale", "1 while the files hold what was refused: the old ones stay");
        let expiry = name(
            "tls_certificate_expiry_timestamp_seconds",
            "until when the certificate is valid that the proxy shows",
        );
        let metrics = TlsMetrics {
            reloads: IntCounterVec::new(reloads, &["side", "outcome"])?,
            stale: IntGaugeVec::new(stale, &["side"])?,
            expiry: IntGaugeVec::new(expiry, &["side"])?,
        };
        registry.register(Box::new(metrics.reloads.clone()))?;
        registry.register(Box::new(metrics.stale.clone()))?;
        registry.register(Box::new(metrics.expiry.clone()))?;
        Ok(metrics)
    }
}
