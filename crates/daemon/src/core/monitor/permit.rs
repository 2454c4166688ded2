//! Whether what a person asks for may be done now, and if not, why. Each reason is written once,
//! here or in `candidate`.

use mmm_proto::console::{Refusal, RefusalCode};
use mmm_proto::{Check, HostName, HostState, MonitorMode, RoleMode, RoleName, Verb};

use super::{Monitor, refuse};

impl Monitor {
    /// Whether a verb may be run now; the reason when not.
    pub(super) fn permit(&self, verb: &Verb) -> Result<(), Refusal> {
        if !verb.acts() {
            return Ok(());
        }
        let held = self.held();
        if !held.is_empty() {
            return Err(refuse(RefusalCode::State, format!("decisions are held: {held}")));
        }
        self.permit_beside_the_move(verb)?;
        match verb {
            Verb::SetOnline { host } => self.permit_online(self.host_of(host)?),
            Verb::SetOffline { host } => self.permit_offline(self.host_of(host)?),
            Verb::MoveRole { role, host, force, kill } => {
                if self.mode == MonitorMode::Passive {
                    let reason = "This command is not allowed in passive mode.";
                    return Err(refuse(RefusalCode::State, reason));
                }
                self.permit_move(self.role_of(role)?, self.host_of(host)?, *force, *kill)
            }
            Verb::SetIp { ip, host } => self.permit_ip(*ip, host),
            Verb::SetActive | Verb::SetManual if self.cause.starts_with("superseded") => {
                Err(refuse(
                    RefusalCode::State,
                    format!("{}; stop one of the two monitors, then restart this one", self.cause),
                ))
            }
            _ => Ok(()),
        }
    }

    /// What touches the running move waits for its end; everything else does not.
    fn permit_beside_the_move(&self, verb: &Verb) -> Result<(), Refusal> {
        let Some(running) = &self.running else {
            return Ok(());
        };
        let touches = match verb {
            Verb::SetOffline { host } => {
                let host = self.top.host(host);
                host.is_some() && [running.from, running.to, self.writer()].contains(&host)
            }
            Verb::MoveRole { role, .. } => self.top.role(role) == Some(self.top.writer),
            _ => false,
        };
        if !touches {
            return Ok(());
        }
        let reason = format!("plan {} runs: {}", running.progress.plan, running.progress.title);
        Err(refuse(RefusalCode::Busy, reason))
    }

    fn permit_online(&self, host: usize) -> Result<(), Refusal> {
        let record = &self.hosts[host];
        let name = &self.top.hosts[host].name;
        if !matches!(record.state, HostState::AdminOffline | HostState::AwaitingRecovery) {
            let reason = format!(
                "Host '{name}' is '{}' at the moment. It can't be switched to ONLINE.",
                record.state
            );
            return Err(refuse(RefusalCode::State, reason));
        }
        for check in [Check::Ping, Check::Mysql] {
            if !record.good(check) {
                let message = &record.checks[check.index()].message;
                let reason = format!("Check '{check}' of host '{name}' is not OK: {message}");
                return Err(refuse(RefusalCode::Unreachable, reason));
            }
        }
        self.permit_beside_the_peer(host)?;
        self.need_agent(host)
    }

    /// The original lets no host in while the replication of its ONLINE peer is bad. Not where the
    /// peer is the writer: that follows nobody who is out, so it could never end.
    fn permit_beside_the_peer(&self, host: usize) -> Result<(), Refusal> {
        let online =
            |peer: &usize| self.hosts[*peer].state == HostState::Online && !self.is_writer(*peer);
        let Some(peer) = self.top.hosts[host].peer.filter(online) else {
            return Ok(());
        };
        for check in [Check::RepThreads, Check::RepBacklog] {
            let state = &self.hosts[peer].checks[check.index()];
            if state.good == Some(false) {
                let reason = format!(
                    "Some replication checks failed on peer '{}'. We can't set '{}' online now. Please, \
                     wait some time. ({check}: {})",
                    self.top.hosts[peer].name, self.top.hosts[host].name, state.message
                );
                return Err(refuse(RefusalCode::State, reason));
            }
        }
        Ok(())
    }

    fn permit_offline(&self, host: usize) -> Result<(), Refusal> {
        let record = &self.hosts[host];
        let name = &self.top.hosts[host].name;
        // The original refused where a host waits: nobody could rebuild one that has parted without
        // its agent setting up replication under his hands, or keep it from coming back by itself.
        if !matches!(
            record.state,
            HostState::Online
                | HostState::ReplicationFail
                | HostState::ReplicationDelay
                | HostState::AwaitingRecovery
        ) {
            let reason = format!(
                "Host '{name}' is '{}' at the moment. It can't be switched to ADMIN_OFFLINE.",
                record.state
            );
            return Err(refuse(RefusalCode::State, reason));
        }
        self.need_agent(host)?;
        if self.is_writer(host) && self.mode == MonitorMode::Passive {
            let reason = format!(
                "Host '{name}' is the writer, and in passive mode nothing is moved. Leave it first \
                 (set_active, set_manual)."
            );
            return Err(refuse(RefusalCode::State, reason));
        }
        if self.is_writer(host) && self.successor(host).is_none() {
            let reasons: Vec<String> = self
                .candidates()
                .into_iter()
                .filter(|(candidate, _)| *candidate != host)
                .filter_map(|(_, why)| why)
                .collect();
            let reason = format!(
                "Host '{name}' is the writer and no other host can take over: {}",
                reasons.join("; ")
            );
            return Err(refuse(RefusalCode::State, reason));
        }
        Ok(())
    }

