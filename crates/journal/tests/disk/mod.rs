//! A disk of a few MiB, in memory. Only root may mount one, as on the machines that run these tests.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::path::{Path, PathBuf};
use std::process::Command;

/// Unmounted when it is dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Over a folder; what lies in that is copied to it, owners and all. `size` as `mount` takes it.
    pub fn over(folder: &Path, size: &str) -> SmallDisk {
        let aside = tempfile::TempDir::new().unwrap();
        copy(folder, aside.path());
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder);
        assert!(mount.status().unwrap().success(), "no tmpfs is mounted: run this test as root");
        let disk = SmallDisk(folder.to_owned());
        copy(aside.path(), folder);
        disk
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let mut mount = Command::new("mount");
        assert!(mount.args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }

    /// Leaves room for `spare` KiB more than there is now.
    pub fn shrink_to_fit(&self, spare: u64) {
        let used =
            Command::new("df").args(["-k", "--output=used"]).arg(&self.0).output().unwrap().stdout;
        let used = String::from_utf8(used).unwrap();
        let used: u64 = used.lines().nth(1).unwrap().trim().parse().unwrap();
        self.resize(&format!("{}k", used + spare));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn copy(from: &Path, to: &Path) {
    let from = from.join(".");
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}
