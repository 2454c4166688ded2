//! Versioned JSON files that survive a crash at any instant: the old content or the new, never half
//! of each.
//!
//! A [`Store`] only comes out of a file that could be read (or was not there), so a file that could
//! not be read is never written over.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mmm_proto::Span;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

/// The largest file that is read. What the daemons keep is some kilobytes.
const SIZE_MAX: u64 = 16 * 1024 * 1024;

/// Why a file could not be read or written. Each names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder is missing. It is not created: a missing mount would go unnoticed.
    #[error("{}: the folder {} does not exist; create it (or mount it) and start again", .path.display(), .folder.display())]
    NoFolder { path: PathBuf, folder: PathBuf },
    /// The content cannot be understood.
    #[error("{}: not a state file of {kind}: {why}; restore it, or move it away to start without memory", .path.display())]
    Corrupt { path: PathBuf, kind: &'static str, why: String },
    /// A newer program wrote it.
    #[error("{}: written by a newer version (state version {found}, this program knows {known}); upgrade this program, or move the file away to start without memory", .path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
    /// The operating system refused.
    #[error("{}: cannot {doing}: {error}; check the disk and the permissions", .path.display())]
    Io { path: PathBuf, doing: &'static str, error: std::io::Error },
    /// The content cannot be written as JSON.
    #[error("{}: {why}", .path.display())]
    Content { path: PathBuf, why: String },
    /// It took too long. Whether it still reaches the disk is not known; what is saved later comes
    /// later.
    #[error("{}: not on disk after {limit}; check whether the disk hangs", .path.display())]
    Late { path: PathBuf, limit: Span },
}

/// One file of one kind.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    kind: &'static str,
    version: u32,
    /// Held while a write is under way, also after its caller gave up: writes reach the disk in the
    /// order in which they were asked for, and at most one thread hangs with a hanging disk.
    writing: Arc<Mutex<()>>,
}

#[derive(Serialize)]
struct Wrapped<'a, T> {
    kind: &'a str,
    version: u32,
    content: &'a T,
}

#[derive(Deserialize)]
struct Label {
    kind: String,
    version: u32,
}

#[derive(Deserialize)]
struct Content<T> {
    content: T,
}

