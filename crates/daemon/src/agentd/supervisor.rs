//! The agent's first process: starts the worker, listens to its beats, ends it when it is silent,
//! and has the host fenced when nobody can go on in time. What to do when is decided in
//! `core::supervisor`; this file has the processes.
//!
//! It does as little as it can, for it must outlive everything: one thread besides the log's, no
//! runtime, no connection. Worker and fence are this very program, started again, so that an
//! upgrade in between does not mix versions.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use mmm_proto::{Span, Time};
use nix::sys::signal::{SigSet, Signal as Raw};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::NAME;
use super::heart::{Ear, line};
use super::watchdog::Device;
use crate::clock::Clock;
use crate::core::supervisor::{Effect, Input, Standing, Supervisor, Watch};
use crate::notify::{Manager, VARIABLES};

/// This program, also when its file was replaced.
const SELF: &str = "/proc/self/exe";

/// Signals that the supervisor takes instead of being ended by them.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Takes them over. To be called before any thread is started: threads inherit it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn take() -> io::Result<Self> {
        let mut set = SigSet::empty();
        [Raw::SIGTERM, Raw::SIGINT, Raw::SIGHUP].into_iter().for_each(|signal| set.add(signal));
        set.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self(SignalFd::with_flags(&set, flags)?))
    }

    /// Undoes it in a process that was started by one that took them.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn give_back() -> io::Result<()> {
        Ok(SigSet::all().thread_unblock()?)
    }

    fn next(&self) -> Option<Raw> {
        let info = self.0.read_signal().ok().flatten()?;
        Raw::try_from(i32::try_from(info.ssi_signo).ok()?).ok()
    }
}

/// What worker and fence are started with.
#[derive(Debug)]
pub struct Settings {
    /// The file that this process has read.
    pub config: PathBuf,
    /// Instead of the configuration's.
    pub log_level: Option<String>,
    /// What the disk says about the writer role.
    pub standing: Standing,
    /// The machine's watchdog, if it is to be used.
    pub watchdog: Option<PathBuf>,
}

/// A process of ours. Known by a pidfd from before it could end, so no other is ever hit.
struct Process {
    child: Child,
    fd: OwnedFd,
}

impl Process {
    fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.spawn()?;
        // Not reaped by anybody but us, so the number is its own until then.
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let fd =
            pid.ok_or(rustix::io::Errno::SRCH).and_then(|p| pidfd_open(p, PidfdFlags::empty()));
        match fd {
            Ok(fd) => Ok(Self { child, fd }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error.into())
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Err(error) = pidfd_send_signal(&self.fd, signal)
            && error != rustix::io::Errno::SRCH
        {
            tracing::error!(pid = self.child.id(), ?signal, %error, "cannot signal a process of ours");
        }
    }

    /// How it ended, once it has.
    fn ended(&mut self) -> Option<ExitStatus> {
        // An error would say that it is not our child, which cannot be.
        self.child.try_wait().ok().flatten()
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => Raw::try_from(number)
            .map_or_else(|_| format!("signal {number}"), |signal| format!("by {signal}")),
        (None, None) => "nobody knows how".to_owned(),
    }
}

struct Shell {
    settings: Settings,
    core: Supervisor,
    manager: Manager,
    worker: Option<(Process, Ear)>,
    fence: Option<Process>,
    watchdog: Option<Device>,
    exit: Option<u8>,
}

/// Runs the agent until it is told to end, or cannot begin.
pub fn run(settings: Settings, signals: &Signals) -> ExitCode {
    let core = Supervisor::new(settings.standing, Clock.now());
    let core = if settings.watchdog.is_some() { core.with_watchdog() } else { core };
    let manager = Manager::from_env();
    let (worker, fence, watchdog, exit) = (None, None, None, None);
    let mut shell = Shell { settings, core, manager, worker, fence, watchdog, exit };
    tracing::info!("supervisor started");
    shell.step(Input::Tick);
    while shell.exit.is_none() {
        shell.wait(signals);
        while let Some(signal) = signals.next() {
            shell.signalled(signal);
        }
        // Beats first: what a worker said before it ended tells what it held.
        if let Some(beat) = shell.worker.as_ref().and_then(|(_, ear)| ear.newest()) {
            shell.step(Input::Beat(beat));
        }
        shell.ends();
        shell.step(Input::Tick);
    }
    ExitCode::from(shell.exit.unwrap_or_default())
}

impl Shell {
    /// Until something can be read, or the core wants to be woken.
    fn wait(&self, signals: &Signals) {
        let left = Duration::from(self.core.next_wakeup().since(Clock.now()));
        let limit = Timespec::try_from(left).unwrap_or_default();
        let mut fds = vec![PollFd::new(&signals.0, PollFlags::IN)];
        if let Some((process, ear)) = &self.worker {
            fds.push(PollFd::new(&process.fd, PollFlags::IN));
            fds.push(PollFd::from_borrowed_fd(ear.as_fd(), PollFlags::IN));
        }
        fds.extend(self.fence.iter().map(|process| PollFd::new(&process.fd, PollFlags::IN)));
        // What is ready is looked at anyway; interrupted is as good as ready.
        let _ = poll(&mut fds, Some(&limit));
    }

