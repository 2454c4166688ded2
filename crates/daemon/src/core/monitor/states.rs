//! The six host states: walking the table of transitions, what a change of state brings with it,
//! flapping, and the end of WAIT. Which transition there is, and why, is in `table`.

use mmm_proto::event::Level;
use mmm_proto::view::FlapsView;
use mmm_proto::{Check, HostState, MonitorMode, Span, Time};

use super::Monitor;
use super::failover::PAUSE;
use super::pass::Pass;
use crate::core::bugs::{Bug, bug};

impl Monitor {
    /// One transition a host and pass, first matching row wins. A pass sees what it changed itself.
    pub(super) fn judge_states(&mut self) {
        let writer = self.writer();
        for host in 0..self.hosts.len() {
            let pass = Pass::of(self, host, writer);
            let row = pass.row();
            let change = row.and_then(|row| row.to.map(|to| (to, (row.why)(&pass))));
            self.hosts[host].row = row.map(|row| row.number);
            if let Some((to, why)) = change {
                self.set_state(host, to, &why, None);
            }
        }
        self.leave_wait();
    }

    /// The number of the row of [`super::ROWS`] that held for a host in the latest pass.
    pub fn row_of(&self, host: usize) -> Option<&'static str> {
        self.hosts.get(host).and_then(|host| host.row)
    }

    pub(super) fn set_state(&mut self, host: usize, to: HostState, why: &str, by: Option<&str>) {
        let from = self.hosts[host].state;
        let now = self.now.boot;
        let record = &mut self.hosts[host];
        (record.before, record.state, record.since) = (Some(from), to, now);
        why.clone_into(&mut record.why);
        record.online_since = (to == HostState::Online).then_some(now);
        // However it came back: the mark is for hosts that are out.
        record.flapping &= to != HostState::Online;
        if to == HostState::HardOffline {
            for check in [Check::Ping, Check::Mysql] {
                let check = &mut record.checks[check.index()];
                if check.failing {
                    check.condemn(why, now, self.now.wall);
                }
            }
        }
        // What stood in the way of a failover may be gone.
        self.retry_at = self.retry_at.min(now + PAUSE);
        self.decide();
        let level = match to {
            HostState::HardOffline | HostState::ReplicationFail | HostState::ReplicationDelay => {
                Level::Warn
            }
            _ => Level::Info,
        };
        let name = self.name(host);
        self.event_by(level, &name, &format!("{from} -> {to}"), why, by);
        if from == HostState::Online && to != HostState::AdminOffline {
            self.count_flap(host);
        }
        let keeps = matches!(self.mode, MonitorMode::Manual | MonitorMode::Wait)
            && !bug(Bug::ManualTakes)
            && to != HostState::AdminOffline;
        let passive = self.mode == MonitorMode::Passive && !bug(Bug::PassiveActs);
        if to != HostState::Online && !keeps && !passive {
            self.drop_roles(host, &format!("{name} is {to}"));
        }
    }

    fn count_flap(&mut self, host: usize) {
        let (limit, window) = (self.top.timing.flap_count, self.top.timing.flap_duration);
        let now = self.now.boot;
        let record = &mut self.hosts[host];
        if limit == 0 {
            return;
        }
        if record.flap_window.is_none_or(|opened| now.since(opened) > window) {
            (record.flap_window, record.flaps) = (Some(now), 1);
            return;
        }
        record.flaps += 1;
        if record.flaps > limit {
            (record.flapping, record.flaps, record.flap_window) = (true, 0, None);
            let name = self.name(host);
            let why = format!("it dropped from ONLINE {} times within {window}", limit + 1);
            self.event(Level::Warn, &name, "is flapping", &why);
        }
    }

    /// How often a host dropped of late, for people.
    pub(super) fn flaps_view(&self, host: usize) -> Option<FlapsView> {
        let (limit, window) = (self.top.timing.flap_count, self.top.timing.flap_duration);
        let record = &self.hosts[host];
        let open = |opened: &Time| self.now.boot.since(*opened) <= window;
        let first = record.flap_window.filter(open).filter(|_| !record.flapping);
        let first = first.map(|opened| self.now.wall_of(opened));
        let drops = if record.flapping { limit + 1 } else { record.flaps };
        (record.flapping || first.is_some()).then_some(FlapsView {
            drops,
            first,
            limit,
            window,
            flapping: record.flapping,
        })
    }

    /// WAIT ends when both masters are there, or one has been there for `wait_for_other_master`.
    fn leave_wait(&mut self) {
        if self.mode != MonitorMode::Wait {
            return;
        }
        let masters = &self.top.roles[self.top.writer].hosts;
        let why = if masters.iter().all(|host| self.hosts[*host].state == HostState::Online) {
            "every master is ONLINE".to_owned()
        } else if self.wait_over().is_some_and(|over| over <= self.now.boot) {
            let patience = self.top.timing.wait_for_other_master;
            format!("one master has been ONLINE for {patience}")
        } else {
            return;
        };
        self.set_mode(MonitorMode::Active, &why, None);
        self.clear_roles();
    }

    /// When WAIT ends even if the other master does not come: counted from the master that has been
    /// ONLINE for longest. None in other modes, while none is, and when it is to last for ever.
    pub(super) fn wait_over(&self) -> Option<Time> {
        let patience = self.top.timing.wait_for_other_master;
        let masters = &self.top.roles[self.top.writer].hosts;
        let online = masters.iter().map(|host| &self.hosts[*host]);
        let online = online.filter(|host| host.state == HostState::Online);
        let since = online.filter_map(|host| host.online_since).min()?;
        (self.mode == MonitorMode::Wait && patience > Span::ZERO).then(|| since + patience)
    }

    /// Takes the roles from hosts that kept them although they are out: all of those in ACTIVE, in
    /// the other modes what an operator set offline.
    pub(super) fn clear_roles(&mut self) {
        for host in 0..self.hosts.len() {
            let state = self.hosts[host].state;
            let out = match self.mode {
                MonitorMode::Active => state != HostState::Online,
                MonitorMode::Manual | MonitorMode::Wait => state == HostState::AdminOffline,
                MonitorMode::Passive => false,
            };
            if out {
                let why = format!("{} is {state}", self.name(host));
                self.drop_roles(host, &why);
            }
        }
    }
}
