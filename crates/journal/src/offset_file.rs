//! A group's offset in a file of its own.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Whether a group's name may be part of a file's.
pub(crate) fn check_name(group: &str) -> io::Result<()> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !group.is_empty() && !group.starts_with('.') && group.bytes().all(sound) {
        return Ok(());
    }
    let reason = format!("`{group}` is no name for a group: use letters, digits, `_`, `-`");
    Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
}

/// What was committed, if anything was.
pub(crate) fn read(file: &Path) -> io::Result<Option<u64>> {
    match fs::read_to_string(file) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| {
            let message = format!("{} holds no offset; delete it to begin anew", file.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces the file in one step, so that a crash leaves the old offset or the new.
pub(crate) fn write(path: &Path, offset: u64) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let part = path.with_added_extension("part");
    let mut file = File::create(&part)?;
    writeln!(file, "{offset}")?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    File::open(folder)?.sync_all()
}
