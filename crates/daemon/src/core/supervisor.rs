//! Supervising the agent's worker: when it is given up, when it is started again, and when the host
//! is fenced in between. Pure: the processes are the shell's (`agentd::supervisor`).
//!
//! The worker says at each beat whether it has to do with the writer role and how long its
//! permission lasts ([`Standing`]). While it is dead or silent nobody renews that permission, so
//! all that can be lost is time: either a new worker goes on before the permission wants a fence,
//! or the host is fenced, by a process of its own, before the permission ends.

mod standing;
#[cfg(test)]
mod tests;
mod watchdog;

pub use standing::{Standing, beat_every, needs_no_fence, silence};

pub use watchdog::Watch;

use mmm_proto::{Span, Time};

use watchdog::Watchdog;

/// How long a worker may take to its first beat.
const START_LIMIT: Span = Span::secs(10);
/// What a new worker is given to go on; with less left the host is fenced first.
const RESUME: Span = Span::ms(300);
/// A worker that was killed and is not gone by then hangs in the kernel; a fence does not wait for
/// it any longer.
const KILL_WAIT: Span = Span::ms(200);
/// How long a worker that was told to end may take.
const STOP_LIMIT: Span = Span::secs(5);
/// A fence is given what is left of the permission, but at least and at most this.
const FENCE_MIN: Span = Span::secs(1);
const FENCE_MAX: Span = Span::secs(10);
/// What it may take beyond that, before it is given up.
const FENCE_SLACK: Span = Span::secs(2);
/// Pauses between workers that end soon: none for the first, then doubling from this to that.
const PAUSE: Span = Span::ms(100);
const PAUSE_MAX: Span = Span::secs(5);
/// A worker that lived so long did not end soon.
const LIVED: Span = Span::secs(10);
/// To be woken so much later than asked for means that the supervisor itself stood still.
const LATE: Span = Span::ms(100);

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Time passed.
    Tick,
    /// The worker's loop turns.
    Beat(Standing),
    /// The worker's process is gone; its exit code, if it had one.
    Ended { code: Option<u8>, how: String },
    /// No worker could be started.
    NotStarted { why: String },
    /// The fence's process is gone.
    FenceEnded { done: bool, how: String },
    /// The program was told to end.
    Stop { signal: &'static str },
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start a worker.
    Start,
    /// Tell the worker to end.
    Terminate,
    /// End it, so that it can never act again.
    Kill,
    /// Fence the host within that time.
    Fence { limit: Span },
    /// End the fence's process.
    KillFence,
    /// The agent is at work, for the first time.
    Ready,
    /// The worker beats.
    Alive,
    /// Something with the machine's watchdog.
    Watchdog(Watch),
    /// End with that exit code.
    Exit(u8),
    /// For people.
    Tell { alarm: bool, what: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worker {
    None,
    Starting,
    Beating,
    /// Killed, not gone yet.
    Killed {
        at: Time,
    },
}

/// The decisions of the supervisor.
#[derive(Debug)]
pub struct Supervisor {
    now: Time,
    standing: Standing,
    worker: Worker,
    /// When the latest worker was started, and when it was heard last.
    began: Time,
    heard: Time,
    /// When the next one may be started.
    start_at: Time,
    /// Workers that ended soon, one after the other.
    failures: u32,
    /// A worker was started; has beaten.
    started: bool,
    ready: bool,
    /// When the fence that runs is given up.
    fencing: Option<Time>,
    /// The host was fenced, or it was tried, since the latest worker began.
    fenced: bool,
    /// Told to end: when patience ends, too.
    stopping: Option<Time>,
    /// How the program is to end.
    leaving: Option<u8>,
    watchdog: Watchdog,
    due: Time,
    out: Vec<Effect>,
}

impl Supervisor {
    /// With what the disk says about the writer role.
    pub fn new(standing: Standing, now: Time) -> Self {
        Self {
            now,
            standing,
            worker: Worker::None,
            began: now,
            heard: now,
            start_at: now,
            failures: 0,
            started: false,
            ready: false,
            fencing: None,
            fenced: false,
            stopping: None,
            leaving: None,
            watchdog: Watchdog::default(),
            due: now,
            out: Vec::new(),
        }
    }

    /// The machine has a watchdog, and it is to be used.
    #[must_use]
    pub fn with_watchdog(mut self) -> Self {
        self.watchdog.configured = true;
        self
    }

    /// Takes one input and says what is to be done.
    pub fn step(&mut self, now: Time, input: Input) -> Vec<Effect> {
        self.now = now;
        self.mind_own_absence();
        match input {
            Input::Tick => {}
            Input::Beat(standing) => self.take_beat(standing),
            Input::Ended { code, how } => self.take_end(code, &how),
            Input::NotStarted { why } => self.take_end(None, &format!("could not start: {why}")),
            Input::FenceEnded { done, how } => self.take_fence(done, &how),
            Input::Stop { signal } => self.take_stop(signal),
        }
        self.mind_the_worker();
        self.mind_the_fence();
        self.mind_the_end();
        self.mind_the_start();
        let leaving = self.out.iter().any(|effect| matches!(effect, Effect::Exit(_)));
        let watch = self.watchdog.mind(self.standing, leaving, now);
        self.out.extend(watch.map(Effect::Watchdog));
        self.due = self.wakeup();
        std::mem::take(&mut self.out)
    }

    /// When to call again even if nothing comes in.
    pub fn next_wakeup(&self) -> Time {
        self.due
    }

    fn wakeup(&self) -> Time {
        let worker = match self.worker {
            Worker::None if self.fencing.is_none() && self.leaving.is_none() => Some(self.start_at),
            Worker::None => None,
            Worker::Starting => Some(self.began + START_LIMIT),
            Worker::Beating => Some(self.heard + silence(self.standing.ttl)),
            Worker::Killed { at } => Some(at + KILL_WAIT),
        };
        // When a worker that comes is too late to go on, and when one that is there is.
        let fence = self.standing.fence_at.filter(|_| self.standing.exclusive);
        let fence = match self.worker {
            Worker::Beating => None,
            Worker::Starting => fence.map(|at| at + self.patience()),
            Worker::None | Worker::Killed { .. } => fence.map(|at| at - RESUME),
        };
        let all = [worker, fence, self.fencing, self.stopping, self.watchdog.due()];
        let ahead = all.into_iter().flatten();
        let next = ahead.filter(|at| *at > self.now).min();
        next.unwrap_or(self.now + Span::secs(1)).min(self.now + Span::secs(1))
    }

    /// What the supervisor did not hear because it stood still itself, or the whole machine did,
    /// proves nothing about the worker.
    fn mind_own_absence(&mut self) {
        let late = self.now.since(self.due);
        if late > LATE && self.worker == Worker::Beating {
            let limit = silence(self.standing.ttl);
            let half = Span::ms(limit.as_ms() / 2);
            self.heard = (self.heard + late).max(self.now - half).min(self.now);
        }
    }

    fn tell(&mut self, alarm: bool, what: String) {
        self.out.push(Effect::Tell { alarm, what });
    }

    fn take_beat(&mut self, standing: Standing) {
        match self.worker {
            Worker::Starting => {
                let took = self.now.since(self.began);
                self.tell(false, format!("the worker is at work after {took}"));
                self.worker = Worker::Beating;
            }
            Worker::Beating => {}
            // It beat before it was killed.
            Worker::None | Worker::Killed { .. } => return,
        }
        (self.heard, self.standing) = (self.now, standing);
        if !self.ready {
            self.ready = true;
            self.out.push(Effect::Ready);
        }
        self.out.push(Effect::Alive);
    }

    fn take_end(&mut self, code: Option<u8>, how: &str) {
        let killed = matches!(self.worker, Worker::Killed { .. });
        self.worker = Worker::None;
        if self.stopping.is_some() {
            self.leaving = Some(if killed { 1 } else { 0 });
            return;
        }
        if !self.ready && !killed {
            // It has said why. A configuration or a port that is wrong does not mend itself.
            self.leaving = Some(code.filter(|code| *code != 0).unwrap_or(1));
        } else {
            let lived = self.now.since(self.began) >= LIVED;
            let pause = match (lived, self.failures) {
                (true, _) | (false, 0) => Span::ZERO,
                (false, n) => Span::ms(PAUSE.as_ms() << (n - 1).min(10)).min(PAUSE_MAX),
            };
            self.failures = if lived { 1 } else { self.failures + 1 };
            self.start_at = self.now + pause;
        }
        let pause = self.start_at.since(self.now);
        let next = if self.leaving.is_some() {
            "it never got to work".to_owned()
        } else if !self.standing.exclusive {
            format!("the next one starts in {pause}; this host does not hold the writer role")
        } else if self.standing.lasts(self.now, pause + RESUME) {
            let left = self.standing.fence_at.map_or(Span::ZERO, |at| at.since(self.now));
            format!("the next one starts in {pause} and goes on: the permission lasts {left} more")
        } else {
            "too little is left of the permission to go on: this host is fenced first".to_owned()
        };
        self.tell(true, format!("the worker ended ({how}); {next}"));
    }

    fn take_fence(&mut self, done: bool, how: &str) {
        self.fencing = None;
        if done {
            self.standing = Standing { ttl: self.standing.ttl, ..Standing::default() };
            self.tell(false, format!("this host is fenced ({how})"));
        } else {
            let what = format!(
                "this host could not be verified to be fenced ({how}); the next worker tries again"
            );
            self.tell(true, what);
        }
    }

    fn take_stop(&mut self, signal: &'static str) {
        if self.stopping.is_none() {
            self.tell(false, format!("{signal}: ending the worker"));
            self.stopping = Some(self.now + STOP_LIMIT);
            if matches!(self.worker, Worker::Starting | Worker::Beating) {
                self.out.push(Effect::Terminate);
            }
        }
    }

    /// Gives up who is silent, or too slow to begin.
    fn mind_the_worker(&mut self) {
        let silent = self.now.since(self.heard);
        let why = match self.worker {
            Worker::Beating if silent >= silence(self.standing.ttl) => {
                format!("no sign of life for {silent}")
            }
            Worker::Starting if self.now.since(self.began) >= START_LIMIT => {
                format!("not at work {START_LIMIT} after its start")
            }
            Worker::Starting if self.overdue() => {
                "not at work, and the permission to hold the writer role runs out".to_owned()
            }
            _ => return,
        };
        self.tell(true, format!("killing the worker: {why}"));
        self.out.push(Effect::Kill);
        self.worker = Worker::Killed { at: self.now };
    }

    /// A worker that comes late fences by itself; it is given a moment to do so.
    fn overdue(&self) -> bool {
        let late = |at: Time| self.now >= at + self.patience();
        self.standing.exclusive && self.standing.fence_at.is_some_and(late)
    }

    fn patience(&self) -> Span {
        Span::ms(self.standing.ttl.as_ms() / 12)
    }

    /// Fences when nobody is left to go on in time.
    fn mind_the_fence(&mut self) {
        if let Some(until) = self.fencing {
            if self.now >= until {
                self.out.push(Effect::KillFence);
                // Its end is not waited for.
                self.take_fence(false, "it did not come back");
            }
            return;
        }
        let gone = match self.worker {
            Worker::None => true,
            Worker::Killed { at } => self.now.since(at) >= KILL_WAIT,
            Worker::Starting | Worker::Beating => false,
        };
        // The first worker fences by itself what an earlier agent left. On the way out what is held
        // stays for the rest of its time: the service manager decides, and another agent may run.
        let may = self.started && self.stopping.is_none() && self.leaving.is_none();
        let delay = self.start_at.since(self.now) + RESUME;
        if !gone || self.fenced || !may || !self.standing.calls_for_a_fence(self.now, delay) {
            return;
        }
        let left = self.standing.ends.map_or(Span::ZERO, |ends| ends.since(self.now));
        let limit = left.clamp(FENCE_MIN, FENCE_MAX);
        self.fenced = true;
        self.fencing = Some(self.now + limit + FENCE_SLACK);
        self.out.push(Effect::Fence { limit });
    }

    fn mind_the_end(&mut self) {
        if self.fencing.is_some() {
            return;
        }
        if self.stopping.is_some() && self.worker == Worker::None {
            self.leaving.get_or_insert(0);
        }
        if let Some(code) = self.leaving {
            self.out.push(Effect::Exit(code));
            return;
        }
        if self.stopping.is_none_or(|until| self.now < until) {
            return;
        }
        match self.worker {
            Worker::Starting | Worker::Beating => {
                self.tell(true, format!("killing the worker: it did not end within {STOP_LIMIT}"));
                self.out.push(Effect::Kill);
                self.worker = Worker::Killed { at: self.now };
            }
            Worker::Killed { at } if self.now.since(at) >= KILL_WAIT => {
                self.tell(true, "the worker hangs in the kernel: ending without it".to_owned());
                self.out.push(Effect::Exit(1));
            }
            Worker::Killed { .. } | Worker::None => {}
        }
    }

    fn mind_the_start(&mut self) {
        let idle = self.worker == Worker::None && self.fencing.is_none();
        let may = self.leaving.is_none() && self.stopping.is_none();
        if idle && may && self.now >= self.start_at {
            self.worker = Worker::Starting;
            (self.began, self.heard, self.fenced) = (self.now, self.now, false);
            self.started = true;
            if !self.standing.lasts(self.now, Span::ZERO) {
                // It begins with a fence; nothing is left to be in time for.
                self.standing.fence_at = None;
            }
            self.out.push(Effect::Start);
        }
    }
}
