//! The units of `config/systemd` under a real systemd, on a host of a real cluster.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lab::config::Settings;
use lab::daemons::binary;
use lab::machine::{File, Machine};
use lab::wait::until;
use lab::{Options, WRITER_VIP};

use super::{Cluster, LATER, SOON, all_online, holders, story};

const UNITS: [&str; 2] = ["mmm-agentd.service", "mmm-mond.service"];
const AGENT: &str = "mmm-agentd";

/// Exposure, in tenths, above which `systemd-analyze security` fails.
const EXPOSURE: &str = "--threshold=25";

/// The grant. Longer than usual: a restart by systemd takes 0.4 s, and many times that on a machine
/// that does much else.
const TTL: Duration = Duration::from_secs(6);

/// Not noticed: a pause that a busy machine makes by itself.
const BLIP: Duration = Duration::from_millis(250);

fn config() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../config/systemd")
}

/// Programs, units, user, and the configuration that the lab made for a host.
fn boot(cluster: &Cluster, host: &str, own: &str, text: &str) -> Machine {
    let file = |path, content, mode| File { path, content, mode };
    let read =
        |path: PathBuf| fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let program = |name: &str| read(binary(name).unwrap());
    let home = cluster.lab.folder().join(host);
    let files = [
        file("/usr/local/sbin/mmm-agentd", program("mmm-agentd"), 0o755),
        file("/usr/local/sbin/mmm-mond", program("mmm-mond"), 0o755),
        file("/usr/local/bin/mmm-control", program("mmm-control"), 0o755),
        file("/etc/systemd/system/mmm-agentd.service", read(config().join(UNITS[0])), 0o644),
        file("/etc/systemd/system/mmm-mond.service", read(config().join(UNITS[1])), 0o644),
        file("/usr/lib/sysusers.d/mmm.conf", read(config().join("mmm.sysusers")), 0o644),
        file("/etc/mysql-mmm/mmm_common.toml", read(home.join("mmm_common.toml")), 0o640),
        file(own, text.as_bytes().to_vec(), 0o640),
    ];
    let folder = home.join("machine");
    fs::create_dir(&folder).unwrap();
    Machine::boot(cluster.lab.host(host).unwrap(), &folder, &files)
        .unwrap_or_else(|error| panic!("no machine: {error:#}"))
}

/// Every line that `systemd-analyze` finds worth printing is a failure.
fn assert_units_are_sound(machine: &Machine) {
    for unit in UNITS {
        let path = format!("/etc/systemd/system/{unit}");
        let said = machine.run(&["systemd-analyze", "verify", &path]).unwrap();
        assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (0, "", ""), "{unit}");
        let words = ["systemd-analyze", "security", "--offline=true", EXPOSURE, &path];
        let said = machine.run(&words).unwrap();
        assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
        println!("{}", said.stdout.lines().last().unwrap_or_default());
    }
}

/// Rows go on to come for more than the length of a grant; the longest pause since `since`.
fn gap_over_a_grant(cluster: &Cluster, machine: &Machine, since: Instant) -> Duration {
    lab::wait::pass((TTL + Duration::from_secs(1)).saturating_sub(since.elapsed()));
    let rows = cluster.client.wait_rows(50, SOON);
    let told = || format!("{}\n{}", machine.journal(AGENT), story(&cluster.lab));
    rows.unwrap_or_else(|error| panic!("{error:#}\n{}", told()));
    let gap = cluster.client.record().longest_gap(since, Instant::now());
    assert!(gap < BLIP, "{gap:?}\n{}", told());
    gap
}

fn assert_only_its_rights(machine: &Machine) {
    let pid = machine.main_pid(AGENT).unwrap();
    let status = machine.run(&["cat", &format!("/proc/{pid}/status")]).unwrap().stdout;
    let uid = machine.run(&["id", "-u", "mmm"]).unwrap().stdout;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {status}")).split_whitespace().next().unwrap()
    };
    assert_eq!(field("Uid:"), uid.trim());
    // CAP_KILL 5, CAP_NET_ADMIN 12, CAP_NET_RAW 13.
    for kind in ["CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(u64::from_str_radix(field(kind), 16).unwrap(), 1 << 5 | 1 << 12 | 1 << 13);
    }
    assert_eq!(field("NoNewPrivs:"), "1");
}

