//! Accepting connections: TCP, and a unix socket with its file, owner and mode.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mmm_proto::Span;
use nix::unistd::Group;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use super::Conn;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: u32 = 128;

/// The pause after a failed accept. Such failures (no file handles left) last, and must not eat the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who may open the socket file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixAccess {
    /// Such as 0o660.
    pub mode: u32,
    /// The group that the file belongs to. Without it, or when there is no such group, the file stays with
    /// the group of the process.
    pub group: Option<String>,
}

enum Socket {
    Tcp { listener: TcpListener, silence: Span },
    Unix { listener: UnixListener, path: PathBuf, inode: u64 },
}

/// Waits for connections. A unix listener takes its file along when it goes.
pub struct Listener {
    socket: Socket,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Socket::Tcp { listener, .. } => write!(f, "Listener({:?})", listener.local_addr()),
            Socket::Unix { path, .. } => write!(f, "Listener({})", path.display()),
        }
    }
}

impl Listener {
    /// Listens on a TCP address. `silence` as in [`Conn::tcp`].
    ///
    /// # Errors
    /// A sentence that names the address.
    pub fn tcp(addr: SocketAddr, silence: Span) -> Result<Self, String> {
        let listen = || {
            let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            // A restart must not wait for the old connections' last minute.
            socket.set_reuseaddr(true)?;
            socket.bind(addr)?;
            socket.listen(BACKLOG)
        };
        let listener = listen().map_err(|error: io::Error| {
            let remedy = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "; another program listens there: stop it, or change the port"
                }
                io::ErrorKind::AddrNotAvailable => {
                    "; this host does not have that address (yet): check ip"
                }
                _ => "",
            };
            format!("cannot listen on {addr}: {error}{remedy}")
        })?;
        Ok(Self { socket: Socket::Tcp { listener, silence } })
    }

    /// Listens on a unix socket. Creates its folder when it is missing, and removes a socket file that
    /// nobody listens on any more.
    ///
    /// # Errors
    /// A sentence that names the path and the remedy.
    pub fn unix(path: &Path, access: &UnixAccess) -> Result<Self, String> {
        let bad = |error: io::Error| format!("cannot listen on {}: {error}", path.display());
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder);
            made.map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
        }
        remove_stale(path)?;
        let listener = UnixListener::bind(path).map_err(bad)?;
        give(path, access)?;
        let inode = path.symlink_metadata().map_err(bad)?.ino();
        let path = path.to_owned();
        Ok(Self { socket: Socket::Unix { listener, path, inode } })
    }

    /// The address, with the port that the kernel chose when port 0 was asked for; none for a unix socket.
    pub fn addr(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp { listener, .. } => listener.local_addr().ok(),
            Socket::Unix { .. } => None,
        }
    }

    /// The next connection. Failures to accept are logged and waited out. May be dropped and called again.
    pub async fn accept(&self) -> Conn {
        loop {
            let accepted = match &self.socket {
                Socket::Tcp { listener, silence } => match listener.accept().await {
                    Ok((stream, _)) => Conn::tcp(stream, *silence),
                    Err(error) => Err(error),
                },
                Socket::Unix { listener, .. } => match listener.accept().await {
                    Ok((stream, _)) => Conn::unix(stream),
                    Err(error) => Err(error),
                },
            };
            match accepted {
                Ok(conn) => return conn,
                Err(error) => {
                    tracing::warn!(listener = ?self, %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socket::Unix { path, inode, .. } = &self.socket {
            // Another monitor may have put its own there since.
            if path.symlink_metadata().is_ok_and(|found| found.ino() == *inode) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

fn remove_stale(path: &Path) -> Result<(), String> {
    let place = path.display();
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("cannot look at {place}: {error}")),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(format!("{place} exists and is not a socket; move it away"));
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(format!("another program listens on {place}; stop it first")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
                .map_err(|error| format!("cannot remove the stale socket {place}: {error}"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A full backlog: somebody is there.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(format!("another program listens on {place}; stop it first"))
        }
        Err(error) => Err(format!("cannot find out who listens on {place}: {error}")),
    }
}

fn give(path: &Path, access: &UnixAccess) -> Result<(), String> {
    if let Some(name) = &access.group {
        match Group::from_name(name) {
            Ok(Some(group)) => {
                if let Err(error) = std::os::unix::fs::chown(path, None, Some(group.gid.as_raw())) {
                    tracing::warn!(path = %path.display(), group = %name, %error,
                        "cannot give the socket to its group; only root and this user can connect");
                }
            }
            _ => tracing::warn!(path = %path.display(), group = %name,
                "there is no such group; create it (groupadd --system) so that its members can connect"),
        }
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(access.mode))
        .map_err(|error| format!("cannot set the mode of {}: {error}", path.display()))
}
