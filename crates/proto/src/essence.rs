//! What of a picture people wait for. Everything else in it (ages, lags, positions, counters) may
//! come a second later: monitor and console both go by this, so that a still cluster costs next to
//! nothing.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::mem::discriminant;

use crate::plan::Progress;
use crate::view::{ClusterView, HostView};

impl ClusterView {
    /// A number that changes when something happened that people wait for: a state, a role, the
    /// mode, a check, a server, a plan's progress. Not when only time passed, and not with each
    /// report of a busy server. It is of use within one process only.
    pub fn essence(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        (self.term, self.last_event, self.mode.word(), &self.held).hash(&mut hash);
        discriminant(&self.writer.state).hash(&mut hash);
        (&self.writer.host, self.attention.len()).hash(&mut hash);
        self.hosts.iter().for_each(|host| essential(host, &mut hash));
        for vip in self.roles.iter().flat_map(|role| &role.vips) {
            (&vip.ip, &vip.host, &vip.seen_on).hash(&mut hash);
        }
        self.running.is_some().hash(&mut hash);
        self.running.iter().chain(&self.last).for_each(|plan| progress(plan, &mut hash));
        hash.finish()
    }
}

fn essential(host: &HostView, hash: &mut DefaultHasher) {
    (&host.name, host.state, host.agent.reachable, &host.agent.duty).hash(hash);
    host.peers.heard_by.is_empty().hash(hash);
    host.checks.iter().for_each(|check| discriminant(&check.verdict).hash(hash));
    let server = &host.server;
    (discriminant(&server.reach), server.read_only).hash(hash);
    // Whether it is known, not how much it is.
    discriminant(&host.lag).hash(hash);
    if let Some(replication) = &server.replication {
        (discriminant(&replication.io), discriminant(&replication.sql)).hash(hash);
        (&replication.source, &replication.error).hash(hash);
    }
}

fn progress(plan: &Progress, hash: &mut DefaultHasher) {
    (plan.plan, discriminant(&plan.outcome)).hash(hash);
    // Its time runs before the eyes of whoever waits for it.
    plan.took.as_ms().hash(hash);
    plan.steps.iter().for_each(|step| discriminant(&step.state).hash(hash));
}
