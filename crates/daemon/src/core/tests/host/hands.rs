//! The hands of a toy host: what each act does, how long it takes, and what it leaves behind when
//! it fails.

use std::net::IpAddr;

use mmm_proto::{Span, Time};

use super::{ToyHost, Work, failed, kind};
use crate::core::agent::{Act, ActResult, Input};
use crate::core::lease::kernel_secs;
use crate::core::tests::host_index;
use crate::core::tests::server::{Process, Toy};

impl ToyHost {
    pub(super) fn begin(&mut self, now: u64, id: u64, act: Act, limit: Span) {
        self.begun.push((now, kind(&act)));
        match &act {
            Act::Freeze { vip, .. } => self.refused.push(*vip),
            Act::Fence { vips } => self.refused.extend(vips),
            _ => {}
        }
        self.works.push(Work { id, act, began: now, limit: limit.as_ms(), half: false });
    }

    pub(super) fn takes(&self, act: &Act) -> u64 {
        let word = kind(act);
        if let Some(ms) = self.slow.get(word.as_str()) {
            return *ms;
        }
        match act {
            Act::Hold { .. } | Act::Drop { .. } | Act::Look => 2,
            Act::Freeze { .. } | Act::Fence { .. } => 12,
            Act::Open { .. } | Act::Thaw { .. } => 6,
            _ => 4,
        }
    }

    pub(super) fn work(&mut self, now: u64) {
        let mut at = 0;
        while at < self.works.len() {
            let work = &self.works[at];
            let (id, act, since) = (work.id, work.act.clone(), now - work.began);
            let long = self.takes(&act);
            if !work.half && since * 2 >= long {
                self.works[at].half = true;
                self.first_half(&act);
            }
            let limit = self.works[at].limit;
            let result = if since >= long {
                self.finish(now, &act, since, limit)
            } else if since > limit + 200 {
                Some(failed(format!("no end after {since} ms")))
            } else {
                None
            };
            match result {
                Some(result) => {
                    self.works.remove(at);
                    self.inbox.push(Input::Ended { id, result });
                }
                None => at += 1,
            }
        }
    }

    pub(super) fn first_half(&mut self, act: &Act) {
        if self.failing.contains_key(kind(act).as_str()) || !self.server.up() {
            return;
        }
        match act {
            Act::Open { .. } | Act::Thaw { .. } => self.server.read_only = false,
            Act::Fence { .. } => self.server.read_only = true,
            _ => {}
        }
    }

    /// The end of an act, or nothing when it has to go on.
    pub(super) fn finish(
        &mut self,
        now: u64,
        act: &Act,
        since: u64,
        limit: u64,
    ) -> Option<ActResult> {
        if let Some(why) = self.failing.get(kind(act).as_str()).cloned() {
            return Some(self.end_badly(act, why));
        }
        let up = self.server.up();
        if !up
            && !matches!(act, Act::Fence { .. } | Act::Hold { .. } | Act::Drop { .. } | Act::Look)
        {
            return Some(self.end_badly(act, "the server does not answer".to_owned()));
        }
        Some(match act {
            Act::Open { vip, until } => {
                self.server.read_only = false;
                self.refused.retain(|refused| refused != vip);
                self.put_up(now, *vip, *until);
                ActResult::Done
            }
            Act::Thaw { vip } => {
                self.server.read_only = false;
                self.refused.retain(|refused| refused != vip);
                ActResult::Done
            }
            Act::Freeze { grace, kill, .. } => {
                if self.server.blocks && !kill {
                    if since < grace.as_ms() {
                        return None;
                    }
                    return Some(self.end_badly(act, "held up by an open transaction".to_owned()));
                }
                self.server.read_only = true;
                let killed = std::mem::take(&mut self.server.sessions);
                (self.server.blocks, self.server.blocker_since) = (false, None);
                let at = self.server.position();
                ActResult::Frozen { at, killed }
            }
            Act::Fence { vips } => {
                let silent = self.server.process == Process::Silent;
                if up {
                    self.server.read_only = true;
                    self.server.sessions = 0;
                }
                self.vips.retain(|vip, _| !vips.contains(vip));
                ActResult::Fenced {
                    safe: !silent,
                    gone: true,
                    ended: false,
                    trouble: if silent { "no answer".to_owned() } else { String::new() },
                }
            }
            Act::ReadOnly => {
                self.server.read_only = true;
                ActResult::Done
            }
            Act::Hold { vip, until } => {
                if !self.vips.contains_key(vip) {
                    self.refused.retain(|refused| refused != vip);
                }
                self.put_up(now, *vip, *until);
                ActResult::Done
            }
            Act::Drop { vip } => {
                self.vips.remove(vip);
                ActResult::Done
            }
            Act::Look => ActResult::Looked(Box::new(self.server.facts(now))),
            Act::StopReplication => {
                (self.server.io, self.server.sql) = (false, false);
                ActResult::Done
            }
            Act::Follow { from } => {
                self.server.follow(host_index(from));
                ActResult::Done
            }
            Act::Fetch { from, to } => {
                self.server.follow(host_index(from));
                return self.reached(since, limit, |toy| toy.position().includes(to));
            }
            Act::CatchUp { to } => {
                return self.reached(since, limit, |toy| toy.position().includes(to));
            }
            Act::Drain => {
                self.server.io = false;
                let end = self.reached(since, limit, |toy| toy.relay.is_empty());
                if matches!(end, Some(ActResult::Reached { .. })) {
                    // As the agent does: it stops both.
                    self.server.sql = false;
                }
                return end;
            }
        })
    }

    /// The kernel gets whole seconds of what is left when it is asked.
    pub(super) fn put_up(&mut self, now: u64, vip: IpAddr, until: Time) {
        let secs = kernel_secs(until, Time(now + self.clock));
        if secs > 0 {
            self.vips.insert(vip, now + u64::from(secs) * 1000);
        }
    }

    pub(super) fn reached(
        &self,
        since: u64,
        limit: u64,
        done: impl Fn(&Toy) -> bool,
    ) -> Option<ActResult> {
        if done(&self.server) {
            let at = self.server.position();
            Some(ActResult::Reached { at })
        } else if !self.server.sql {
            Some(failed("the applier is stopped".to_owned()))
        } else if since >= limit {
            Some(failed(format!("not reached within {limit} ms")))
        } else {
            None
        }
    }

    /// What a failed act leaves behind: a freeze is undone, an open too, a fence drops the VIP all
    /// the same.
    pub(super) fn end_badly(&mut self, act: &Act, why: String) -> ActResult {
        match act {
            Act::Freeze { vip, .. } => self.refused.retain(|refused| refused != vip),
            Act::Open { vip, .. } => {
                self.vips.remove(vip);
                self.server.read_only = true;
            }
            Act::Fence { vips } => {
                self.vips.retain(|vip, _| !vips.contains(vip));
                return ActResult::Fenced { safe: false, gone: true, ended: false, trouble: why };
            }
            _ => {}
        }
        let blockers = self.server.facts(0).longest.into_iter().collect();
        ActResult::Failed { why, blockers }
    }
}
