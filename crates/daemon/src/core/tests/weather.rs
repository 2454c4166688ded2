//! Bad weather: faults and requests drawn from a seed. The invariants hold in every millisecond, and when
//! it is over somebody serves. Other weather: change [`SEEDS`].

use super::cluster::Cluster;
use super::server::Process;
use mmm_proto::HostState;

/// The seeds of a usual run; each is some minutes of weather.
const SEEDS: std::ops::Range<u64> = 0..24;

/// Numbers that look drawn (splitmix64): the same seed, the same weather.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

fn one_fault(c: &mut Cluster, draw: &mut Draw) {
    let host = draw.below(3) as usize;
    let now = c.now;
    let kind = draw.below(16);
    c.note(&format!("fault {kind} of db{}", host + 1));
    match kind {
        0 => c.cut[host] = !c.cut[host],
        1 => c.cut_peers[host] = !c.cut_peers[host],
        2 => {
            let cut = !c.cut[host];
            (c.cut[host], c.cut_peers[host]) = (cut, cut);
        }
        3 if c.hosts[host].server.up() => c.hosts[host].server.kill(),
        3 => c.hosts[host].server.start(),
        4 if c.hosts[host].server.up() => c.hosts[host].server.process = Process::Silent,
        4 if c.hosts[host].server.process == Process::Silent => {
            c.hosts[host].server.process = Process::Up;
        }
        5 if c.hosts[host].agent.is_some() => c.hosts[host].kill_agent(),
        5 => c.hosts[host].start_agent(now),
        6 => c.hosts[host].stopped = !c.hosts[host].stopped,
        7 => c.hosts[host].frozen = !c.hosts[host].frozen,
        8 if c.monitor.is_some() => c.kill_monitor(),
        8 => c.start_monitor(),
        9 => c.paused = !c.paused,
        10 => c.disk_fails = !c.disk_fails,
        11 => {
            c.ask(["move_role writer db1", "move_role writer db2"][host % 2]);
        }
        12 => {
            c.ask(["set_offline db1", "set_offline db2", "set_offline db3"][host]);
        }
        13 => {
            c.ask(["set_online db1", "set_online db2", "set_online db3"][host]);
        }
        14 => {
            let act = ["Open", "Freeze", "CatchUp", "Fence", "Hold", "Drop", "Thaw"];
            let act = act[draw.below(7) as usize];
            if c.hosts[host].slow.remove(act).is_none() {
                c.hosts[host].slow.insert(act, draw.below(1_500));
            }
        }
        15 => {
            let act = ["Open", "CatchUp", "Hold", "Drop"][draw.below(4) as usize];
            if c.hosts[host].failing.remove(act).is_none() {
                c.hosts[host].failing.insert(act, "bad weather".to_owned());
            }
        }
        _ => {}
    }
}

fn clear_up(c: &mut Cluster) {
    let now = c.now;
    (c.cut, c.cut_peers) = ([false; 3], [false; 3]);
    (c.paused, c.disk_fails) = (false, false);
    if c.monitor.is_none() {
        c.start_monitor();
    }
    for host in &mut c.hosts {
        (host.frozen, host.stopped) = (false, false);
        host.slow.clear();
        host.failing.clear();
        if host.server.process == Process::Gone {
            host.server.start();
        }
        host.server.process = Process::Up;
        if host.agent.is_none() {
            host.start_agent(now);
        }
    }
}

#[test]
fn in_any_weather_there_is_one_writer_at_most_and_afterwards_there_is_one() {
    for seed in SEEDS {
        let mut c = Cluster::in_service();
        c.note(&format!("seed {seed}"));
        let mut draw = Draw(seed);
        for _ in 0..40 {
            one_fault(&mut c, &mut draw);
            let calm = [30, 300, 3_000][draw.below(3) as usize];
            let ms = draw.below(calm);
            c.run(ms);
        }
        clear_up(&mut c);
        c.note("clear");
        c.run(12_000);
        // An operator puts back what does not come back by itself.
        for host in 0..3 {
            if c.state(host) != HostState::Online {
                c.ask(["set_online db1", "set_online db2", "set_online db3"][host]);
            }
        }
        c.until("somebody serves", 60_000, |c| {
            c.open_host().is_some() && c.writer() == c.open_host()
        });
    }
}