#[test]
fn an_agent_by_its_unit_is_restarted_unseen_and_fenced_when_it_is_stopped() {
    let settings = Settings { lease_ttl: "6s".to_owned(), ..Settings::default() };
    let cluster = Cluster::up(&Options { settings, ..Options::with_daemons() });
    let (first, host) = (cluster.writer(), cluster.standby());
    let daemons = cluster.lab.daemons().unwrap();
    let own = format!("include = \"mmm_common.toml\"\nthis = \"{host}\"\n");
    let machine = boot(&cluster, host, "/etc/mysql-mmm/mmm_agent.toml", &own);
    assert_units_are_sound(&machine);
    daemons.agent(host).unwrap().stop().unwrap();
    machine.must(&["start", AGENT]).unwrap();
    all_online(&cluster.lab, LATER);
    cluster.move_writer(host);
    all_online(&cluster.lab, SOON);
    assert_only_its_rights(&machine);

    let since = Instant::now();
    machine.must(&["restart", AGENT]).unwrap();
    println!("systemctl restart: longest gap {:?}", gap_over_a_grant(&cluster, &machine, since));
    let since = Instant::now();
    let old = machine.main_pid(AGENT).unwrap();
    assert_eq!(machine.run(&["kill", "-KILL", &old]).unwrap().code, 0);
    println!("kill -9 of the main process: gap {:?}", gap_over_a_grant(&cluster, &machine, since));
    assert_ne!(machine.main_pid(AGENT).unwrap(), old);
    all_online(&cluster.lab, SOON);
    assert_eq!(cluster.writer(), host);
    let journal = machine.journal(AGENT);
    for words in ["is being restarted (restart)", "and comes back", "and can go on"] {
        assert!(journal.contains(words), "{words}: {journal}");
    }

    let since = Instant::now();
    machine.must(&["stop", AGENT]).unwrap();
    let took = since.elapsed();
    let journal = machine.journal(AGENT);
    assert!(journal.contains("is being stopped") && journal.contains("fenced in"), "{journal}");
    assert!(cluster.lab.server(host).unwrap().is_read_only().unwrap(), "{journal}");
    assert!(!holders(&cluster.lab, WRITER_VIP).contains(&host.to_owned()), "{journal}");
    assert!(took < TTL / 2, "{took:?}: {journal}");
    let switch = cluster.switched(since, SOON);
    println!("systemctl stop: fenced after {took:?}, another host serves after {:?}", switch.gap);
    assert_eq!(holders(&cluster.lab, WRITER_VIP), [first]);
    machine.must(&["start", AGENT]).unwrap();
    all_online(&cluster.lab, LATER);
    cluster.assert_never_two_writers();
}

#[test]
fn a_monitor_by_its_unit_serves_the_cluster() {
    let cluster = Cluster::up(&Options::with_daemons());
    let daemons = cluster.lab.daemons().unwrap();
    let own = "include = \"mmm_common.toml\"\n\n[monitor]\nip = \"10.77.0.10\"\n\
               ping_ips = [\"10.77.0.20\"]\nauto_set_online = \"2s\"\n";
    let machine = boot(&cluster, "mon", "/etc/mysql-mmm/mmm_mon.toml", own);
    let since = Instant::now();
    daemons.monitor.stop().unwrap();
    machine.must(&["start", "mmm-mond"]).unwrap();
    until("all hosts to be ONLINE", LATER, || {
        let said = machine.run(&["mmm-control", "show"]).map_err(|error| format!("{error:#}"))?;
        if said.stdout.matches("/ONLINE").count() == 3 { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .unwrap_or_else(|error| panic!("{error:#}\n{}", machine.journal("mmm-mond")));
    cluster.client.wait_rows(50, SOON).unwrap();
    let gap = cluster.client.record().longest_gap(since, Instant::now());
    println!("a new monitor, by its unit: longest gap {gap:?}");
    assert!(gap < BLIP, "{gap:?}");
    let pid = machine.main_pid("mmm-mond").unwrap();
    machine.must(&["stop", "mmm-mond"]).unwrap();
    assert!(!machine.run(&["kill", "-0", &pid]).unwrap().stderr.is_empty(), "it is gone");
    cluster.assert_never_two_writers();
}
