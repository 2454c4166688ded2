//! The loop: keys, link and time come in, one model changes, and the screen is drawn when it did.

use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use mmm_proto::Time;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::link::{self, Wish};
use super::mailbox::Mailbox;
use super::signals::{self, Signal};
use super::target::Target;
use super::terminal::{self, Screen};
use super::{clock, hangup, input, ssh};
use crate::app::cmd::Cmd;
use crate::app::essence::essence;
use crate::app::msg::Msg;
use crate::app::update::update;
use crate::app::{Model, Setup};

/// Frames with news come at most this often; a key draws at once.
const FRAME: Duration = Duration::from_millis(100);

/// Frames in which only ages and counters are new come at most this often, as do all of them on a
/// slow line. A little less than the second after which a calm monitor sends its next picture, so
/// that one that is early is not made to wait, which would wake us twice.
const CALM: Duration = Duration::from_millis(950);

/// How long the kernel may take to stop us after we asked for it.
const STOP_LIMIT: Duration = Duration::from_millis(300);

/// How long the loop may take to leave after a signal.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// What wakes the loop.
#[derive(Debug)]
pub enum Wake {
    /// A key, a paste, a new size; with the time when it was read.
    Happened(Time, Msg),
    /// The mailbox has something.
    Mail,
    Signal(Signal),
    /// The terminal cannot be read any more.
    Broken(io::Error),
}

/// Shows the cluster, or another of `others` (those of the setup), until the person leaves.
/// Gives the exit code.
///
/// # Errors
/// When there is no terminal to speak of, or no thread to be had; the terminal is as before.
pub fn run(target: Target, others: Vec<Option<Target>>, setup: Setup) -> io::Result<u8> {
    let (to_loop, wakes) = channel();
    let (wishes, from_loop) = unbounded_channel();
    let mailbox = Mailbox::default();
    terminal::hook_panics();
    terminal::enter()?;
    let result = start(target, &mailbox, &to_loop, from_loop).and_then(|()| {
        let model = Model::new(setup, clock::now(), terminal::size());
        drive(model, &wakes, &Far { mailbox: mailbox.clone(), wishes, others })
    });
    terminal::leave();
    ssh::end_all();
    match result {
        Ok((exit, farewell)) => {
            let _ = writeln!(io::stdout(), "{farewell}");
            Ok(exit)
        }
        // Nobody is there to read a complaint.
        Err(_) if !terminal::usable() => Ok(hangup::EXIT as u8),
        Err(error) => Err(error),
    }
}

/// The other end: what comes from the link, what goes to it, and which monitors there are.
struct Far {
    mailbox: Mailbox,
    wishes: UnboundedSender<Wish>,
    others: Vec<Option<Target>>,
}

impl Far {
    /// Goes to another monitor, if that is wished. Before anything more is taken from this one.
    fn switch(&self, cmds: &[Cmd]) {
        for cmd in cmds {
            if let Cmd::Switch(row) = cmd
                && let Some(Some(target)) = self.others.get(*row)
            {
                let turn = self.mailbox.turn();
                let _ = self.wishes.send(Wish::Switch(Box::new(target.clone()), turn));
            }
        }
    }
}

/// Starts everything that runs beside the loop.
fn start(
    target: Target,
    mailbox: &Mailbox,
    to_loop: &Sender<Wake>,
    wishes: tokio::sync::mpsc::UnboundedReceiver<Wish>,
) -> io::Result<()> {
    hangup::guard()?;
    input::start(to_loop.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mailbox, to_loop) = (mailbox.clone(), to_loop.clone());
    std::thread::Builder::new()
        .name("link".to_owned())
        .spawn(move || {
            let signals_to = to_loop.clone();
            runtime.spawn(async move {
                let told = signals::watch(|signal| {
                    let _ = signals_to.send(Wake::Signal(signal));
                    if let Signal::Leave(exit) = signal {
                        leave_by_force(exit);
                    }
                });
                if let Err(error) = told.await {
                    tracing::error!(%error, "signals cannot be taken");
                }
            });
            runtime.block_on(link::run(target, wishes, |turn, msg| {
                if mailbox.put(turn, msg) {
                    let _ = to_loop.send(Wake::Mail);
                }
            }));
        })
        .map(drop)
}

/// Ends the program although the loop does not: it is held up by a terminal that takes nothing.
fn leave_by_force(exit: u8) {
    let thread = std::thread::Builder::new().name("leave".to_owned());
    let started = thread.spawn(move || {
        std::thread::sleep(LEAVE_LIMIT);
        terminal::leave_mute();
        ssh::end_all();
        std::process::exit(i32::from(exit));
    });
    if let Err(error) = started {
        tracing::error!(%error, "no thread to be had");
    }
}

