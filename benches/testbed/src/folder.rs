//! Folders that go away: with their owner, or, when that was killed, with the next one's start.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rand::Rng;

const PREFIX: &str = "godwit-testbed-";

/// A folder in the temporary folder that any user may enter (servers run as `nobody` when the test
/// runs as root).
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    keep: bool,
    _owned: File,
}

impl Folder {
    /// Makes an empty folder, and removes those whose owner was killed.
    ///
    /// # Errors
    /// When the temporary folder can't be written.
    pub fn new() -> anyhow::Result<Self> {
        let parent = std::env::temp_dir();
        sweep(&parent);
        let path = parent.join(format!("{PREFIX}{:016x}", rand::rng().random::<u64>()));
        // The lock first: a folder without a held lock is anyone's to remove.
        let owned = File::create(lock_of(&path))
            .and_then(|lock| lock.lock().map(|()| lock))
            .with_context(|| format!("cannot lock {}", path.display()))?;
        fs::create_dir(&path)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
            .with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path, keep: false, _owned: owned })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder where it is when this value goes away.
    pub fn keep(&mut self) {
        self.keep = true;
        // Without its lock file no later start takes it for an orphan.
        let _ = fs::remove_file(lock_of(&self.path));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.path);
            let _ = fs::remove_file(lock_of(&self.path));
        }
    }
}

fn lock_of(folder: &Path) -> PathBuf {
    folder.with_extension("lock")
}

fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !ours || path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        if let Ok(lock) = File::open(&path)
            && lock.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(path.with_extension(""));
            let _ = fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_owner_and_an_orphan_with_the_next_start() {
        let folder = Folder::new().unwrap();
        let path = folder.path().to_owned();
        let orphan = std::env::temp_dir().join(format!("{PREFIX}orphan{}", std::process::id()));
        fs::create_dir(&orphan).unwrap();
        File::create(lock_of(&orphan)).unwrap();

        let other = Folder::new().unwrap();
        assert!(!orphan.exists() && !lock_of(&orphan).exists());
        assert!(path.exists() && other.path().exists());

        drop(folder);
        assert!(!path.exists() && !lock_of(&path).exists());
    }
}
