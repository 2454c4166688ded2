//! Transactions: a client that writes through the VIP, replication, acknowledgements.

use super::World;
use crate::sim::due::Due;
use crate::sim::server::State;

/// Between two attempts of a receiver to connect.
const RECONNECT: u64 = 1_000_000;

impl World {
    /// Clients on every side of every cut write wherever a write is taken.
    pub(super) fn write(&mut self) {
        self.queue.push(self.us + self.write_every, Due::Write);
        if !self.writing {
            return;
        }
        for host in 0..self.hosts.len() {
            if !self.hosts[host].accepts(self.us) {
                continue;
            }
            let runs = &mut self.runs;
            let server = &mut self.hosts[host].server;
            let run = *server.run.get_or_insert_with(|| {
                *runs += 1;
                *runs
            });
            server.write(run);
            server.sessions = 5;
            if !self.config.semi_sync {
                let upto = server.applied;
                self.watch.acknowledged(&self.hosts[host].server.log, upto);
            }
            self.tell_replicas(host);
        }
    }

    /// Whoever replicates from there hears of news, mostly before anything else happens.
    fn tell_replicas(&mut self, source: usize) {
        for host in 0..self.hosts.len() {
            let server = &self.hosts[host].server;
            if host != source && server.source == Some(source) && server.io {
                if self.arrives_at_once(source, host) {
                    self.hosts[host].pull_at = self.us;
                    self.pull(host);
                    continue;
                }
                let takes = self.net.takes(&mut self.draw, source, host);
                self.pull_soon(host, takes);
            }
        }
    }

    pub(super) fn pull_soon(&mut self, host: usize, takes: u64) {
        let at = self.us + takes;
        if at < self.hosts[host].pull_at {
            self.hosts[host].pull_at = at;
            self.queue.push(at, Due::Pull { host });
        }
    }

    pub(super) fn pull(&mut self, host: usize) {
        let us = self.us;
        if self.hosts[host].pull_at > us {
            return;
        }
        self.hosts[host].pull_at = u64::MAX;
        let server = &self.hosts[host].server;
        let Some(source) = server.source.filter(|_| server.up() && server.io) else {
            self.hosts[host].server.connected = false;
            return;
        };
        if !self.hosts[host].runs() {
            return;
        }
        let reaches = self.passes(host, source) && self.passes(source, host);
        if !reaches || !self.hosts[source].server.up() {
            // A process that is gone is noticed at once, silence only much later.
            if reaches && self.hosts[source].server.state == State::Gone {
                self.hosts[host].server.connected = false;
            }
            return self.pull_soon(host, RECONNECT);
        }
        let theirs = std::mem::take(&mut self.hosts[source].server.log);
        let upto = self.hosts[source].server.applied;
        let came = self.hosts[host].server.receive(us, &theirs, upto);
        // Without the address nothing leaves the host any more, not even for a session that lives.
        let answers = self.hosts[source].has_vip(0, us);
        let waits = self.config.semi_sync && self.hosts[source].server.sessions > 0;
        let acknowledges = came && waits && answers;
        if acknowledges {
            let got = self.hosts[host].server.log.same(&theirs);
            self.watch.acknowledged(&theirs, got.min(upto));
        }
        self.hosts[source].server.log = theirs;
        if came {
            self.apply_soon(host);
        }
    }

    /// The applier gets at what came: mostly before anything else happens.
    pub(super) fn apply_soon(&mut self, host: usize) {
        if self.draw.chance(3, 4) {
            return self.apply_now(host);
        }
        let takes = self.draw.between(500, 4_000);
        self.apply_at(host, self.us + takes);
    }

    fn apply_at(&mut self, host: usize, at: u64) {
        if at < self.hosts[host].apply_at {
            self.hosts[host].apply_at = at;
            self.queue.push(at, Due::Apply { host });
        }
    }

    pub(super) fn apply(&mut self, host: usize) {
        let us = self.us;
        let record = &mut self.hosts[host];
        if record.apply_at > us {
            return;
        }
        record.apply_at = u64::MAX;
        self.apply_now(host);
    }

    fn apply_now(&mut self, host: usize) {
        let us = self.us;
        let record = &mut self.hosts[host];
        if !record.server.up() || !record.server.sql || !record.runs() {
            return;
        }
        let (applied, more) = record.server.apply(us);
        if let Some(at) = more {
            self.apply_at(host, at);
        }
        if applied {
            self.tell_replicas(host);
        }
    }
}
