//! The monitor's own network, by `ping_ips`: when decisions are held, and what an outage leaves.

use mmm_proto::{Check, HostState};

use super::cluster::Cluster;
use crate::core::monitor::Input;

fn ping_ips(c: &mut Cluster, up: bool) {
    let message = if up { "10.0.0.1 answers" } else { "none of 10.0.0.1 answers" }.to_owned();
    c.feed(Input::Network { up, message });
}

#[test]
fn ping_ips_that_fail_hold_nothing_while_agents_answer() {
    let mut c = Cluster::mature();
    ping_ips(&mut c, false);
    assert!(c.said("network is down"), "it is told all the same");
    c.hosts[0].server.kill();
    c.until("db2 takes over", 3_000, |c| c.open_host() == Some("db2"));
    assert_eq!(c.view().held, "");
}

#[test]
fn a_monitor_without_network_holds_its_decisions_and_says_which() {
    let mut c = Cluster::mature();
    c.cut = [true; 3];
    c.run(500);
    ping_ips(&mut c, false);
    c.until("held", 4_000, |c| c.view().held.starts_with("the monitor has no network"));
    let why = c.refusal("set_offline db3");
    assert!(why.contains("decisions are held: the monitor has no network"), "{why}");
    c.run(30_000);
    for host in 0..3 {
        assert_eq!(c.state(host), HostState::Online, "{}", c.tail());
    }
}

#[test]
fn failures_from_before_and_during_an_outage_condemn_nobody_when_the_network_returns() {
    let mut c = Cluster::mature();
    // db3 fails for a while that is shorter than its trap period, then everything is gone.
    c.fail_check(2, Check::Ping);
    c.fail_check(2, Check::Mysql);
    c.run(1_000);
    c.cut = [true; 3];
    c.run(500);
    ping_ips(&mut c, false);
    c.run(20_000);
    c.cut = [false; 3];
    ping_ips(&mut c, true);
    // The first results afterwards are failures once more.
    for _ in 0..2 {
        c.fail_check(2, Check::Ping);
        c.fail_check(2, Check::Mysql);
        c.run(1_000);
    }
    c.trust_checks();
    c.until("db1 serves again", 5_000, |c| c.open_host() == Some("db1"));
    c.run(10_000);
    let lost = c.events.iter().filter(|(_, event)| event.what.contains("HARD_OFFLINE"));
    assert_eq!(lost.count(), 0, "{}", c.tail());
    assert_eq!(c.writer(), Some("db1"));
}
