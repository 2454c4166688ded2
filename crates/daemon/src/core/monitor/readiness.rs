//! Who could become writer if the present one were lost now, what would be lost with it, and what
//! stands in the way. Told, not decided: who may is decided in `candidate`.

use mmm_proto::view::{Blocked, Readiness};
use mmm_proto::{Check, GtidPos, HostState, Span, Time};

use super::Monitor;

/// What is known of the writer's transactions, to be compared with every host.
struct Known {
    writer: usize,
    /// What it has, by its latest report.
    has: GtidPos,
    /// How far that can be trusted; empty when the report is fresh.
    note: String,
}

impl Monitor {
    /// The readiness of every host, in configured order.
    pub(super) fn readiness(&self) -> Vec<Readiness> {
        let candidates = self.candidates();
        let able: Vec<usize> = candidates
            .iter()
            .filter(|(host, why)| why.is_none() && !self.is_writer(*host))
            .map(|(host, _)| *host)
            .collect();
        let known = self.known_of_the_writer();
        let survivors = self.received_by_survivors(known.as_ref().ok().map(|known| known.writer));
        (0..self.hosts.len())
            .map(|host| {
                let place = able.iter().position(|able| *able == host);
                let mut ready = Readiness {
                    able: place.is_some(),
                    rank: place.and_then(|place| u32::try_from(place + 1).ok()),
                    lacks: None,
                    loss: None,
                    note: String::new(),
                    blockers: self.blockers_of(host),
                };
                if !self.is_writer(host) {
                    self.fill_loss(host, known.as_ref(), &survivors, &mut ready);
                }
                ready
            })
            .collect()
    }

    /// What the writer is known to have, or the lost one while there is none.
    fn known_of_the_writer(&self) -> Result<Known, String> {
        let vip = &self.vips[self.writer_vip()];
        let Some(writer) = vip.holder.or(vip.last) else {
            return Err("there was no writer yet".to_owned());
        };
        let name = &self.top.hosts[writer].name;
        let Some(heard) = &self.hosts[writer].heard else {
            return Err(format!("{name} has not reported what it has"));
        };
        let note = if self.agent_answers(writer) && self.hosts[writer].server_up() {
            String::new()
        } else {
            let age = self.now.boot.since(heard.at).coarse();
            format!("by what {name} last reported {age} ago; it may have more")
        };
        Ok(Known { writer, has: heard.report.server.position.clone(), note })
    }

    /// What anybody but the writer could give to a new one.
    fn received_by_survivors(&self, writer: Option<usize>) -> GtidPos {
        (0..self.hosts.len())
            .filter(|host| Some(*host) != writer)
            .filter(|host| self.agent_answers(*host) && self.hosts[*host].server_up())
            .filter_map(|host| self.hosts[host].report())
            .fold(GtidPos::default(), |all, report| {
                all.union(&report.server.received).union(&report.server.position)
            })
    }

    fn fill_loss(
        &self,
        host: usize,
        known: Result<&Known, &String>,
        survivors: &GtidPos,
        ready: &mut Readiness,
    ) {
        let known = match known {
            Ok(known) if known.writer != host => known,
            Ok(_) => {
                "it was the writer last".clone_into(&mut ready.note);
                return;
            }
            Err(why) => {
                why.clone_into(&mut ready.note);
                return;
            }
        };
        let Some(report) = self.hosts[host].report() else {
            "its agent has not reported what it received".clone_into(&mut ready.note);
            return;
        };
        let mine = report.server.received.union(&report.server.position);
        if let Some(domain) = known.has.parted_from(&mine) {
            ready.note = format!(
                "its history has parted from {}'s in domain {domain}",
                self.top.hosts[known.writer].name
            );
            return;
        }
        ready.lacks = Some(known.has.missing_from(&mine));
        ready.loss = Some(known.has.missing_from(&mine.union(survivors)));
        ready.note.clone_from(&known.note);
    }

    /// What keeps a host from becoming writer, or lets others go before it.
    pub(super) fn blockers_of(&self, host: usize) -> Vec<Blocked> {
        let name = &self.top.hosts[host].name;
        let role = &self.top.roles[self.top.writer];
        let blocked =
            |why: String, until: &str| Blocked { why, ends: None, until: until.to_owned() };
        if !role.hosts.contains(&host) {
            let hosts = self.top.names(&role.hosts);
            let why = format!("{name} is not one of the hosts of {} ({hosts})", role.name);
            return vec![blocked(why, "the configuration is changed")];
        }
        if self.is_writer(host) {
            return vec![blocked(format!("{name} is the writer"), "")];
        }
        if let Some(why) = self.why_not_writer(host) {
            let online = self.hosts[host].state == HostState::Online;
            let until = if online { String::new() } else { self.what_ends(host) };
            let ends = self.state_ends(host).map(|at| self.now.wall_of(at));
            return vec![Blocked { why, ends, until }];
        }
        let now = self.now.boot;
        let avoided = self.avoided.iter().find(|(avoided, until)| *avoided == host && now < *until);
        avoided.map_or(Vec::new(), |(_, until)| {
            let why = format!("{name} lately failed to become writer: others are tried first");
            vec![Blocked { why, ends: Some(self.now.wall_of(*until)), until: String::new() }]
        })
    }

    /// When the present state of a host ends by time alone, if it does.
    fn state_ends(&self, host: usize) -> Option<Time> {
        let record = &self.hosts[host];
        let timing = &self.top.timing;
        let auto = timing.auto_set_online;
        let well = Check::ALL.into_iter().all(|check| record.good(check));
        if record.state != HostState::AwaitingRecovery
            || auto == Span::ZERO
            || !well
            || self.may_have_parted(host)
        {
            return None;
        }
        let wait = if record.flapping { timing.flap_duration } else { auto };
        Some(record.since + wait)
    }
}
