//! A thread that ends the program when its terminal goes away.
//!
//! SIGHUP is not enough: the kernel sends it to the session's leader only, and a leader that traps
//! it leaves us behind; crossterm's reader then spins on the dead terminal at most of a core.

use std::io;
use std::os::fd::AsFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The exit code of a program whose terminal went away: 128 + SIGHUP.
pub const EXIT: i32 = 129;

/// Starts the thread.
///
/// # Errors
/// When no thread can be started.
pub fn guard() -> io::Result<()> {
    std::thread::Builder::new().name("hangup".to_owned()).spawn(watch).map(drop)
}

fn watch() {
    let stdin = io::stdin();
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    loop {
        // No events are asked for: only what poll always tells, the end of the terminal.
        let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::empty())];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) if fds[0].revents().is_some_and(|seen| seen.intersects(gone)) => {
                // Nothing can be restored, and nothing may wait for threads that write to it.
                quit(EXIT);
            }
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => quit(EXIT),
        }
    }
}

/// Ends the process without running anything else.
fn quit(code: i32) -> ! {
    super::ssh::end_all();
    // The standard library only tries the lock of stdout here, so a blocked writer does not hold us
    // up.
    std::process::exit(code)
}
