//! Holding the writer role: within the grant, fencing in time, opening when it is wanted.

use std::net::IpAddr;

use mmm_proto::Span;
use mmm_proto::agent::{Duty, Hold, Outcome, Reach, Stance};

use super::{Act, ActResult, Agent, Countdown, Effect, Running};
use crate::core::bugs::{Bug, bug};
use crate::core::lease::Lease;
use crate::core::supervisor::Standing;

/// How long one try to open may take. Short, so that a hanging server cannot keep the role half
/// taken.
const OPEN_LIMIT: Span = Span::secs(2);

/// The least that a fence is given, however little of the grant is left.
const FENCE_FLOOR: Span = Span::secs(1);

/// Between two tries of an act that failed.
const RETRY: Span = Span::ms(200);

/// After so many tries to open that failed it is told that it cannot: another host might.
const GIVES_UP: u32 = 2;

impl Agent {
    /// Whether the grant allows to hold now.
    pub(super) fn may_hold(&self) -> Option<Lease> {
        self.writer_lease().filter(|lease| self.now.boot < lease.fence_at())
    }

    /// What the supervisor must know in case that this agent dies.
    pub fn standing(&self) -> Standing {
        let lease = self.writer_lease();
        // Whoever starts in any other duty begins with a fence.
        let goes_on = self.duty == Duty::Serving;
        Standing {
            exclusive: self.duty != Duty::None,
            ttl: self.ttl,
            fence_at: lease.filter(|_| goes_on).map(Lease::fence_at),
            ends: lease.map(Lease::ends),
        }
    }

    /// What the countdown in the server is to do. It runs while this host may serve, so that the
    /// server stops taking writes though no process of the agent does anything any more.
    pub fn countdown(&self) -> Countdown {
        match (self.duty, self.writer_lease()) {
            (Duty::Opening | Duty::Serving | Duty::Freezing, Some(lease)) => {
                Countdown::Until(lease.ends())
            }
            // Its end would do what a fence does.
            (Duty::Opening | Duty::Serving | Duty::Freezing | Duty::Fencing, _) => Countdown::AsIs,
            (Duty::Frozen | Duty::None, _) => Countdown::Off,
        }
    }

    /// The VIPs that make a host the writer.
    pub(super) fn writer_vips(&self) -> Vec<IpAddr> {
        self.roster.vips.iter().filter(|vip| vip.writer).map(|vip| vip.ip).collect()
    }

    /// How the writer role is wanted on this host, if it is.
    pub(super) fn wanted_writer(&self) -> Option<&Hold> {
        self.want.as_ref()?.holds.iter().find(|hold| hold.writer)
    }

    /// At two thirds of the grant, or of the promises, without another, fence.
    pub(super) fn mind_the_lease(&mut self) {
        if bug(Bug::NoFence) {
            return;
        }
        let now = self.now.boot;
        let over = self.writer_lease().filter(|lease| now >= lease.fence_at());
        if let Some(lease) = over.filter(|_| !matches!(self.duty, Duty::None | Duty::Fencing)) {
            let heard = self.lease.map_or(lease.echo, |lease| lease.echo);
            let why = format!(
                "no word from the monitor for {}, the grant lasts {}{}",
                now.since(heard),
                lease.ttl,
                self.missing_promises()
            );
            self.news("fences itself", &why);
            self.fence();
        }
        if self.lease.is_some_and(|lease| now >= lease.ends()) {
            self.lease = None;
            self.changed = true;
        }
    }

    /// Gives up the writer role, whatever else is under way.
    pub(super) fn fence(&mut self) {
        if let Some(running) = self.writing.take() {
            if matches!(running.act, Act::Fence { .. }) {
                self.writing = Some(running);
                return;
            }
            self.out.push(Effect::Abort { id: running.id });
            self.answer(
                &running,
                Outcome::Failed {
                    why: "the host had to fence itself".to_owned(),
                    blockers: Vec::new(),
                },
            );
        }
        // An address that is being added just now must not come up behind the fence.
        for vip in self.writer_vips() {
            if let Some(running) = self.addressing.remove(&vip) {
                self.out.push(Effect::Abort { id: running.id });
            }
        }
        // Not waited for: a disk that hangs must not hold up a fence, and what is on disk yet (it
        // serves, until then, or less) makes the next start fence as well.
        self.set_duty(Duty::Fencing, false);
        let left =
            self.writer_lease().map_or(Span::ZERO, |lease| lease.ends().since(self.now.boot));
        let keeps = bug(Bug::FenceKeepsVip);
        let act = Act::Fence { vips: if keeps { Vec::new() } else { self.writer_vips() } };
        self.writing = Some(self.begin(act, left.max(FENCE_FLOOR), None));
    }

