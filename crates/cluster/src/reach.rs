//! A cluster as the flags of a program name it.

use std::path::{Path, PathBuf};

use settings::{BadSettings, Secret, refuse};

use crate::{Auth, Settings};

/// How a cluster is reached, and what the flags for it are called.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'a> {
    pub url: &'a str,
    /// As [`Auth::parse`] takes it; `None`: none.
    pub auth: Option<&'a str>,
    pub secret_file: Option<&'a PathBuf>,
    pub ca: Option<&'a PathBuf>,
    /// The flags of `auth` and `secret_file`, for errors, and the variable that has the secret without a file.
    pub names: [&'static str; 3],
}

impl Reach<'_> {
    /// The settings of the cluster, with the secret out of its file or the environment.
    ///
    /// # Errors
    /// When the file can't be read, or the credentials aren't any.
    pub fn settings(self, environment: &[(String, String)]) -> Result<Settings, BadSettings> {
        let [auth_flag, file_flag, variable] = self.names;
        let mut settings = Settings::new(self.url);
        settings.ca = self.ca.cloned();
        let Some(auth) = self.auth else { return Ok(settings) };
        let secret = match self.secret_file {
            Some(path) => Some(read(file_flag, path)?),
            None => environment.iter().find(|(n, _)| n == variable).map(|(_, s)| Secret::new(s)),
        };
        settings.auth =
            Auth::parse(auth, secret).map_err(|error| refuse(auth_flag, auth, error))?;
        Ok(settings)
    }
}

fn read(flag: &'static str, path: &Path) -> Result<Secret, BadSettings> {
    let read = Secret::from_file(path);
    read.map_err(|error| refuse(flag, &path.display().to_string(), error))
}
