//! Addresses, announcements, refusals.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use mmm_daemon::agentd::address::{Addresses, Found};

use crate::bed::{Bed, NIC, VIP, VIP6, until};

fn vips() -> [IpAddr; 2] {
    [VIP.parse().unwrap(), VIP6.parse().unwrap()]
}

async fn find(addresses: &Addresses, ip: IpAddr) -> Option<Found> {
    let all = addresses.list().await.unwrap();
    all.into_iter().find(|found| found.ip == ip)
}

#[test]
fn an_address_is_held_and_dropped_however_often_it_is_asked() {
    let bed = Bed::new(0);
    bed.on(9, || async {
        let addresses = Addresses::open(NIC).await.unwrap();
        for vip in vips() {
            let began = Instant::now();
            assert!(addresses.hold(vip, None).await.unwrap(), "new");
            let took = began.elapsed();
            assert!(took < Duration::from_millis(50), "{vip}: {took:?}");
            assert!(!addresses.hold(vip, None).await.unwrap(), "there already");
            let found = find(&addresses, vip).await.unwrap();
            assert_eq!(found.prefix, if vip.is_ipv4() { 32 } else { 128 });
            assert_eq!(found.valid_left_secs, None);
            assert!(addresses.drop(vip).await.unwrap(), "was there");
            assert!(!addresses.drop(vip).await.unwrap(), "gone already");
            assert_eq!(find(&addresses, vip).await, None);
        }
    });
}

#[test]
fn an_address_of_another_prefix_is_replaced_and_dropped() {
    let bed = Bed::new(0);
    bed.on(9, || async {
        let add = |words: &str| {
            let done = std::process::Command::new("ip").args(words.split(' ')).status();
            assert!(done.unwrap().success(), "ip {words}");
        };
        let addresses = Addresses::open(NIC).await.unwrap();
        for (vip, prefix) in vips().into_iter().zip([24, 64]) {
            add(&format!("addr add {vip}/{prefix} dev {NIC}"));
            addresses.hold(vip, None).await.unwrap();
            let all = addresses.list().await.unwrap();
            let of_vip: Vec<_> = all.iter().filter(|f| f.ip == vip).map(|f| f.prefix).collect();
            assert_eq!(of_vip, [if vip.is_ipv4() { 32 } else { 128 }]);
            addresses.drop(vip).await.unwrap();
            add(&format!("addr add {vip}/{prefix} dev {NIC}"));
            assert!(addresses.drop(vip).await.unwrap());
            assert_eq!(find(&addresses, vip).await, None);
        }
    });
}

#[test]
fn the_kernel_drops_an_address_whose_lifetime_is_over() {
    let bed = Bed::new(0);
    bed.on(9, || async {
        let addresses = Addresses::open(NIC).await.unwrap();
        let [v4, v6] = vips();
        let began = Instant::now();
        for vip in [v4, v6] {
            addresses.hold(vip, Some(2)).await.unwrap();
            let left = find(&addresses, vip).await.unwrap().valid_left_secs.unwrap();
            assert!((1..=2).contains(&left), "{left}");
        }
        // Renewed, one of them outlives the other.
        addresses.hold(v4, Some(30)).await.unwrap();
        until("the IPv6 address to go", || async {
            match find(&addresses, v6).await {
                None => Ok(()),
                Some(found) => Err(format!("{found:?}")),
            }
        })
        .await;
        let took = began.elapsed();
        assert!((1500..3500).contains(&took.as_millis()), "{took:?}");
        assert!(find(&addresses, v4).await.unwrap().valid_left_secs.unwrap() > 20);
        addresses.hold(v4, None).await.unwrap();
        assert_eq!(find(&addresses, v4).await.unwrap().valid_left_secs, None);
        let zero = addresses.hold(v4, Some(0)).await.unwrap_err().to_string();
        assert!(zero.contains("drop the address"), "{zero}");
        addresses.hold(v4, Some(1)).await.unwrap();
        until("the IPv4 address to go", || async {
            find(&addresses, v4).await.map_or(Ok(()), |found| Err(format!("{found:?}")))
        })
        .await;
    });
}