    /// Brings what the host does about the writer role towards what is wanted.
    pub(super) fn mind_the_writer(&mut self) {
        if let Some(running) = &self.writing {
            // What is on its way to hold is not waited for when it must not be held any more.
            let holds =
                matches!(running.act, Act::Open { .. } | Act::Thaw { .. } | Act::Freeze { .. });
            if holds && (self.wanted_writer().is_none() || self.may_hold().is_none()) {
                self.fence();
            }
            return;
        }
        if self.now.boot < self.write_retry {
            return;
        }
        let wanted = self.wanted_writer().map(|hold| (hold.vip, hold.stance));
        let lease = self.may_hold();
        // An order was taken after the grant: what the grant wanted opens nothing any more, until
        // the monitor says what it wants now.
        let current = self.granted >= self.seen || bug(Bug::OpenUnasked);
        match (self.duty, wanted, lease) {
            (Duty::Fencing, _, _) => self.finish_fencing(),
            (Duty::Serving, Some((vip, _)), _) if self.yielded.contains(&vip) => {
                self.news("fences itself", "its VIP was gone when the agent was started again");
                self.fence();
            }
            (Duty::None, _, _) if self.writer_vip_found() => self.fence(),
            (Duty::Frozen, _, Some(_)) if self.found_writable() => {
                self.news(
                    "fences itself",
                    "the server was found writable while the role is frozen",
                );
                self.fence();
            }
            (Duty::None, Some((vip, Stance::Serve)), Some(lease)) if current => {
                self.open(vip, lease);
            }
            (Duty::Frozen, Some((vip, Stance::Serve)), Some(_)) => {
                if current {
                    self.set_duty(Duty::Opening, true);
                    self.writing = Some(self.begin(Act::Thaw { vip }, OPEN_LIMIT, None));
                }
            }
            (Duty::Serving, Some((_, Stance::Serve)), Some(_)) if !current => {}
            (Duty::Serving, Some((vip, Stance::Serve)), Some(lease)) => self.keep_open(vip, lease),
            // An order is at work on it.
            (_, Some((_, Stance::Frozen)), Some(_)) => {}
            (Duty::None, _, _) => self.guard_read_only(),
            // Not wanted any more, or not allowed any more.
            (_, None, _) | (_, _, None) => self.fence(),
            (Duty::Opening | Duty::Freezing, Some(_), Some(_)) => {
                // Its act has ended without a word: the end of the act decides, so this cannot
                // last.
                self.fence();
            }
        }
    }

    /// A writer's VIP is up on a host that does not hold the role, whoever put it there.
    fn writer_vip_found(&self) -> bool {
        self.looked && self.writer_vips().iter().any(|vip| self.found.contains(vip))
    }

    /// A look that is younger than the present duty found the server writable.
    fn found_writable(&self) -> bool {
        self.server_began > self.duty_since
            && self.server.reach == Reach::Up
            && self.server.read_only == Some(false)
    }

    /// After a start, or a fence that did not come through: is there anything left to fence?
    fn finish_fencing(&mut self) {
        if !self.looked || self.server.reach == Reach::Unknown {
            return;
        }
        let current = self.server_began >= self.duty_since;
        let read_only = match self.server.reach {
            Reach::Gone { .. } => true,
            Reach::Up => current && self.server.read_only == Some(true),
            _ => false,
        };
        let absent = self.writer_vips().iter().all(|vip| !self.found.contains(vip));
        if read_only && absent {
            self.trouble("fence", None);
            self.set_duty(Duty::None, true);
        } else if !matches!(self.server.reach, Reach::Up) || current {
            self.fence();
        }
    }

    fn open(&mut self, vip: IpAddr, lease: Lease) {
        let secs = lease.kernel_secs(self.now.boot);
        let let_go = self.yielded.contains(&vip);
        if self.server.reach != Reach::Up || secs == 0 || let_go || !self.troubles_allow() {
            return;
        }
        // The one it was promised to may go on until then.
        if let Some(given) = self.promise_against(vip) {
            let why = format!("has promised {} not to take {vip} yet", given.to);
            return self.trouble("promise", Some(why));
        }
        self.trouble("promise", None);
        self.set_duty(Duty::Opening, true);
        let until = lease.ends();
        self.writing = Some(self.begin(Act::Open { vip, until }, OPEN_LIMIT, None));
    }

    /// Without a state file that can be written nothing new is held: after a restart nobody would
    /// know of it.
    fn troubles_allow(&self) -> bool {
        !self.troubles.contains_key("store")
    }

    /// Why this host cannot become the writer just now, as far as that is known.
    pub(super) fn cannot_open(&self) -> String {
        let about = match self.duty {
            Duty::Serving => return String::new(),
            _ if !self.troubles_allow() => "store",
            _ if self.open_failed >= GIVES_UP => "open",
            _ => return String::new(),
        };
        self.troubles.get(about).cloned().unwrap_or_default()
    }

