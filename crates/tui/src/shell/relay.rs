//! `mmm-control relay`: carries bytes between standard input and output and the monitor's socket on
//! this machine. It is what `--ssh` runs on the far side. Reads no message and adds none.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use super::target::{Endpoint, Target};
use super::wire::{OpenError, plain};
use crate::control::{Outcome, exit};

/// The word.
pub const WORD: &str = "relay";

/// What it is for.
pub const HELP: &str = "carry a console's words to the monitor's socket here; what --ssh runs";

/// How long the socket may take to let us in.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// Runs until either side ends.
pub fn run(target: &Target) -> Outcome {
    let path = target.endpoints.iter().find_map(|endpoint| match endpoint {
        Endpoint::Unix(path) => Some(path.clone()),
        _ => None,
    });
    let Some(path) = path else {
        let why = "relay carries to the monitor's socket on this machine only: leave --connect and \
                   --ssh out";
        return Outcome::failure(exit::USAGE, why);
    };
    let (tell, told) = channel();
    let tell_open = tell.clone();
    let name = path.display().to_string();
    // A listener that takes nobody in holds a connect up for ever.
    let started = spawn("open", move || {
        let _ = tell_open.send(UnixStream::connect(path).map(End::Open));
    });
    let stream = match started.map(|()| told.recv_timeout(OPEN_LIMIT)) {
        Ok(Ok(Ok(End::Open(stream)))) => stream,
        Ok(Ok(Ok(End::Over))) => return unreachable(target, &name, "it ended at once"),
        Ok(Ok(Err(error))) => return unreachable(target, &name, &plain(&error)),
        Ok(Err(_)) => return unreachable(target, &name, "it takes nobody in"),
        Err(error) => return unreachable(target, &name, &plain(&error)),
    };
    let halves = stream.try_clone().and_then(|back| {
        let up = stream;
        carry("up", io::stdin(), up, tell.clone())?;
        carry("down", back, io::stdout(), tell.clone())
    });
    if let Err(error) = halves {
        return unreachable(target, &name, &plain(&error));
    }
    // Whoever ends first: nobody is left to carry to.
    let _ = told.recv();
    Outcome {
        exit: exit::DONE,
        out: String::new(),
        err: String::new(),
        json: ("relay", name.into()),
    }
}

/// What the threads tell.
enum End {
    Open(UnixStream),
    Over,
}

fn spawn(name: &str, what: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(what).map(drop)
}

/// Passes on each piece at once, in a thread of its own.
fn carry(
    name: &str,
    mut from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    tell: Sender<io::Result<End>>,
) -> io::Result<()> {
    spawn(name, move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if to.write_all(&bytes[..count]).and_then(|()| to.flush()).is_err() {
                break;
            }
        }
        let _ = tell.send(Ok(End::Over));
    })
}

fn unreachable(target: &Target, path: &str, why: &str) -> Outcome {
    let error = OpenError::unreachable(format!("{path} ({why})"), why.to_owned(), target);
    Outcome::failure(exit::UNREACHABLE, &error.to_string())
}
