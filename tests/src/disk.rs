//! A small disk for one folder, so that it can run full without the machine's running full.
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// Enough for the state of an agent many times over.
const SIZE: &str = "size=256k,mode=0750";
/// What takes up all the room.
const BALLAST: &str = "ballast";

/// A file system in memory, mounted on a folder of a lab.
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Makes the folder and mounts the disk there.
    pub fn mount(folder: &Path) -> Result<Disk> {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let none = Some("tmpfs");
        mount(none, folder, none, MsFlags::empty(), Some(SIZE))
            .with_context(|| format!("mount a tmpfs on {}", folder.display()))?;
        Ok(Disk { folder: folder.to_owned() })
    }

    /// Writes until there is no room left.
    pub fn fill(&self) -> Result<()> {
        let path = self.folder.join(BALLAST);
        let mut file =
            fs::File::create(&path).with_context(|| format!("create {}", path.display()))?;
        for _ in 0..1024 {
            match file.write_all(&[0; 4096]) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(Errno::ENOSPC as i32) => return Ok(()),
                Err(error) => {
                    return Err(error).with_context(|| format!("fill {}", path.display()));
                }
            }
        }
        bail!("{} takes 4 MiB and is not full", self.folder.display())
    }

    /// Makes room again.
    pub fn empty(&self) -> Result<()> {
        let path = self.folder.join(BALLAST);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Detached: it goes with its last user. What could not be is found by the sweep.
        let _ = umount2(&self.folder, MntFlags::MNT_DETACH);
    }
}

/// Unmounts every disk below `folder`, which a lab left that was killed.
pub fn unmount_below(folder: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("read the mounts")?;
    for place in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
        if Path::new(place).starts_with(folder) {
            umount2(place, MntFlags::MNT_DETACH).with_context(|| format!("unmount {place}"))?;
        }
    }
    Ok(())
}