    /// Serving: the server may have been restarted (it starts read-only), the address may have been
    /// removed by hand.
    fn keep_open(&mut self, vip: IpAddr, lease: Lease) {
        let current = self.server_began > self.duty_since;
        let closed = self.server.reach == Reach::Up && self.server.read_only == Some(false);
        if self.server.reach == Reach::Up && current && !closed && self.server.read_only.is_some() {
            self.news(
                "is made writable again",
                "the server was found read-only while it is the writer",
            );
            self.open(vip, lease);
        } else if self.looked && !self.found.contains(&vip) && self.may_address(vip) {
            self.hold_address(vip, lease);
        }
    }

    /// A host that is not the writer is read-only, whoever made it writable.
    fn guard_read_only(&mut self) {
        if self.found_writable() {
            self.writing = Some(self.begin(Act::ReadOnly, OPEN_LIMIT, None));
        }
    }

    /// The act on the writer role ended.
    pub(super) fn writer_act_ended(&mut self, running: &Running, result: ActResult) {
        let now = self.now.boot;
        // The next look must be younger than what was just done.
        self.duty_since = now;
        match (&running.act, result) {
            (Act::Open { vip, .. }, ActResult::Done) => {
                self.trouble("open", None);
                self.open_failed = 0;
                self.server.read_only = Some(false);
                self.see(*vip);
                // Not waited for here and below: what is on disk yet makes the next start fence.
                self.set_duty(Duty::Serving, false);
            }
            (Act::Thaw { .. }, ActResult::Done) => {
                self.trouble("open", None);
                self.open_failed = 0;
                self.server.read_only = Some(false);
                self.set_duty(Duty::Serving, false);
            }
            (Act::Open { .. } | Act::Thaw { .. }, ActResult::Failed { why, .. }) => {
                self.trouble("open", Some(format!("cannot open: {why}")));
                // One that took long is not worth another: clients wait.
                let long = now.since(running.began) >= RETRY;
                self.open_failed += if long { GIVES_UP } else { 1 };
                self.write_retry = now + RETRY;
                self.fence();
            }
            (Act::Freeze { .. }, ActResult::Frozen { at, killed }) => {
                self.server.read_only = Some(true);
                self.server.position = self.server.position.union(&at);
                // "Freezing" is on disk and means the same after a crash: fence. No need to wait
                // for it.
                self.set_duty(Duty::Frozen, false);
                self.answer(running, Outcome::Frozen { at, killed });
            }
            (Act::Freeze { .. }, ActResult::Failed { why, blockers }) => {
                // The hands have undone it: the host serves as before.
                self.set_duty(Duty::Serving, false);
                self.answer(running, Outcome::Failed { why, blockers });
            }
            (Act::Fence { vips }, ActResult::Fenced { safe, gone, ended, trouble }) => {
                self.fence_ended(vips, safe, gone, ended, trouble);
            }
            (Act::ReadOnly, ActResult::Failed { why, .. }) => {
                let why = format!("cannot set read_only: {why}");
                if self.troubles.get("read_only") != Some(&why) {
                    self.news("was found writable", &format!("it is not the writer; {why}"));
                }
                self.trouble("read_only", Some(why));
                self.write_retry = now + RETRY;
            }
            (Act::ReadOnly, _) => {
                self.news("was found writable", "it is not the writer; read_only was set");
                self.trouble("read_only", None);
                self.server.read_only = Some(true);
                self.changed = true;
            }
            (Act::Fence { .. }, other) => {
                self.trouble("fence", Some(format!("fencing ended oddly: {other:?}")));
                self.write_retry = now + RETRY;
            }
            (_, other) => {
                let why = format!("ended oddly: {other:?}");
                self.answer(running, Outcome::Failed { why, blockers: Vec::new() });
                self.fence();
            }
        }
    }

    fn fence_ended(
        &mut self,
        vips: &[IpAddr],
        safe: bool,
        gone: bool,
        ended: bool,
        trouble: String,
    ) {
        if gone {
            self.found.retain(|found| !vips.contains(found));
        }
        if ended {
            self.ended = format!("it could not be verified to be read-only: {trouble}");
        }
        if safe && gone {
            self.trouble("fence", None);
            if self.server.reach == Reach::Up {
                self.server.read_only = Some(true);
            }
            self.set_duty(Duty::None, false);
        } else {
            self.trouble("fence", Some(format!("fencing: {trouble}")));
            self.write_retry = self.now.boot + RETRY;
        }
        self.changed = true;
    }

    pub(super) fn see(&mut self, vip: IpAddr) {
        if !self.found.contains(&vip) {
            self.found.push(vip);
            self.found.sort();
            self.changed = true;
        }
    }
}