#[test]
fn a_missing_interface_and_missing_rights_are_named() {
    let bed = Bed::new(0);
    bed.on(9, || async {
        let error = Addresses::open("nope0").await.unwrap_err().to_string();
        assert!(error.contains("nope0") && error.contains("cluster_interface"), "{error}");
        let addresses = Addresses::open(NIC).await.unwrap();
        let gone = std::process::Command::new("ip").args(["link", "del", NIC]).status();
        assert!(gone.unwrap().success());
        let error = addresses.hold(vips()[0], None).await.unwrap_err().to_string();
        assert!(error.contains("cluster_interface"), "{error}");
    });
}

#[test]
fn clients_follow_an_announced_address_at_once() {
    let bed = Bed::new(2);
    for vip in vips() {
        bed.on(1, || async {
            bed.hands(1).await.hold_vip(vip, None).await.unwrap();
            let (_, done) = bed.connect(vip).await;
            done.unwrap();
        });
        let id = bed.on(9, || async {
            let client = bed.client(vip).await;
            client.sql("select @@server_id").await.unwrap()
        });
        assert_eq!(id, ["1"]);
        bed.on(1, || async {
            Addresses::open(NIC).await.unwrap().drop(vip).await.unwrap();
        });
        bed.on(2, || async {
            let hands = bed.hands(2).await;
            hands.hold_vip(vip, None).await.unwrap();
            let (took, done) = bed.connect(vip).await;
            done.unwrap();
            assert!(took < Duration::from_millis(250), "{vip}: {took:?}");
            let client = bed.client(vip).await;
            assert_eq!(client.sql("select @@server_id").await.unwrap(), ["2"]);
        });
    }
}

#[test]
fn a_refused_address_resets_new_connections_and_lets_the_present_ones_be() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let hands = bed.hands(1).await;
        for vip in vips() {
            hands.hold_vip(vip, None).await.unwrap();
            let client = bed.client(vip).await;
            // Twice: the second time it is so already.
            for _ in 0..2 {
                hands.refusal.new_connections(vip).await.unwrap();
            }
            refused(&bed, vip).await;
            assert_eq!(client.sql("select 1").await.unwrap(), ["1"]);
            bed.connect(bed.ip(1)).await.1.unwrap();
            hands.refusal.everything(vip).await.unwrap();
            client.sql("select 1").await.unwrap_err();
            for _ in 0..2 {
                hands.refusal.lift(vip).await.unwrap();
            }
            bed.connect(vip).await.1.unwrap();
            hands.refusal.everything(vip).await.unwrap();
            refused(&bed, vip).await;
            hands.refusal.clear().await.unwrap();
            bed.connect(vip).await.1.unwrap();
        }
    });
}

#[test]
fn packets_by_a_stale_arp_entry_are_refused_after_the_address_left() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let hands = bed.hands(1).await;
        for vip in vips() {
            hands.hold_vip(vip, None).await.unwrap();
            bed.connect(vip).await.1.unwrap();
            hands.refusal.everything(vip).await.unwrap();
            hands.drop_vip(vip).await.unwrap();
            refused(&bed, vip).await;
        }
        // What this host forwards must reach the new holder: it does not last.
        until("the refusals to fade", || async {
            let rules = std::process::Command::new("nft").args(["list", "ruleset"]).output();
            let rules = String::from_utf8(rules.unwrap().stdout).unwrap();
            if rules.contains("refuse") && !rules.contains("elements") {
                Ok(())
            } else {
                Err(rules)
            }
        })
        .await;
        // Set again before it fades, it stays.
        let vip = vips()[0];
        hands.refusal.everything(vip).await.unwrap();
        hands.refusal.fade(vip);
        hands.refusal.lift(vip).await.unwrap();
        hands.hold_vip(vip, None).await.unwrap();
        hands.refusal.new_connections(vip).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2200)).await;
        refused(&bed, vip).await;
    });
}

#[test]
fn refusals_outlive_the_agent_and_a_new_one_can_lift_them() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let vip = vips()[0];
        let hands = bed.hands(1).await;
        hands.hold_vip(vip, None).await.unwrap();
        hands.refusal.new_connections(vip).await.unwrap();
        drop(hands);
        let hands = bed.hands(1).await;
        refused(&bed, vip).await;
        hands.refusal.lift(vip).await.unwrap();
        bed.connect(vip).await.1.unwrap();
    });
}

async fn refused(bed: &Bed, vip: IpAddr) {
    let (took, done) = bed.connect(vip).await;
    let kind = done.unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::ConnectionRefused, "{vip}");
    assert!(took < Duration::from_millis(200), "{vip}: {took:?}");
}