fn drive(mut model: Model, wakes: &Receiver<Wake>, far: &Far) -> io::Result<(u8, String)> {
    let mut screen = Screen::new(model.size)?;
    let mut drawn = Instant::now();
    draw(&mut model, &mut screen)?;
    let mut shown = essence(&model);
    // What came too soon after the last frame waits for the rest of its time.
    let mut rest = Duration::MAX;
    loop {
        let wake = wakes.recv_timeout(rest.min(model.patience().into()));
        let urgent = !matches!(wake, Ok(Wake::Mail) | Err(_));
        let mut cmds = match wake {
            Ok(Wake::Happened(at, msg)) => {
                let resized = matches!(msg, Msg::Resize(..));
                let mut cmds = update(&mut model, at, msg);
                far.switch(&cmds);
                if resized {
                    cmds.push(Cmd::Repaint);
                }
                cmds
            }
            Ok(Wake::Signal(Signal::Leave(exit))) => return Ok((exit, model.farewell())),
            Ok(Wake::Signal(Signal::Continued)) => {
                terminal::enter()?;
                vec![Cmd::Repaint]
            }
            Ok(Wake::Broken(error)) => return Err(error),
            Ok(Wake::Mail) | Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other("the input thread is gone"));
            }
        };
        let now = clock::now();
        for msg in far.mailbox.take() {
            cmds.extend(update(&mut model, now, Msg::Link(msg)));
        }
        cmds.extend(update(&mut model, now, Msg::Tick));
        for cmd in cmds {
            if let Some(exit) = obey(cmd, &mut model, &mut screen, wakes, &far.wishes)? {
                return Ok((exit, model.farewell()));
            }
        }
        let now = essence(&model);
        let pause = match () {
            () if urgent => Duration::ZERO,
            () if now == shown || model.setup.slow => CALM,
            () => FRAME,
        };
        rest = pause.saturating_sub(drawn.elapsed());
        if rest.is_zero() {
            draw(&mut model, &mut screen)?;
            // From its end: a slow line is not given the next as soon as it has taken this one.
            (drawn, shown, rest) = (Instant::now(), now, Duration::MAX);
        }
    }
}

/// Does what the model asked for; the exit code when that is to leave.
fn obey(
    cmd: Cmd,
    model: &mut Model,
    screen: &mut Screen,
    wakes: &Receiver<Wake>,
    wishes: &UnboundedSender<Wish>,
) -> io::Result<Option<u8>> {
    match cmd {
        Cmd::Ask(request) => {
            let _ = wishes.send(Wish::Ask(request));
        }
        Cmd::RetryNow => {
            let _ = wishes.send(Wish::RetryNow);
        }
        // Done already, before anything came in between.
        Cmd::Switch(_) => {}
        Cmd::Repaint => *screen = Screen::new(model.size)?,
        Cmd::Suspend => {
            suspend(wakes)?;
            let (columns, rows) = terminal::size();
            update(model, clock::now(), Msg::Resize(columns, rows));
            *screen = Screen::new(model.size)?;
            for cmd in update(model, clock::now(), Msg::Resumed) {
                if let Cmd::Ask(request) = cmd {
                    let _ = wishes.send(Wish::Ask(request));
                }
            }
        }
        Cmd::Copy(text) => terminal::send(&crate::app::copy::sequence(&text))?,
        Cmd::Mouse(on) => terminal::mouse(on)?,
        Cmd::Leave => return Ok(Some(0)),
    }
    Ok(None)
}

fn draw(model: &mut Model, screen: &mut Screen) -> io::Result<()> {
    screen.draw(|frame| crate::view::view(model, frame))?;
    update(model, clock::now(), Msg::Drawn);
    Ok(())
}

/// Gives the terminal back and stops, with everything that was started with us, until `fg`.
fn suspend(wakes: &Receiver<Wake>) -> io::Result<()> {
    terminal::leave();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(0), nix::sys::signal::Signal::SIGTSTP)?;
    // The stop may strike another thread first, so the terminal is taken back only after the return
    // was told. Without job control nothing stops and nothing returns: then the wait ends by
    // itself.
    let deadline = Instant::now() + STOP_LIMIT;
    loop {
        match wakes.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Wake::Signal(Signal::Continued)) | Err(_) => break,
            Ok(_) => {}
        }
    }
    terminal::enter()
}
