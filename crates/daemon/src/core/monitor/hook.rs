//! The kill-host hook: a program of the operator's that cuts a host off for certain. It is asked
//! for when a host that lost the writer role cannot be told so. Its success ends the host's claims
//! at once (design, section 6.2 c); its failure changes nothing, the claims run out by themselves.

use mmm_proto::event::Level;
use mmm_proto::{Check, MonitorMode, Span, Time};

use super::vips::Claim;
use super::{Effect, Monitor};

/// How much longer than its limit an answer may take: the shell kills the program at the limit.
const ANSWER_GRACE: Span = Span::secs(1);

/// A grant with less time left is waited for: the program takes as long, and the host keeps its
/// power.
const WORTH: Span = Span::secs(1);

/// One run of the hook. It is kept until the host is heard again, so that there is at most one for
/// each loss of a host.
#[derive(Debug, Clone)]
pub(super) struct Hook {
    pub host: usize,
    pub asked: Time,
    /// Its end has not come yet.
    pub running: bool,
}

impl Monitor {
    /// Asks for the hook where it is due, and gives up one that never answered.
    pub(super) fn mind_hooks(&mut self) {
        let Some(limit) = self.top.kill_host else {
            return;
        };
        let now = self.now.boot;
        let late = |hook: &&Hook| hook.running && now.since(hook.asked) > limit + ANSWER_GRACE;
        if let Some(host) = self.hooks.iter().find(late).map(|hook| hook.host) {
            self.take_hooked(host, false, &format!("no answer within {limit}"));
        }
        for index in (0..self.hooks.len()).rev() {
            if !self.hooks[index].running && self.came_back(&self.hooks[index]) {
                self.hooks.remove(index);
            }
        }
        // The monitor promised to do nothing.
        if self.mode == MonitorMode::Passive {
            return;
        }
        // A grant that is over needs no hook any more, unless its host may go on by a promise of
        // which nobody can be asked: those who can be answer at once.
        let vip = &self.vips[self.writer_vip()];
        let alone = self.alone();
        let counts = |claim: &&Claim| {
            let asked = claim.over.max(vip.since) + WORTH;
            // Of one that goes on alone there is no end to wait for.
            let worth = now + WORTH <= claim.over || now > asked || alone == Some(claim.host);
            claim.is_news() && worth
        };
        let claims = &vip.claims;
        let untold = claims.iter().filter(counts).map(|claim| claim.host);
        let due: Vec<usize> = untold
            .filter(|host| !self.agent_answers(*host))
            .filter(|host| self.hooks.iter().all(|hook| hook.host != *host))
            .collect();
        for host in due {
            self.run_hook(host, limit);
        }
    }

    fn run_hook(&mut self, host: usize, limit: Span) {
        let ping = self.hosts[host].good(Check::Ping);
        self.hooks.push(Hook { host, asked: self.now.boot, running: true });
        self.out.push(Effect::RunHook { host, ping, limit });
        let name = self.name(host);
        let why = format!("it must not be writer any more, and {}", self.agent_trouble(host));
        self.event(Level::Warn, &name, "kill_host_bin is run", &why);
    }

    /// The hook ended, or could not be run.
    pub(super) fn take_hooked(&mut self, host: usize, ok: bool, why: &str) {
        let Some(index) = self.hooks.iter().position(|hook| hook.host == host && hook.running)
        else {
            return;
        };
        let name = self.name(host);
        self.hooks[index].running = false;
        if self.came_back(&self.hooks[index]) {
            // What it says is of a time before the host was heard again.
            self.hooks.remove(index);
            let why = format!("{name} was heard meanwhile, so its word counts: {why}");
            self.event(Level::Warn, &name, "the end of kill_host_bin is ignored", &why);
            return;
        }
        if !ok {
            let left = self.claim_left(host);
            let why = format!("{why}; nobody else becomes writer before its grant is over{left}");
            self.event(Level::Error, &name, "kill_host_bin failed", &why);
            return;
        }
        for vip in &mut self.vips {
            vip.claims.retain(|claim| claim.host != host || claim.taken.is_none());
        }
        self.decide();
        let why = if why.is_empty() { "" } else { why };
        self.event(Level::Warn, &name, "kill_host_bin cut it off, its grant counts no more", why);
    }

    /// `, in 2.1 s at the latest`; nothing when it is over.
    fn claim_left(&self, host: usize) -> String {
        let claim = self.vips[self.writer_vip()].claim_of(host);
        claim.map_or(String::new(), |claim| {
            format!(", in {} at the latest", claim.over.since(self.now.boot))
        })
    }

    /// Whether the host was heard since the hook was asked for.
    fn came_back(&self, hook: &Hook) -> bool {
        self.hosts[hook.host].heard.as_ref().is_some_and(|heard| heard.at > hook.asked)
    }

    /// Whether the hook runs for a host just now.
    pub(super) fn hook_runs(&self, host: usize) -> bool {
        self.hooks.iter().any(|hook| hook.host == host && hook.running)
    }
}
