//! What an agent's hands do (`agentd/acts.rs`, `agentd/fence.rs`): what each act does, how long it
//! takes, and what it leaves behind when it fails or is broken off.

use std::net::IpAddr;

use mmm_proto::agent::Blocker;
use mmm_proto::{HostName, Span, Time};

use super::World;
use crate::core::agent::{Act, ActResult, Input};
use crate::core::lease::kernel_secs;
use crate::sim::action::ActKind;
use crate::sim::due::Due;
use crate::sim::host::Work;
use crate::sim::server::State;
use crate::sim::text;

/// How often something that is waited for is looked at.
const POLL: u64 = 10_000;
/// The shell ends an act that has not ended so long after its limit.
const SLACK: u64 = 2_000_000;
/// The kernel drops an address up to so long after its lifetime.
const KERNEL_LATE: u64 = 100_000;

/// How far an act is.
enum Progress {
    Ends(ActResult),
    /// Look again then.
    Later(u64),
}

use Progress::{Ends, Later};

impl World {
    pub(super) fn begin_work(&mut self, host: usize, id: u64, act: Act, limit: Span) {
        match &act {
            Act::Freeze { vip, .. } => self.refuse(host, *vip, true),
            Act::Fence { vips } => {
                for vip in vips {
                    self.refuse(host, *vip, true);
                }
            }
            _ => {}
        }
        if let Act::Hold { vip, until } = act
            && self.renews_at_once(host, vip)
        {
            let there = self.put_up(host, vip, until);
            let result = if there { ActResult::Done } else { too_late() };
            return self.act_ended(host, id, &act, result);
        }
        let (from, to) = match &act {
            Act::Hold { .. } | Act::Drop { .. } => (200, 3_000),
            Act::Look => (400, 4_000),
            Act::Freeze { .. } | Act::Fence { .. } => (3_000, 30_000),
            Act::Follow { .. } | Act::Fetch { .. } => (3_000, 60_000),
            _ => (1_000, 10_000),
        };
        let mut takes = self.draw.between(from, to);
        let us = self.us;
        let record = &mut self.hosts[host];
        let slow = record.slow[ActKind::of(&act) as usize];
        if slow > 0 {
            takes = slow;
        }
        let limit = limit.as_ms() * 1000;
        let halves = matches!(
            act,
            Act::Open { .. } | Act::Thaw { .. } | Act::Fence { .. } | Act::Freeze { .. }
        );
        record.works.push(Work { id, act, began: us, limit, takes, half: !halves });
        let (life, first) = (record.life, if halves { takes / 2 } else { takes });
        self.queue.push(us + first, Due::Phase { host, life, id });
    }

    fn refuse(&mut self, host: usize, vip: IpAddr, refused: bool) {
        if let Some(vip) = self.vip_index(vip) {
            self.hosts[host].vips[vip].refused = refused;
        }
    }

    pub(super) fn vip_index(&self, ip: IpAddr) -> Option<usize> {
        self.vips.iter().position(|vip| *vip == ip)
    }

    pub(super) fn go_on_with_act(&mut self, host: usize, id: u64) {
        let us = self.us;
        let Some(at) = self.hosts[host].works.iter().position(|work| work.id == id) else {
            return;
        };
        let work = &mut self.hosts[host].works[at];
        let (act, since, limit) = (work.act.clone(), us - work.began, work.limit);
        if !work.half {
            work.half = true;
            let rest = work.takes - work.takes / 2;
            self.first_half(host, &act);
            return self.phase_at(host, id, us + rest);
        }
        let progress = if since > limit + SLACK {
            let why = format!("no end after {} ms", since / 1000);
            Ends(self.end_badly(host, &act, why))
        } else {
            self.finish(host, &act, since, limit)
        };
        match progress {
            Later(at) => self.phase_at(host, id, at),
            Ends(result) => {
                self.hosts[host].works.retain(|work| work.id != id);
                self.act_ended(host, id, &act, result);
            }
        }
    }

    fn act_ended(&mut self, host: usize, id: u64, act: &Act, result: ActResult) {
        if self.trace.is_some() {
            let name = text::host_word(host);
            self.note(format!("  {name} ended {act:?}: {result:?}"));
        }
        self.give(host, Input::Ended { id, result });
    }

    /// A VIP that is there is mostly kept longer before anything else happens.
    fn renews_at_once(&mut self, host: usize, vip: IpAddr) -> bool {
        let record = &self.hosts[host];
        // What somebody put there by hand is no lifetime that is renewed: the act ends that.
        let there = self
            .vip_index(vip)
            .is_some_and(|vip| record.has_vip(vip, self.us) && !record.vips[vip].by_hand);
        there
            && self.config.jitter
            && record.slow[ActKind::Hold as usize] == 0
            && !record.fails(ActKind::Hold)
            && self.draw.chance(3, 4)
    }

