//! Two hosts with one VIP, announcements that go on, and links that go down.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use mmm_daemon::agentd::address::Addresses;
use mmm_daemon::agentd::announce::Announcer;
use mmm_daemon::agentd::conflict::Conflicts;
use mmm_daemon::agentd::frames::Mac;
use mmm_daemon::agentd::{acts, interface};
use mmm_daemon::core::agent::{Input, Roster, RosterVip};
use mmm_proto::{RoleMode, Span};

use crate::bed::{Bed, NIC, PATIENCE, VIP, VIP6, inside, run, until};

fn vips() -> [IpAddr; 2] {
    [VIP.parse().unwrap(), VIP6.parse().unwrap()]
}

/// To be called inside the namespace.
fn ip(words: &str) {
    run("ip", &words.split(' ').collect::<Vec<_>>());
}

fn mac(bed: &Bed, host: usize) -> Mac {
    bed.on(host, || async { Announcer::open(NIC).unwrap().mac() })
}

/// What the host's table of neighbours says about an address.
async fn neighbour(vip: IpAddr) -> String {
    let vip = vip.to_string();
    let out = std::process::Command::new("ip").args(["neigh", "show", &vip]).output().unwrap();
    String::from_utf8_lossy(&out.stdout).into_owned()
}

async fn next(conflicts: &Conflicts) -> (IpAddr, Mac) {
    let heard = tokio::time::timeout(PATIENCE, conflicts.next()).await;
    heard.expect("nobody was heard").unwrap()
}

#[test]
fn a_claim_is_heard_and_an_announcement_brings_the_clients_back() {
    let bed = Bed::new(2);
    let (ours, theirs) = (mac(&bed, 1), mac(&bed, 2));
    bed.on(1, || async {
        let hands = bed.hands(1).await;
        for vip in vips() {
            let conflicts = Conflicts::open(NIC, ours, vips().to_vec()).unwrap();
            hands.hold_vip(vip, None).await.unwrap();
            bed.connect(vip).await.1.unwrap();
            // The other one adds it by hand, and says so.
            let ns = bed.ns(2);
            let thread = std::thread::spawn(move || {
                inside(&ns, || async {
                    Addresses::open(NIC).await.unwrap().hold(vip, None).await.unwrap();
                    Announcer::open(NIC).unwrap().announce(vip).unwrap();
                });
            });
            thread.join().unwrap();
            assert_eq!(next(&conflicts).await, (vip, theirs));
            see(&bed, vip, theirs).await;
            hands.announce(vip);
            see(&bed, vip, ours).await;
        }
    });
}

/// Waits until the client's host takes `mac` for the address.
async fn see(bed: &Bed, vip: IpAddr, mac: Mac) {
    until(&format!("the client to find {vip} at {mac}"), || async move {
        let ns = bed.ns(9);
        let look = std::thread::spawn(move || inside(&ns, || neighbour(vip)));
        let found = look.join().unwrap();
        if found.contains(&mac.to_string()) { Ok(()) } else { Err(found) }
    })
    .await;
}

#[test]
fn one_that_keeps_silent_about_our_vip_is_heard_when_asked_and_our_clients_stay() {
    let bed = Bed::new(1);
    let (ours, theirs) = (mac(&bed, 1), mac(&bed, 9));
    bed.on(9, || async {
        ip(&format!("addr add {VIP}/32 dev {NIC}"));
        ip(&format!("addr add {VIP6}/128 dev {NIC} nodad"));
    });
    bed.on(1, || async {
        let addresses = Addresses::open(NIC).await.unwrap();
        let conflicts = Conflicts::open(NIC, ours, vips().to_vec()).unwrap();
        let announcer = Announcer::open(NIC).unwrap();
        for vip in vips() {
            addresses.hold(vip, None).await.unwrap();
            announcer.announce(vip).unwrap();
            let quiet = tokio::time::timeout(Duration::from_millis(200), conflicts.next()).await;
            assert!(quiet.is_err(), "it says nothing by itself: {quiet:?}");
            announcer.probe(vip).unwrap();
            assert_eq!(next(&conflicts).await, (vip, theirs));
        }
        // Only who was talked to is in the table; nobody needs to answer there.
        let to = std::net::SocketAddr::new(bed.ip(9), 9);
        let _ = std::net::TcpStream::connect_timeout(&to, Duration::from_secs(2));
        let known = addresses.neighbours(theirs).await;
        assert!(known.contains(&bed.ip(9)), "{known:?}");
    });
}

