//! Generated clusters, written in the original's form and in TOML from one description.

use std::fmt::Write as _;

use proptest::prelude::*;

/// A cluster that both forms can say.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) hosts: Vec<(String, bool, u16)>,
    net: u8,
    readers: u8,
    times: [Option<u16>; 6],
    password: String,
    template: bool,
    include_last: bool,
    key: bool,
    debug: Option<bool>,
    mode: usize,
}

pub(crate) fn cluster() -> impl Strategy<Value = Cluster> {
    (
        proptest::collection::btree_set("[a-z][a-z0-9_-]{0,6}", 2..6),
        any::<u8>(),
        1..9_u8,
        proptest::array::uniform6(proptest::option::of(1..500_u16)),
        // What the original can say: no blank at the ends, no blank before #, no quotes around.
        "[a-zA-Z0-9$%&/()=?#'\"\\\\.-]{1,12}( [a-z0-9\"\\\\]{1,5})?",
        (any::<bool>(), any::<bool>(), any::<bool>()),
        proptest::option::of(any::<bool>()),
        0..4_usize,
    )
        .prop_map(|(names, net, readers, times, password, flags, debug, mode)| {
            let names = names.into_iter().filter(|name| name != "default").rev().enumerate();
            let hosts =
                names.map(|(at, name)| (name, at < 2, 3306 + at as u16)).collect::<Vec<_>>();
            let (template, include_last, key) = flags;
            // A secret that begins with # and a blank is a comment: not for the other form.
            let password = password.replace("# ", "#");
            Cluster {
                hosts,
                net,
                readers,
                times,
                password,
                template,
                include_last,
                key,
                debug,
                mode,
            }
        })
        .prop_filter("two masters", |cluster| cluster.hosts.len() > 1)
}

/// Writes either form: the same sections, keys and values.
struct Writer {
    toml: bool,
    text: String,
    open: String,
}

impl Writer {
    fn new(toml: bool) -> Self {
        Self { toml, text: String::new(), open: String::new() }
    }

    fn section(&mut self, word: &str, name: &str) {
        self.end();
        let _ = match (self.toml, name) {
            (true, "") => writeln!(self.text, "[{word}]"),
            (true, _) => writeln!(self.text, "[{word}.{name}]"),
            (false, "") => writeln!(self.text, "<{word}>"),
            (false, _) => writeln!(self.text, "< {word}\t{name} >\r"),
        };
        word.clone_into(&mut self.open);
    }

    fn end(&mut self) {
        if !self.open.is_empty() && !self.toml {
            let _ = writeln!(self.text, " </{}>", self.open);
        }
        self.open.clear();
    }

    fn text(&mut self, key: &str, value: &str) {
        let _ = if self.toml {
            writeln!(self.text, "{key} = {}", toml::Value::String(value.to_owned()))
        } else {
            writeln!(self.text, "\t{key}\t {value} \r")
        };
    }

    fn number(&mut self, key: &str, value: impl std::fmt::Display) {
        let sign = if self.toml { "= " } else { "" };
        let _ = writeln!(self.text, "{key} {sign}{value}");
    }

    fn list(&mut self, key: &str, items: &[String]) {
        let _ = if self.toml {
            writeln!(self.text, "{key} = {items:?}")
        } else {
            writeln!(self.text, "{key} {} ,", items.join(" , "))
        };
    }
}

impl Cluster {
    fn ip(&self, last: u8) -> String {
        format!("10.9.{}.{last}", self.net)
    }

    fn accounts(&self, to: &mut Writer) {
        to.text("cluster_interface", "eth0");
        to.text("pid_path", "/run/a.pid");
        to.text("bin_path", "/usr/lib/mmm");
        for whose in ["agent", "monitor", "replication"] {
            to.text(&format!("{whose}_user"), whose);
            to.text(&format!("{whose}_password"), &self.password);
        }
    }

    fn common(&self, to: &mut Writer) {
        to.text("active_master_role", "w");
        if self.key {
            to.text("cluster_key", "0123456789abcdef#key");
        } else if to.toml {
            to.number("insecure", true);
        }
        if self.template {
            to.section("host", "default");
            self.accounts(to);
        }
        for (at, (name, master, port)) in self.hosts.iter().enumerate() {
            to.section("host", name);
            to.text("ip", &self.ip(at as u8 + 10));
            to.text("mode", if *master { "master" } else { "slave" });
            to.number("mysql_port", port);
            if *master {
                to.text("peer", &self.hosts[1 - at].0);
            }
            if !self.template {
                self.accounts(to);
            }
        }
        let names: Vec<String> = self.hosts.iter().map(|host| host.0.clone()).collect();
        to.section("role", "w");
        to.text("mode", "exclusive");
        to.list("hosts", &names[..2]);
        to.list("ips", &[self.ip(90)]);
        to.section("role", "r");
        to.text("mode", "balanced");
        to.list("hosts", &names);
        to.list("ips", &(0..self.readers).map(|at| self.ip(100 + at)).collect::<Vec<_>>());
        to.end();
    }

    fn monitor(&self, to: &mut Writer) {
        let [auto, wait, period, trap, backlog, port] = self.times;
        to.section("monitor", "");
        to.text("ip", "127.0.0.1");
        to.text("pid_path", "/run/m.pid");
        to.text("bin_path", "/usr/lib/mmm");
        to.text("status_path", "/var/lib/m");
        to.list("ping_ips", &[self.ip(1)]);
        to.text("mode", ["active", "manual", "wait", "passive"][self.mode]);
        // What TOML has to say where the original has a default of its own.
        let said = |given: Option<u16>, default: u16| given.or(to.toml.then_some(default));
        let rows = [
            ("auto_set_online", auto),
            ("wait_for_other_master", wait),
            ("port", said(port, 9988)),
        ];
        let checks = [
            ("check_period", said(period, 5)),
            ("trap_period", said(trap, 10)),
            ("max_backlog", backlog),
        ];
        for (key, value) in rows {
            if let Some(value) = value {
                to.number(key, value);
            }
        }
        to.section("check", "default");
        for (key, value) in checks {
            if let Some(value) = value {
                to.number(key, value);
            }
        }
        to.section("check", "mysql");
        to.number("timeout", 1);
        to.end();
    }

    /// The files of one form: common, agent, monitor.
    pub(crate) fn files(&self, toml: bool) -> [(String, String); 3] {
        let ending = if toml { "toml" } else { "conf" };
        let name = |stem: &str| format!("{stem}.{ending}");
        let mut common = Writer::new(toml);
        self.common(&mut common);
        let included = |tail: &dyn Fn(&mut Writer)| {
            let mut writer = Writer::new(toml);
            let include = if toml {
                format!("include = \"{}\"\n", name("mmm_common"))
            } else {
                format!("include {}\n", name("mmm_common"))
            };
            // The original may include at either end.
            if toml || !self.include_last {
                writer.text.push_str(&include);
            }
            if let Some(debug) = self.debug {
                match toml {
                    true => writer.text("log_level", if debug { "debug" } else { "info" }),
                    false => writer.text("debug", if debug { "Yes" } else { "0" }),
                }
            }
            tail(&mut writer);
            if !toml && self.include_last {
                writer.text.push_str(&include);
            }
            writer.text
        };
        let agent = included(&|to| to.text("this", &self.hosts[0].0));
        let monitor = included(&|to| self.monitor(to));
        [(name("mmm_common"), common.text), (name("mmm_agent"), agent), (name("mmm_mon"), monitor)]
    }
}