    fn phase_at(&mut self, host: usize, id: u64, at: u64) {
        let life = self.hosts[host].life;
        self.queue.push(at, Due::Phase { host, life, id });
    }

    fn first_half(&mut self, host: usize, act: &Act) {
        let us = self.us;
        let record = &mut self.hosts[host];
        if record.fails(ActKind::of(act)) || !record.server.up() {
            return;
        }
        match act {
            Act::Open { .. } | Act::Thaw { .. } => record.server.read_only = false,
            Act::Fence { .. } => record.server.read_only = true,
            Act::Freeze { .. } if !record.server.blocks(us) => record.server.read_only = true,
            _ => {}
        }
    }

    fn needs_server(act: &Act) -> bool {
        !matches!(act, Act::Fence { .. } | Act::Hold { .. } | Act::Drop { .. } | Act::Look)
    }

    fn finish(&mut self, host: usize, act: &Act, since: u64, limit: u64) -> Progress {
        let us = self.us;
        let record = &mut self.hosts[host];
        if record.fails(ActKind::of(act)) {
            return Ends(self.end_badly(host, act, "made to fail".to_owned()));
        }
        if !record.server.up() && Self::needs_server(act) {
            // One that stands still answers nothing: the act runs into its limit.
            if record.server.state == State::Silent && since < limit {
                return Later(us + (limit - since).min(POLL * 10));
            }
            return Ends(self.end_badly(host, act, "the server does not answer".to_owned()));
        }
        match act {
            Act::Freeze { grace, kill, .. } => self.freeze(host, act, *grace, *kill, since),
            Act::Fence { vips } => self.fence(host, vips, since, limit),
            Act::Fetch { from, to } => {
                self.follow(host, from);
                let (from, to) = (from.clone(), to.clone());
                self.reached(host, since, limit, |server| {
                    server.source == text::host(from.as_str()).ok()
                        && server.position().includes(&to)
                })
            }
            Act::CatchUp { to } => {
                let to = to.clone();
                self.reached(host, since, limit, |server| server.position().includes(&to))
            }
            Act::Drain => {
                let server = &mut self.hosts[host].server;
                if !server.sql && server.behind() {
                    let why = "its applier is stopped; the receiver was left alone".to_owned();
                    return Ends(self.end_badly(host, act, why));
                }
                server.thread(false, false);
                let done = self.reached(host, since, limit, |server| !server.behind());
                if matches!(&done, Ends(ActResult::Reached { .. })) {
                    self.hosts[host].server.thread(true, false);
                }
                done
            }
            _ => Ends(self.at_once(host, act)),
        }
    }

    /// Acts that do not wait for anything.
    fn at_once(&mut self, host: usize, act: &Act) -> ActResult {
        let us = self.us;
        match act {
            Act::Open { vip, until } => {
                self.hosts[host].server.read_only = false;
                self.refuse(host, *vip, false);
                if !self.put_up(host, *vip, *until) {
                    return self.end_badly(host, act, "the grant is as good as over".to_owned());
                }
                ActResult::Done
            }
            Act::Thaw { vip } => {
                self.hosts[host].server.read_only = false;
                self.refuse(host, *vip, false);
                ActResult::Done
            }
            Act::ReadOnly => {
                self.hosts[host].server.read_only = true;
                ActResult::Done
            }
            Act::Hold { vip, until } => {
                let there = self.vip_index(*vip).is_some_and(|v| self.hosts[host].has_vip(v, us));
                if !there {
                    self.refuse(host, *vip, false);
                }
                if self.put_up(host, *vip, *until) { ActResult::Done } else { too_late() }
            }
            Act::Drop { vip } => {
                self.take_down(host, *vip);
                ActResult::Done
            }
            Act::Look => {
                let server = &mut self.hosts[host].server;
                self.watch.looked_at(host, server.applied);
                ActResult::Looked(Box::new(server.facts(us)))
            }
            Act::StopReplication => {
                self.hosts[host].server.thread(true, false);
                self.hosts[host].server.thread(false, false);
                ActResult::Done
            }
            Act::Follow { from } => {
                self.follow(host, from);
                ActResult::Done
            }
            _ => failed("no such act".to_owned()),
        }
    }

