//! Where the demo's socket is, and whether whoever started the demo is still there.

use std::fs::DirBuilder;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::sync::oneshot;

/// How many names are tried for the folder.
const TRIES: u32 = 100;

/// The place of a socket. A folder that was made for it is removed with it.
#[derive(Debug)]
pub(super) struct Place {
    socket: PathBuf,
    made: Option<PathBuf>,
}

impl Place {
    /// The place that was asked for, or one in a folder of its own that only this user may enter.
    pub(super) fn new(asked: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(socket) = asked {
            return Ok(Self { socket: socket.to_owned(), made: None });
        }
        let above = std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|folder| folder.is_dir())
            .unwrap_or_else(std::env::temp_dir);
        let mut last = None;
        for n in 0..TRIES {
            let folder = above.join(format!("mmm-demo-{}-{n}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => {
                    return Ok(Self { socket: folder.join("mond.sock"), made: Some(folder) });
                }
                // Somebody else's: it is not used, whoever it belongs to.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => last = Some(error),
                Err(error) => {
                    last = Some(error);
                    break;
                }
            }
        }
        let error = last.unwrap_or_else(|| ErrorKind::AlreadyExists.into());
        Err(error).with_context(|| {
            format!(
                "cannot make a folder for the demo's socket in {}; name a place with --socket",
                above.display()
            )
        })
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(folder) = &self.made {
            // The listener has removed the socket by now; what is not ours stays.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Tells when standard input ends: whoever held its other end is gone, however it ended.
pub(super) fn parent_gone() -> anyhow::Result<oneshot::Receiver<()>> {
    let (tx, rx) = oneshot::channel();
    // A thread of its own: a read that hangs must not hold up the end of the runtime.
    std::thread::Builder::new()
        .name("parent".to_owned())
        .spawn(move || {
            let mut bytes = [0; 256];
            let mut input = std::io::stdin().lock();
            loop {
                match input.read(&mut bytes) {
                    Ok(1..) => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => break,
                }
            }
            let _ = tx.send(());
        })
        .context("no thread to be had")?;
    Ok(rx)
}