#[test]
fn an_announced_address_is_announced_again_and_a_hushed_one_is_not() {
    let bed = Bed::new(1);
    let ns = bed.ns(9);
    // What a neighbour hears, with the time.
    let hear = |vip: IpAddr, for_ms: u64| {
        let ns = ns.clone();
        std::thread::spawn(move || {
            inside(&ns, || async move {
                let own = Announcer::open(NIC).unwrap().mac();
                let conflicts = Conflicts::open(NIC, own, vec![vip]).unwrap();
                let (began, mut heard) = (Instant::now(), Vec::new());
                let end = Duration::from_millis(for_ms);
                while let Some(left) = end.checked_sub(began.elapsed()) {
                    if tokio::time::timeout(left, conflicts.next()).await.is_ok() {
                        heard.push(began.elapsed().as_millis());
                    }
                }
                heard
            })
        })
    };
    bed.on(1, || async {
        let hands = bed.hands(1).await;
        for (vip, frames) in vips().into_iter().zip([2, 1]) {
            let listener = hear(vip, 2_900);
            tokio::time::sleep(Duration::from_millis(300)).await;
            hands.hold_vip(vip, None).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2_700)).await;
            let heard = listener.join().unwrap();
            assert_eq!(heard.len(), 4 * frames, "0, 0.1, 1, 2 s: {heard:?}");
            let gap = heard[3 * frames] - heard[2 * frames];
            assert!((900..1300).contains(&gap), "{heard:?}");
        }
        let [vip, _] = vips();
        hands.hold_vip(vip, None).await.unwrap();
        let (grace, limit) = (Span::ZERO, Span::secs(3));
        bed.root(1, "set global read_only=0");
        hands.freeze(vip, grace, true, limit).await.unwrap();
        let listener = hear(vip, 1_000);
        tokio::time::sleep(Duration::from_millis(200)).await;
        hands.hold_vip(vip, Some(30)).await.unwrap();
        hands.announce(vip);
        hands.announce_all();
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(listener.join().unwrap(), Vec::<u128>::new(), "frozen is silent");
        let listener = hear(vip, 1_000);
        tokio::time::sleep(Duration::from_millis(200)).await;
        hands.thaw(vip, limit).await.unwrap();
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert!(listener.join().unwrap().len() >= 4, "in service again");
    });
}

#[test]
fn a_link_that_goes_and_comes_is_told_at_once_and_its_addresses_can_be_put_back() {
    let bed = Bed::new(1);
    let client = mac(&bed, 9);
    bed.on(1, || async {
        let hands = bed.hands(1).await;
        let [v4, v6] = vips();
        for vip in [v4, v6] {
            hands.hold_vip(vip, Some(30)).await.unwrap();
        }
        let vip = |ip| RosterVip {
            ip,
            role: "reader".parse().unwrap(),
            mode: RoleMode::Balanced,
            writer: false,
        };
        let roster =
            Roster { me: "db1".parse().unwrap(), hosts: Vec::new(), vips: vec![vip(v4), vip(v6)] };
        let tools = std::sync::Arc::new(acts::Tools { hands, roster, process: None });
        let (tell, mut told) = tokio::sync::mpsc::channel(256);
        interface::watch(&tools, &tell);
        let mut found = async |wanted: &[IpAddr]| {
            let began = Instant::now();
            loop {
                let input = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
                if matches!(&input, Input::Addresses { found } if found == wanted) {
                    return began.elapsed();
                }
            }
        };
        found(&[v4, v6]).await;
        ip(&format!("link set {NIC} down"));
        let took = found(&[v4]).await;
        assert!(took < Duration::from_millis(300), "IPv6 addresses go with the link: {took:?}");
        tools.hands.hold_vip(v6, Some(30)).await.unwrap_err();
        let ns = bed.ns(9);
        let listener = std::thread::spawn(move || {
            inside(&ns, || async move {
                let conflicts = Conflicts::open(NIC, client, vec![v4]).unwrap();
                tokio::time::timeout(Duration::from_secs(5), conflicts.next()).await.is_ok()
            })
        });
        ip(&format!("link set {NIC} up"));
        ip(&format!("addr add fd77::1/64 dev {NIC} nodad"));
        until("the address to be put back", || async { tools.hands.hold_vip(v6, Some(30)).await })
            .await;
        found(&[v4, v6]).await;
        bed.connect(v6).await.1.unwrap();
        // Beside the loop: this thread must go on announcing.
        let heard = tokio::task::spawn_blocking(|| listener.join().unwrap()).await.unwrap();
        assert!(heard, "the one that stayed is announced again");
    });
}
