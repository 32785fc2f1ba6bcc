//! A small file that is replaced as a whole.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Replaces the file by a line of `text` in one step, so that a crash leaves the old one or the new. Makes its folder.
pub(crate) fn replace(path: &Path, text: impl Display) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let part = path.with_added_extension("part");
    let mut file = File::create(&part)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    File::open(folder)?.sync_all()
}
