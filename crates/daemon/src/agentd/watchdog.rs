//! The machine's watchdog device (`watchdog_device`): opened, told how long to wait, fed, closed so
//! that it stops. When is decided in `core::supervisor`; what the kernel does is in its
//! `watchdog-api` document.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use mmm_proto::Span;

/// Written right before closing, this makes it stop; anything else feeds it.
const MAGIC_CLOSE: &[u8] = b"V";

mod ioctl {
    #![allow(unsafe_code, reason = "nix declares an ioctl as an unsafe function")]
    #![allow(missing_docs, reason = "generated")]
    nix::ioctl_readwrite!(set_timeout, b'W', 6, nix::libc::c_int);
}

/// A watchdog that counts.
#[derive(Debug)]
pub(super) struct Device {
    file: File,
}

impl Device {
    /// Opens it, from when on it counts, and sets after how long it resets the machine.
    ///
    /// # Errors
    /// What is wrong with it, with the remedy. It counts no more then, if it can be stopped.
    pub(super) fn arm(path: &Path, timeout: Span) -> Result<Self, String> {
        let shown = path.display();
        let file = OpenOptions::new()
            .write(true)
            .open(path)
            .map_err(|error| format!("cannot open {shown}: {error}; {}", remedy(&error)))?;
        let mut device = Self { file };
        match device.set_timeout(timeout) {
            Ok(set) if set <= timeout => Ok(device),
            Ok(set) => {
                device.disarm();
                Err(format!(
                    "{shown} waits {set} at least, which is longer than the {timeout} that the grant \
                     leaves; use another device, or a longer lease_ttl"
                ))
            }
            Err(error) => {
                device.disarm();
                Err(format!("{shown} takes no timeout ({error}); is it a watchdog device?"))
            }
        }
    }

    /// What it was set to: a driver takes the nearest that it can do.
    fn set_timeout(&mut self, timeout: Span) -> nix::Result<Span> {
        let mut seconds = i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX);
        #[allow(unsafe_code)]
        // SAFETY: the descriptor is open, and WDIOC_SETTIMEOUT reads and writes one int.
        unsafe { ioctl::set_timeout(self.file.as_raw_fd(), &raw mut seconds) }?;
        Ok(Span::secs(u64::try_from(seconds).unwrap_or(0)))
    }

    pub(super) fn feed(&mut self) -> io::Result<()> {
        self.file.write_all(b"\0")
    }

    /// Stops it. One that cannot be stopped (`nowayout`) goes on, and resets the machine.
    pub(super) fn disarm(mut self) {
        if let Err(error) = self.file.write_all(MAGIC_CLOSE) {
            tracing::error!(%error, "the watchdog cannot be stopped and may reset this machine");
        }
    }
}

/// What is wrong with the device, without opening it: that would make it count.
pub(super) fn examine(path: &Path) -> Result<(), (String, String)> {
    let shown = path.display();
    let about = std::fs::metadata(path)
        .map_err(|error| (format!("{shown}: {error}"), remedy(&error).to_owned()))?;
    if !about.file_type().is_char_device() {
        let what = format!("{shown} is no device");
        return Err((what, "watchdog_device = \"/dev/watchdog\"".to_owned()));
    }
    if let Err(error) = nix::unistd::access(path, nix::unistd::AccessFlags::W_OK) {
        let what = format!("{shown} cannot be written by this user: {error}");
        return Err((what, remedy(&error.into()).to_owned()));
    }
    Ok(())
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "modprobe softdog, or the driver of this machine's own watchdog",
        io::ErrorKind::PermissionDenied => {
            "give the agent's user the device: config/systemd/watchdog.conf shows how"
        }
        io::ErrorKind::ResourceBusy => {
            "another program has it: RuntimeWatchdogSec= of systemd, or the watchdog daemon"
        }
        _ => "is it a watchdog device?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_watchdog_is_refused_with_the_remedy_and_never_fed() {
        let missing = Device::arm(Path::new("/dev/mmm-no-such-watchdog"), Span::secs(2));
        assert!(missing.unwrap_err().contains("modprobe softdog"));
        let null = Device::arm(Path::new("/dev/null"), Span::secs(2)).unwrap_err();
        assert!(null.contains("/dev/null takes no timeout"), "{null}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("watchdog");
        std::fs::write(&file, "").unwrap();
        let (what, remedy) = examine(&file).unwrap_err();
        assert!(what.contains("is no device"), "{what}");
        assert!(remedy.contains("/dev/watchdog"), "{remedy}");
        assert!(examine(Path::new("/dev/null")).is_ok(), "it is not opened to find out");
        assert!(Device::arm(&file, Span::secs(2)).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), MAGIC_CLOSE, "told to stop, and nothing else");
    }

    /// The kernel's side of the protocol stands in a file: there is no device on a test machine.
    #[test]
    fn it_is_fed_by_anything_but_the_magic_and_stopped_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watchdog");
        let mut device = Device { file: File::create(&path).unwrap() };
        device.feed().unwrap();
        device.feed().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"\0\0");
        device.disarm();
        assert_eq!(std::fs::read(&path).unwrap(), b"\0\0V");
    }
}