    fn permit_move(
        &self,
        role: usize,
        host: usize,
        force: bool,
        kill: bool,
    ) -> Result<(), Refusal> {
        let spec = &self.top.roles[role];
        if spec.mode == RoleMode::Balanced && !force {
            return self.permit_member(role, host);
        }
        if force {
            return self.permit_force(role, host);
        }
        let state = self.hosts[host].state;
        if state != HostState::Online {
            let reason = format!(
                "Can't move role to host with state '{state}'. It should be ONLINE. ({})",
                self.hosts[host].why
            );
            return Err(refuse(RefusalCode::State, reason));
        }
        self.permit_member(role, host)?;
        self.need_agent(host)?;
        if let Some(preferred) =
            self.on_preferred_host(role).filter(|_| self.mode == MonitorMode::Active)
        {
            let reason = format!(
                "Role '{}' is assigned to preferred host '{}'. Can't move it! (In active mode it would \
                 return by itself; set_manual first.)",
                spec.name, self.top.hosts[preferred].name
            );
            return Err(refuse(RefusalCode::State, reason));
        }
        if role != self.top.writer {
            return Ok(());
        }
        match self.writer().filter(|from| *from != host) {
            Some(from) if self.writer_gone().is_none() => {
                if let Some(alone) = self.alone_blocked(from) {
                    let reason = format!("{}, until {}", alone.why, alone.until);
                    return Err(refuse(RefusalCode::State, reason));
                }
                self.examine_move(from, host, kill).refusal.map_or(Ok(()), Err)
            }
            Some(_) => {
                let why = self.why_not_writer(host);
                why.map_or(Ok(()), |why| Err(refuse(RefusalCode::State, why)))
            }
            None => Ok(()),
        }
    }

    /// Whether the role may be on that host at all.
    fn permit_member(&self, role: usize, host: usize) -> Result<(), Refusal> {
        let spec = &self.top.roles[role];
        if spec.hosts.contains(&host) {
            return Ok(());
        }
        let reason = format!(
            "Role '{}' can't be moved to host '{}'. Following hosts are possible: {}",
            spec.name,
            self.top.hosts[host].name,
            self.top.names(&spec.hosts)
        );
        Err(refuse(RefusalCode::Role, reason))
    }

    fn permit_force(&self, role: usize, host: usize) -> Result<(), Refusal> {
        if role != self.top.writer {
            let reason = format!(
                "Only the active master role '{}' can be forced.",
                self.top.roles[self.top.writer].name
            );
            return Err(refuse(RefusalCode::Role, reason));
        }
        let state = self.hosts[host].state;
        // A host that is ONLINE needs no force, unless the writer may hold on alone.
        let trusted = state == HostState::Online && self.alone().is_some_and(|from| from != host);
        if !trusted && !matches!(state, HostState::ReplicationFail | HostState::ReplicationDelay) {
            let reason = format!(
                "Can't force role to host with state '{state}'. It should be REPLICATION_FAIL or \
                 REPLICATION_DELAY."
            );
            return Err(refuse(RefusalCode::State, reason));
        }
        self.permit_member(role, host)?;
        self.need_agent(host)
    }

    fn permit_ip(&self, ip: std::net::IpAddr, host: &HostName) -> Result<(), Refusal> {
        if self.mode != MonitorMode::Passive {
            let reason = "This command is only allowed in passive mode.";
            return Err(refuse(RefusalCode::State, reason));
        }
        let Some(vip) = self.vips.iter().find(|vip| vip.ip == ip) else {
            return Err(refuse(
                RefusalCode::Unknown,
                format!("The IP '{ip}' is not a VIP of any role."),
            ));
        };
        let host = self.host_of(host)?;
        let role = &self.top.roles[vip.role];
        let name = &self.top.hosts[host].name;
        if !role.hosts.contains(&host) {
            let reason = format!(
                "Host '{name}' can't handle role '{}'. Following hosts are possible: {}",
                role.name,
                self.top.names(&role.hosts)
            );
            return Err(refuse(RefusalCode::Role, reason));
        }
        let state = self.hosts[host].state;
        if state != HostState::Online {
            let reason = format!("Host '{name}' has state '{state}'. It should be ONLINE.");
            return Err(refuse(RefusalCode::State, reason));
        }
        Ok(())
    }

    fn need_agent(&self, host: usize) -> Result<(), Refusal> {
        if self.agent_answers(host) {
            return Ok(());
        }
        let reason = format!(
            "Can't reach agent daemon on '{}'! {}",
            self.top.hosts[host].name,
            self.agent_trouble(host)
        );
        Err(refuse(RefusalCode::Unreachable, reason))
    }

    /// Who would take over when this host, the writer, is set offline.
    pub(super) fn successor(&self, host: usize) -> Option<usize> {
        if !self.is_writer(host) {
            return None;
        }
        self.candidates()
            .into_iter()
            .find(|(candidate, why)| *candidate != host && why.is_none())
            .map(|(candidate, _)| candidate)
    }

    pub(super) fn host_of(&self, name: &HostName) -> Result<usize, Refusal> {
        self.top
            .host(name)
            .ok_or_else(|| refuse(RefusalCode::Unknown, format!("Unknown host name '{name}'!")))
    }

    pub(super) fn role_of(&self, name: &RoleName) -> Result<usize, Refusal> {
        self.top
            .role(name)
            .ok_or_else(|| refuse(RefusalCode::Unknown, format!("Unknown role name '{name}'!")))
    }
}