impl Store {
    /// Opens the file of that kind and reads it; no content when there is no file yet.
    ///
    /// # Errors
    /// See [`StoreError`]. The file stays as it was found.
    pub fn open<T: DeserializeOwned>(
        path: &Path,
        kind: &'static str,
        version: u32,
    ) -> Result<(Self, Option<T>), StoreError> {
        let folder = folder(path);
        if !folder.is_dir() {
            let (path, folder) = (path.to_owned(), folder.to_owned());
            return Err(StoreError::NoFolder { path, folder });
        }
        let store = Self { path: path.to_owned(), kind, version, writing: Arc::default() };
        let content = store.read()?;
        Ok((store, content))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the content. When this returns without an error, the content survives a power cut.
    ///
    /// # Errors
    /// See [`StoreError`]. Except after `Late`, the former content is still there, unharmed.
    pub async fn save<T: Serialize>(&self, content: &T, limit: Span) -> Result<(), StoreError> {
        let wrapped = Wrapped { kind: self.kind, version: self.version, content };
        let mut bytes = serde_json::to_vec_pretty(&wrapped).map_err(|error| {
            StoreError::Content { path: self.path.clone(), why: error.to_string() }
        })?;
        bytes.push(b'\n');
        let (path, place) = (self.path.clone(), self.path.clone());
        let writing = Arc::clone(&self.writing);
        let work = async move {
            let turn = writing.lock_owned().await;
            let done = tokio::task::spawn_blocking(move || {
                let done = replace(&path, &bytes);
                drop(turn);
                done
            });
            // Only a runtime that ends takes a blocking task away before it began.
            done.await.unwrap_or_else(|error| {
                Err(StoreError::Io {
                    path: place,
                    doing: "write it",
                    error: std::io::Error::other(error),
                })
            })
        };
        match tokio::time::timeout(limit.into(), work).await {
            Ok(done) => done,
            Err(_) => Err(StoreError::Late { path: self.path.clone(), limit }),
        }
    }

    fn read<T: DeserializeOwned>(&self) -> Result<Option<T>, StoreError> {
        let io = |doing, error| StoreError::Io { path: self.path.clone(), doing, error };
        let corrupt =
            |why: String| StoreError::Corrupt { path: self.path.clone(), kind: self.kind, why };
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io("open it", error)),
        };
        let mut text = Vec::new();
        let read = file.take(SIZE_MAX + 1).read_to_end(&mut text);
        read.map_err(|error| io("read it", error))?;
        if text.len() as u64 > SIZE_MAX {
            return Err(corrupt(format!("it is larger than {SIZE_MAX} bytes")));
        }
        let label: Label =
            serde_json::from_slice(&text).map_err(|error| corrupt(error.to_string()))?;
        if label.kind != self.kind {
            return Err(corrupt(format!("it belongs to {}", label.kind)));
        }
        if label.version > self.version {
            return Err(StoreError::Newer {
                path: self.path.clone(),
                found: label.version,
                known: self.version,
            });
        }
        serde_json::from_slice::<Content<T>>(&text)
            .map(|found| Some(found.content))
            .map_err(|error| corrupt(error.to_string()))
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A file that root writes in the folder of another user belongs to that user: the daemon must be
/// able to go on with it.
pub(crate) fn belong_to_folder(file: &File, path: &Path) {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    if let (true, Ok(found)) = (nix::unistd::geteuid().is_root(), folder(path).metadata())
        && let Err(error) = fchown(file, Some(found.uid()), Some(found.gid()))
    {
        tracing::warn!(path = %path.display(), %error, "cannot give it to the owner of its folder");
    }
}

/// Write beside, sync, rename, sync the folder: a crash leaves the old file or the new.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let io = |doing| move |error| StoreError::Io { path: path.to_owned(), doing, error };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // A leftover of a crash is of no use, and might not be a plain file.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io("remove the leftover .new beside it")(error));
        }
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .map_err(io("create a file beside it"))?;
    belong_to_folder(&file, path);
    let written = file
        .set_permissions(std::fs::Permissions::from_mode(0o600))
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&beside, path));
    if let Err(error) = written {
        // The disk may be full: do not leave half a file on it. The first error is the one that
        // matters.
        let _ = std::fs::remove_file(&beside);
        return Err(io("write it")(error));
    }
    File::open(folder(path)).and_then(|folder| folder.sync_all()).map_err(io("sync its folder"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    const LIMIT: Span = Span::secs(10);

    fn open(path: &Path) -> Result<(Store, Option<Vec<u32>>), StoreError> {
        Store::open(path, "test", 2)
    }

    #[tokio::test]
    async fn what_was_saved_is_found_again_and_is_nobodys_business() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (store, found) = open(&path).unwrap();
        assert_eq!(found, None);
        std::fs::write(folder.path().join("state.new"), "half a fi").unwrap();
        store.save(&vec![1, 2], LIMIT).await.unwrap();
        store.save(&vec![3], LIMIT).await.unwrap();
        assert_eq!(open(&path).unwrap().1, Some(vec![3]));
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        for (content, wants) in [
            ("", "not a state file of test"),
            ("{\"kind\":\"test\",\"version\":1,\"content\":[1", "move it away"),
            ("\u{0}\u{0}\u{0}", "not a state file"),
            ("{\"kind\":\"other\",\"version\":1,\"content\":[]}", "belongs to other"),
            ("{\"kind\":\"test\",\"version\":1,\"content\":{}}", "not a state file"),
            ("{\"kind\":\"test\",\"version\":9,\"content\":{}}", "upgrade this program"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = open(&path).unwrap_err().to_string();
            assert!(error.contains(wants) && error.contains("/state:"), "{content:?}: {error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        std::fs::write(&path, "{\"kind\":\"test\",\"version\":1,\"content\":[7]}").unwrap();
        assert_eq!(open(&path).unwrap().1, Some(vec![7]));
        let error = open(&folder.path().join("gone/state")).unwrap_err().to_string();
        assert!(error.contains("/gone does not exist; create it"), "{error}");
    }

    #[tokio::test]
    async fn a_write_that_fails_leaves_the_former_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (store, _) = open(&path).unwrap();
        store.save(&vec![1], LIMIT).await.unwrap();
        std::fs::create_dir(folder.path().join("state.new")).unwrap();
        let error = store.save(&vec![2], LIMIT).await.unwrap_err().to_string();
        assert!(error.contains("leftover"), "{error}");
        assert_eq!(open(&path).unwrap().1, Some(vec![1]));
    }

    #[tokio::test]
    async fn what_root_writes_belongs_to_the_owner_of_the_folder() {
        if !nix::unistd::geteuid().is_root() {
            // Nobody else may give files away, and nobody else needs to.
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(folder.path(), Some(65534), Some(65534)).unwrap();
        let path = folder.path().join("state");
        open(&path).unwrap().0.save(&vec![1], LIMIT).await.unwrap();
        let found = path.metadata().unwrap();
        assert_eq!((found.uid(), found.gid()), (65534, 65534));
    }

    #[tokio::test]
    async fn a_disk_that_hangs_is_told_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(&folder.path().join("state")).unwrap();
        let stuck = Arc::clone(&store.writing).lock_owned().await;
        let error = store.save(&vec![2], Span::ms(20)).await.unwrap_err();
        assert!(matches!(error, StoreError::Late { .. }), "{error}");
        drop(stuck);
        store.save(&vec![3], LIMIT).await.unwrap();
        assert_eq!(open(store.path()).unwrap().1, Some(vec![3]));
    }
}
