//! What `--check` prints: every value that will be used, defaults marked, secrets as stars.

use std::fmt::Write as _;
use std::path::Path;

use super::Program;
use super::model::{Account, CheckTimes, Config, Host, Monitor, Role};
use super::secret::Secret;
use super::words::Span;

/// Every value that the program will use, one a line, `(default)` behind those that no file gives.
pub fn describe(config: &Config, program: Program) -> String {
    let mut page = Page { config, text: String::new(), head: String::new(), rows: Vec::new() };
    page.top(program);
    page.monitor(&config.monitor);
    if program != Program::Control {
        page.moving();
        for host in &config.hosts {
            page.host(host);
        }
        for role in &config.roles {
            page.role(role);
        }
        let checks = &config.checks;
        page.check("ping", &checks.ping);
        page.check("mysql", &checks.mysql);
        page.check("rep_threads", &checks.rep_threads);
        page.check("rep_backlog", &checks.rep_backlog);
    }
    page.text
}

/// One section at a time: rows are gathered, then written with their signs aligned.
struct Page<'c> {
    config: &'c Config,
    text: String,
    head: String,
    rows: Vec<(String, String, bool)>,
}

impl Page<'_> {
    fn row(&mut self, key: &str, value: impl ToString) {
        let path =
            if self.head.is_empty() { key.to_owned() } else { format!("{}.{key}", self.head) };
        self.rows.push((key.to_owned(), value.to_string(), self.config.is_given(&path)));
    }

    fn span(&mut self, key: &str, span: Span) {
        self.row(key, humantime::format_duration(span.into()));
    }

    fn path(&mut self, key: &str, path: Option<&Path>, none: &str) {
        self.row(key, path.map_or_else(|| none.to_owned(), |path| path.display().to_string()));
    }

    fn secret(&mut self, key: &str, secret: Option<&Secret>) {
        let file = format!("{key}_file");
        let path = if self.head.is_empty() { file } else { format!("{}.{file}", self.head) };
        match secret {
            Some(secret) if secret.is_empty() && self.config.is_given(&path) => {
                self.rows.push((key.to_owned(), "in a file, not read here".to_owned(), true));
            }
            Some(secret) if self.config.is_given(&path) => {
                self.rows.push((key.to_owned(), format!("{secret} (from a file)"), true));
            }
            Some(secret) if !secret.is_empty() => self.row(key, secret),
            _ => self.row(key, "none"),
        }
    }

    fn account(&mut self, whose: &str, account: &Account) {
        let user = if account.user.is_empty() { "none" } else { &account.user };
        self.row(&format!("{whose}_user"), user);
        self.secret(&format!("{whose}_password"), Some(&account.password));
    }

    /// Writes the gathered rows under the heading and begins the next section.
    fn end(&mut self) {
        if !self.head.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(self.text, "\n[{}]\n", self.head);
        }
        let width = self.rows.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
        for (key, value, given) in self.rows.drain(..) {
            let mark = if given { "" } else { "  (default)" };
            let _ = writeln!(self.text, "{key:width$} = {value}{mark}");
        }
        self.head.clear();
    }

    fn begin(&mut self, head: &str) {
        head.clone_into(&mut self.head);
    }

    fn top(&mut self, program: Program) {
        let config = self.config;
        self.row("cluster", &config.cluster);
        self.secret("cluster_key", config.cluster_key.as_ref());
        self.path("log_path", config.log_path.as_deref(), "standard error");
        self.row("log_level", config.log_level.word());
        if program != Program::Control {
            self.row("active_master_role", &config.active_master_role);
            self.row("this", config.this.as_ref().map_or("none", |this| this.as_str()));
            self.path("state_path", Some(&config.state_path), "");
            self.row("insecure", config.insecure);
            self.row("fence_escalation", config.fence_escalation.word());
            self.row("isolated_writer", config.isolated_writer.word());
            self.row("deadman_event", config.deadman_event);
            self.path("watchdog_device", config.watchdog_device.as_deref(), "none");
        }
        self.end();
    }

    fn monitor(&mut self, monitor: &Monitor) {
        let never = |span: Option<Span>, word: &str| {
            span.map_or_else(
                || word.to_owned(),
                |span| humantime::format_duration(span.into()).to_string(),
            )
        };
        self.begin("monitor");
        self.row("ip", monitor.ip);
        let port = monitor.port.map_or_else(|| "none: no TCP".to_owned(), |port| port.to_string());
        self.row("port", port);
        self.path("socket", Some(&monitor.socket), "");
        self.row("socket_group", &monitor.socket_group);
        self.row("socket_mode", format!("{:04o}", monitor.socket_mode));
        self.path("status_path", Some(&monitor.status_path), "");
        self.row("ping_ips", listed(&monitor.ping_ips));
        self.span("ping_interval", monitor.ping_interval);
        self.row("auto_set_online", never(monitor.auto_set_online, "never"));
        self.row("wait_for_other_master", never(monitor.wait_for_other_master, "for ever"));
        self.span("flap_duration", monitor.flap_duration);
        let count = match monitor.flap_count {
            0 => "0: never flapping".to_owned(),
            count => count.to_string(),
        };
        self.row("flap_count", count);
        self.path("kill_host_bin", monitor.kill_host_bin.as_deref(), "none");
        self.span("kill_host_timeout", monitor.kill_host_timeout);
        self.row("careful_startup", monitor.careful_startup);
        self.row("mode", monitor.mode.to_string().to_lowercase());
        self.span("lease_ttl", monitor.lease_ttl);
        self.span("heartbeat", monitor.heartbeat);
        self.end();
    }

    fn moving(&mut self) {
        let moving = self.config.moving;
        self.begin("move");
        self.span("drain_timeout", moving.drain_timeout);
        self.span("drain_lag", moving.drain_lag);
        self.span("freeze_grace", moving.freeze_grace);
        self.span("catch_up_timeout", moving.catch_up_timeout);
        self.span("step_timeout", moving.step_timeout);
        self.span("max_transaction", moving.max_transaction);
        self.end();
    }

    fn host(&mut self, host: &Host) {
        self.begin(&format!("host.{}", host.name));
        self.row("ip", host.ip);
        self.row("mode", host.mode);
        self.row("peer", host.peer.as_ref().map_or("none", |peer| peer.as_str()));
        self.row("cluster_interface", &host.cluster_interface);
        self.row("mysql_port", host.mysql_port);
        let tcp = format!("none: TCP to {}", host.mysql_address());
        self.path("mysql_socket", host.mysql_socket.as_deref(), &tcp);
        self.path("mysql_pidfile", host.mysql_pidfile.as_deref(), "none");
        self.row("agent_port", host.agent_port);
        self.account("agent", &host.agent);
        self.account("monitor", &host.monitor);
        self.account("replication", &host.replication);
        self.end();
    }

    fn role(&mut self, role: &Role) {
        self.begin(&format!("role.{}", role.name));
        self.row("mode", role.mode);
        self.row("hosts", listed(&role.hosts));
        self.row("ips", listed(&role.ips));
        self.row("prefer", role.prefer.as_ref().map_or("none", |host| host.as_str()));
        self.end();
    }

    fn check(&mut self, name: &str, times: &CheckTimes) {
        self.begin(&format!("check.{name}"));
        self.span("check_period", times.check_period);
        self.span("trap_period", times.trap_period);
        self.span("timeout", times.timeout);
        if name == "rep_backlog" {
            self.span("max_backlog", times.max_backlog);
        }
        self.end();
    }
}

fn listed<T: ToString>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