    /// The kernel gets whole seconds of what is left when it is asked, and counts them on the
    /// host's own clock.
    fn put_up(&mut self, host: usize, vip: IpAddr, until: Time) -> bool {
        let Some(vip) = self.vip_index(vip) else {
            return false;
        };
        let (us, late) = (self.us, self.draw.below(KERNEL_LATE));
        let record = &mut self.hosts[host];
        let now = record.clock.now(us);
        let secs = kernel_secs(until, now);
        if secs == 0 {
            return false;
        }
        let end = record.clock.when(us, now + Span::secs(secs.into())) + late;
        record.vips[vip].until = end;
        record.vips[vip].by_hand = false;
        true
    }

    fn take_down(&mut self, host: usize, vip: IpAddr) {
        if let Some(vip) = self.vip_index(vip) {
            (self.hosts[host].vips[vip].until, self.hosts[host].vips[vip].by_hand) = (0, false);
        }
    }

    fn follow(&mut self, host: usize, from: &HostName) {
        if let Ok(from) = text::host(from.as_str())
            && from != host
        {
            self.hosts[host].server.follow(from);
            self.pull_soon(host, 1_000);
        }
    }

    fn freeze(&mut self, host: usize, act: &Act, grace: Span, kill: bool, since: u64) -> Progress {
        let us = self.us;
        let server = &mut self.hosts[host].server;
        if server.blocks(us) && !kill {
            let grace = grace.as_ms() * 1000;
            if since < grace {
                return Later(us + POLL.min(grace - since));
            }
            // As the real hands say it.
            let by = match server.longest(us) {
                Some(_) => "a statement",
                None => "an idle session that holds table locks (--kill ends all)",
            };
            return Ends(self.end_badly(host, act, format!("held up by {by}")));
        }
        server.read_only = true;
        let killed = server.end_sessions();
        Ends(ActResult::Frozen { at: server.position(), killed })
    }

    /// Half of the time is for the order of the fence, the rest for ending a server that could not
    /// be verified.
    fn fence(&mut self, host: usize, vips: &[IpAddr], since: u64, limit: u64) -> Progress {
        let escalate = self.config.escalate;
        let silent = self.hosts[host].server.state == State::Silent;
        if silent && since < limit / 2 {
            return Later(self.us + (limit / 2 - since).min(POLL * 5));
        }
        for vip in vips {
            self.take_down(host, *vip);
        }
        let server = &mut self.hosts[host].server;
        if server.up() {
            server.read_only = true;
            server.end_sessions();
        }
        let (mut safe, mut ended, mut trouble) = (!silent, false, String::new());
        if silent {
            trouble.push_str("no answer");
            if escalate {
                self.kill_server(host);
                (safe, ended) = (true, true);
            }
        }
        Ends(ActResult::Fenced { safe, gone: true, ended, trouble })
    }

    fn reached(
        &mut self,
        host: usize,
        since: u64,
        limit: u64,
        so: impl Fn(&mut crate::sim::server::Server) -> bool,
    ) -> Progress {
        let us = self.us;
        let server = &mut self.hosts[host].server;
        if so(server) {
            return Ends(ActResult::Reached { at: server.position() });
        }
        if since + POLL > limit {
            return Ends(failed(format!("not applied within {} ms", limit / 1000)));
        }
        if !server.sql {
            return Ends(failed("its applier is stopped".to_owned()));
        }
        if !server.io && !server.behind() {
            return Ends(failed("its receiver is stopped before it had them all".to_owned()));
        }
        Later(us + POLL)
    }

    /// What a failed act leaves behind: a freeze is undone, an open too, a fence drops the VIP all
    /// the same.
    fn end_badly(&mut self, host: usize, act: &Act, why: String) -> ActResult {
        let us = self.us;
        match act {
            Act::Freeze { vip, .. } => {
                self.refuse(host, *vip, false);
                if self.hosts[host].server.up() {
                    self.hosts[host].server.read_only = false;
                }
            }
            Act::Open { vip, .. } => {
                self.take_down(host, *vip);
                if self.hosts[host].server.up() {
                    self.hosts[host].server.read_only = true;
                }
            }
            Act::Fence { vips } => {
                for vip in vips {
                    self.take_down(host, *vip);
                }
                return ActResult::Fenced { safe: false, gone: true, ended: false, trouble: why };
            }
            _ => {}
        }
        let blockers: Vec<Blocker> = self.hosts[host].server.longest(us).into_iter().collect();
        ActResult::Failed { why, blockers }
    }
}

fn too_late() -> ActResult {
    failed("the grant is as good as over".to_owned())
}

fn failed(why: String) -> ActResult {
    ActResult::Failed { why, blockers: Vec::new() }
}
