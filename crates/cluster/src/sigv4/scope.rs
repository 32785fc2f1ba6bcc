//! For which service, and where.

/// What a signature is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// `es` for a domain, `aoss` for a serverless collection.
    pub service: String,
    /// Such as `eu-central-1`.
    pub region: String,
}

const SERVICES: [&str; 2] = ["es", "aoss"];

impl Scope {
    /// Parses `SERVICE[:REGION]`; without a region it is that of the environment.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn parse(
        text: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let (service, region) = text.split_once(':').unwrap_or((text, ""));
        if !SERVICES.contains(&service) {
            return Err("the service is `es` (a domain) or `aoss` (serverless)".into());
        }
        let region = match region {
            "" => variable("AWS_REGION").filter(|region| !region.is_empty()),
            given => Some(given.to_owned()),
        };
        let region = region.ok_or("give the region, as in `sigv4:es:eu-west-1`, or AWS_REGION")?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if !region.chars().all(is_plain) {
            return Err(format!("`{region}` is no region"));
        }
        Ok(Self { service: service.to_owned(), region })
    }
}
