//! Generated configurations: what is written comes out, and no file makes loading panic or leak.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod config_samples;

use std::fmt::Write as _;

use mmm_daemon::config::{Program, load};
use mmm_proto::{HostMode, RoleMode, Span};
use proptest::prelude::*;

use config_samples::{COMMON, folder, good, names};

/// A cluster as a person might write it.
#[derive(Debug, Clone)]
struct Written {
    slaves: Vec<String>,
    reader_vips: u8,
    net: u8,
    v6: bool,
    ttl_ms: u64,
    period_ms: u64,
    ports: (u16, u16),
    split: bool,
    template: bool,
    password: String,
}

fn written() -> impl Strategy<Value = Written> {
    (
        proptest::collection::btree_set("[a-z][a-z0-9_-]{0,8}x", 0..5),
        1..20_u8,
        any::<u8>(),
        any::<bool>(),
        4_000..60_000_u64,
        10..2_000_u64,
        (1..2000_u16, 2000..=65535_u16),
        any::<bool>(),
        any::<bool>(),
        "[ -~]{0,32}",
    )
        .prop_map(
            |(
                slaves,
                reader_vips,
                net,
                v6,
                ttl_ms,
                period_ms,
                ports,
                split,
                template,
                password,
            )| {
                let slaves = slaves.into_iter().rev().collect();
                Written {
                    slaves,
                    reader_vips,
                    net,
                    v6,
                    ttl_ms,
                    period_ms,
                    ports,
                    split,
                    template,
                    password,
                }
            },
        )
}

impl Written {
    fn ip(&self, host: u8) -> String {
        if self.v6 {
            format!("fd00:{:x}::{host:x}", self.net)
        } else {
            format!("10.7.{}.{host}", self.net)
        }
    }

    fn names(&self) -> Vec<String> {
        ["w2".to_owned(), "w1".to_owned()].into_iter().chain(self.slaves.iter().cloned()).collect()
    }

    fn accounts(&self) -> String {
        let password = self.password.replace('\\', "\\\\").replace('"', "\\\"");
        let mut text = format!("cluster_interface = \"eth0\"\nmysql_port = {}\n", self.ports.0);
        let _ = writeln!(text, "agent_port = {}", self.ports.1);
        for whose in ["agent", "monitor", "replication"] {
            let _ = writeln!(text, "{whose}_user = \"u\"\n{whose}_password = \"{password}\"");
        }
        text
    }

    /// The common file and the one that includes it, or all in one.
    fn files(&self) -> (String, String) {
        let mut common = String::from("insecure = true\nactive_master_role = \"w\"\n");
        if self.template {
            let _ = writeln!(common, "[host.default]\n{}", self.accounts());
        }
        for (at, name) in self.names().iter().enumerate() {
            let own = if self.template { String::new() } else { self.accounts() };
            let mode = if at < 2 { "master" } else { "slave" };
            let ip = self.ip(at as u8 + 1);
            let _ = writeln!(common, "[host.{name}]\nip = \"{ip}\"\nmode = \"{mode}\"\n{own}");
            if at < 2 {
                let _ = writeln!(common, "peer = \"w{}\"", at + 1);
            }
        }
        let vips: Vec<_> = (0..self.reader_vips).map(|vip| self.ip(100 + vip)).collect();
        let _ = writeln!(
            common,
            "[role.w]\nmode = \"exclusive\"\nhosts = [\"w2\", \"w1\"]\nips = [\"{}\"]\n\
             [role.r]\nmode = \"balanced\"\nhosts = {:?}\nips = {vips:?}",
            self.ip(99),
            self.names(),
        );
        let mut main = String::new();
        let seconds = self.period_ms as f64 / 1000.0;
        let _ = write!(
            main,
            "[monitor]\nlease_ttl = \"{}ms\"\n[check.default]\ncheck_period = {seconds:?}\n",
            self.ttl_ms
        );
        if self.split {
            (common, format!("include = \"common.toml\"\n{main}"))
        } else {
            (String::new(), common + &main)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(200)
    })]

    #[test]
    fn what_is_written_comes_out(written in written()) {
        let (common, main) = written.files();
        let dir = folder(&[("common.toml", &common), ("mmm.toml", &main)]);
        let config = good(&dir, "mmm.toml", Program::Monitor).config;
        prop_assert_eq!(names(&config), written.names());
        for (at, host) in config.hosts.iter().enumerate() {
            prop_assert_eq!(host.ip, written.ip(at as u8 + 1).parse::<std::net::IpAddr>().unwrap());
            prop_assert_eq!(host.mode, if at < 2 { HostMode::Master } else { HostMode::Slave });
            prop_assert_eq!((host.mysql_port, host.agent_port), written.ports);
            prop_assert_eq!(host.monitor.password.expose(), &written.password);
        }
        let reader = config.role("r").unwrap();
        prop_assert_eq!(reader.mode, RoleMode::Balanced);
        prop_assert_eq!(reader.ips.len(), usize::from(written.reader_vips));
        prop_assert_eq!(reader.ips[0], written.ip(100).parse::<std::net::IpAddr>().unwrap());
        prop_assert_eq!(config.monitor.lease_ttl, Span::ms(written.ttl_ms));
        prop_assert_eq!(config.checks.mysql.check_period, Span::ms(written.period_ms));
    }

    /// Whatever a file holds, loading ends with an answer and shows no secret.
    #[test]
    fn no_file_makes_it_panic(cut in 0..1200_usize, junk in "[ -~\n\u{e9}]{0,12}") {
        let mut text = COMMON.replace("file = \"keys/monitor\"", " = \"s3cr3t-monitor\"");
        let at = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.insert_str(at, &junk);
        let dir = folder(&[("mmm.toml", &text)]);
        if let Err(report) = load(&dir.path().join("mmm.toml"), Program::Monitor) {
            prop_assert!(!report.mistakes.is_empty());
            prop_assert!(!report.to_string().contains("s3cr3t"), "{report}");
        }
    }
}