    fn signalled(&mut self, signal: Raw) {
        match signal {
            // The worker says what comes of it.
            Raw::SIGHUP => self.worker.iter().for_each(|(process, _)| process.signal(Signal::HUP)),
            signal => {
                self.manager.stopping();
                self.step(Input::Stop { signal: signal.as_str() });
            }
        }
    }

    fn ends(&mut self) {
        if let Some(status) = self.worker.as_mut().and_then(|(process, _)| process.ended()) {
            self.worker = None;
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            self.step(Input::Ended { code, how: how(status) });
        }
        if let Some(status) = self.fence.as_mut().and_then(Process::ended) {
            self.fence = None;
            self.step(Input::FenceEnded { done: status.success(), how: how(status) });
        }
    }

    fn step(&mut self, input: Input) {
        for effect in self.core.step(Clock.now(), input) {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        let worker = |signal| self.worker.iter().for_each(|(process, _)| process.signal(signal));
        match effect {
            Effect::Start => match self.start_worker() {
                Ok(worker) => self.worker = Some(worker),
                Err(error) => self.step(Input::NotStarted { why: error.to_string() }),
            },
            Effect::Terminate => worker(Signal::TERM),
            Effect::Kill => worker(Signal::KILL),
            Effect::Fence { limit } => match self.start_fence(limit) {
                Ok(fence) => self.fence = Some(fence),
                Err(error) => self.step(Input::FenceEnded { done: false, how: error.to_string() }),
            },
            Effect::KillFence => {
                if let Some(mut fence) = self.fence.take() {
                    fence.signal(Signal::KILL);
                    // Reaped here if it is quick, by whoever comes after us if it hangs.
                    let _ = fence.ended();
                }
            }
            Effect::Ready => self.manager.ready("the worker is at work"),
            Effect::Alive => self.manager.alive(),
            Effect::Watchdog(watch) => self.watch(watch),
            Effect::Exit(code) => self.exit = Some(code),
            Effect::Tell { alarm: true, what } => {
                tracing::error!("{what}");
                self.manager.status(&what);
            }
            Effect::Tell { alarm: false, what } => {
                tracing::info!("{what}");
                self.manager.status(&what);
            }
        }
    }

    /// A device that cannot be used is told of each time that it should be, and the host goes on:
    /// the other lines still hold.
    fn watch(&mut self, watch: Watch) {
        match watch {
            Watch::Arm { timeout } => {
                let Some(path) = &self.settings.watchdog else { return };
                match Device::arm(path, timeout) {
                    Ok(device) => {
                        tracing::info!(path = %path.display(), %timeout, "watchdog armed");
                        self.watchdog = Some(device);
                    }
                    Err(why) => tracing::error!("no watchdog: {why}"),
                }
            }
            Watch::Feed => {
                if let Some(Err(error)) = self.watchdog.as_mut().map(Device::feed) {
                    tracing::error!(%error, "the watchdog cannot be fed and may reset this machine");
                }
            }
            Watch::Disarm => {
                if let Some(device) = self.watchdog.take() {
                    device.disarm();
                    tracing::info!("watchdog disarmed");
                }
            }
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(SELF);
        command.arg0(NAME).stdin(Stdio::null());
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command
    }

    fn start_worker(&self) -> io::Result<(Process, Ear)> {
        let (ear, end) = line()?;
        let mut command = self.command();
        command.arg("--worker").arg("--config").arg(&self.settings.config).stdin(end);
        if let Some(level) = &self.settings.log_level {
            command.arg("--log-level").arg(level);
        }
        let process = Process::start(command)?;
        tracing::info!(pid = process.child.id(), "worker started");
        Ok((process, ear))
    }

    fn start_fence(&self, limit: Span) -> io::Result<Process> {
        let mut command = self.command();
        command.args(["fence", "--force", "--limit", &format!("{}ms", limit.as_ms())]);
        command.arg("--config").arg(&self.settings.config);
        let process = Process::start(command)?;
        tracing::warn!(pid = process.child.id(), %limit, "fencing this host");
        Ok(process)
    }
}

/// Replaces a worker that has lost its supervisor by a fence that waits until the permission wants
/// one, and does nothing if another agent has taken the role up by then. Returns only to say why
/// not.
pub fn become_a_fence(config: &std::path::Path, not_before: Time) -> io::Error {
    let mut command = Command::new(SELF);
    command.arg0(NAME).args(["fence", "--if-needed", "--not-before", &not_before.0.to_string()]);
    command.arg("--config").arg(config).stdin(Stdio::null()).exec()
}
