//! Histories of which a later one is known: a host took writes under a later decision than the one
//! under which another's last transaction was written, and lacks that transaction. So the other
//! has parted, however many transactions it has. The monitor may have forgotten who took over, or
//! never have known; the hosts say themselves when they served. Histories are compared in failovers
//! only, once every survivor was asked what it has. What becomes of hosts that have parted is in
//! `parted`.

use mmm_proto::GtidPos;
use mmm_proto::event::Level;

use super::Monitor;
use super::moves::{Kind, Phase};

impl Monitor {
    /// By which survivor a host's history is outlived, if by one.
    pub(super) fn outlived_by(&self, host: usize) -> Option<usize> {
        // Before they were asked, what is known of a host may be older than its service.
        let running = self.running.as_ref().filter(|running| running.kind == Kind::Failover)?;
        if running.phase == Phase::Secure {
            return None;
        }
        let has = self.received(host)?;
        (0..self.hosts.len()).find(|later| *later != host && self.outlives(*later, &has))
    }

    /// Whether a host lacks the end of a history although it served later than whoever wrote that.
    fn outlives(&self, later: usize, has: &GtidPos) -> bool {
        let (Some(record), Some(mine)) = (self.survivor(later), self.received(later)) else {
            return false;
        };
        let served = record.served;
        if served.is_none() {
            return false;
        }
        // When somebody served who says nothing, or whose agent has lost its memory, is not known,
        // and nothing is held against that.
        let before = |server: u32| {
            let mut reports = self.hosts.iter().filter_map(super::hosts::Host::report);
            let author = reports.find(|report| report.server.server_id == server);
            author.is_some_and(|report| !report.served.is_none() && report.served < served)
        };
        let lacks = |(domain, server): (u32, u32)| {
            let certain = mine.last(domain).is_none_or(|last| {
                let theirs = has.last(domain).map_or(0, |theirs| theirs.seq);
                last.seq < theirs || (last.seq == theirs && last.server != server)
            });
            certain && before(server)
        };
        has.authors().any(lacks)
    }

    /// Whether a host was the last one to serve as the writer, by the word of all that can be that.
    /// Who is silent may have served later, and so may one that does not know and has more.
    pub(super) fn served_last(&self, host: usize) -> bool {
        let hosts = &self.top.roles[self.top.writer].hosts;
        let Some(mine) = self.hosts[host].report().filter(|mine| !mine.served.is_none()) else {
            return false;
        };
        let before = |other: usize| {
            let theirs = self.hosts[other].report().filter(|_| self.agent_answers(other));
            theirs.is_some_and(|theirs| match theirs.served.is_none() {
                true => mine.server.position.includes(&theirs.server.position),
                false => theirs.served < mine.served,
            })
        };
        hosts.contains(&host) && hosts.iter().all(|other| *other == host || before(*other))
    }

    /// What a survivor has received or applied.
    fn received(&self, host: usize) -> Option<GtidPos> {
        let server = &self.survivor(host)?.server;
        Some(server.received.union(&server.position))
    }

    fn survivor(&self, host: usize) -> Option<&mmm_proto::agent::Report> {
        let up = self.agent_answers(host) && self.hosts[host].server_up();
        self.hosts[host].report().filter(|_| up)
    }

    /// Says whose history is left aside when a host becomes the writer, and when that is its own.
    pub(super) fn tell_outlived(&mut self, to: usize) {
        for host in (0..self.hosts.len()).filter(|host| *host != to) {
            let Some(later) = self.outlived_by(host) else { continue };
            let (name, later) = (self.name(host), self.name(later));
            let at = self.received(host).unwrap_or_default();
            let why = format!(
                "its last transaction {at} is of a time before {later} last was the writer, and \
                 {later} lacks it; compare, then rebuild it from {}",
                self.name(to)
            );
            self.event(Level::Error, &name, "its history is left aside", &why);
        }
        // Better somebody than nobody; but what others were told since is not there any more.
        if let Some(later) = self.outlived_by(to) {
            let (name, later_name) = (self.name(to), self.name(later));
            let why = format!(
                "{later_name} was the writer after it and has what it lacks, but is passed over: \
                 {}; compare, then rebuild {later_name} from {name}, or the other way round",
                self.why_not_writer(later).unwrap_or_else(|| {
                    "somebody chose otherwise, or it failed just now".to_owned()
                })
            );
            self.event(Level::Error, &name, "takes over with an older history", &why);
        }
    }
}
