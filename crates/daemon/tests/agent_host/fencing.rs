//! Freeze, thaw, open, fence.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use mmm_daemon::agentd::fence::{Hands, ReadOnly};
use mmm_proto::Span;
use nix::sys::signal::Signal;

use crate::bed::{Answer, Bed, Client, VIP, ended, until};

const SEC: Span = Span::secs(1);
const LONG: Span = Span::secs(10);

fn vip() -> IpAddr {
    VIP.parse().unwrap()
}

async fn opened(bed: &Bed) -> Hands {
    let hands = bed.hands(1).await;
    hands.server.set_read_only(true, SEC).await.unwrap();
    hands.open(vip(), Some(60), LONG).await.unwrap();
    hands
}

/// A client in a statement that takes 30 s, as the server sees it.
async fn slow(bed: &Bed, hands: &Hands) -> (Client, tokio::sync::oneshot::Receiver<Answer>) {
    let client = bed.client(vip()).await;
    let answer = client.start("update t.a set v=sleep(30) where i=1");
    until("the update to run", || async {
        match hands.server.look(SEC).await.longest {
            Some(b) if b.what == "UPDATE running" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    (client, answer)
}

async fn refused(bed: &Bed) {
    let (took, done) = bed.connect(vip()).await;
    let kind = done.unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::ConnectionRefused);
    assert!(took < Duration::from_millis(200), "{took:?}");
}

#[test]
fn a_frozen_writer_holds_all_that_it_acknowledged_and_thaws() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let hands = opened(&bed).await;
        let (client, idle) = (bed.client(vip()).await, bed.client(vip()).await);
        idle.sql("begin").await.unwrap();
        idle.sql("update t.a set v=0 where i=2").await.unwrap();
        client.sql("insert into t.a values (77, 1)").await.unwrap();
        let admin = bed.client_as(vip(), "admin").await.unwrap();
        let acknowledged = hands.server.position(SEC).await.unwrap();
        let began = Instant::now();
        let frozen = hands.freeze(vip(), Span::ms(500), false, LONG).await.unwrap();
        let took = began.elapsed();
        eprintln!("frozen in {took:?}");
        assert!(took < Duration::from_millis(250), "{took:?}");
        assert_eq!((frozen.at, frozen.killed), (acknowledged, 3));
        assert_eq!(frozen.notes, [""; 0]);
        assert!(hands.server.is_read_only(SEC).await.unwrap());
        assert!(hands.addresses.holds(vip()).await.unwrap(), "the VIP stays");
        for client in [client, idle, admin] {
            let began = Instant::now();
            client.sql("insert into t.a values (78, 1)").await.unwrap_err();
            assert!(began.elapsed() < Duration::from_millis(100), "a client waited");
        }
        refused(&bed).await;
        // Once more changes nothing.
        let again = hands.freeze(vip(), Span::ms(500), false, LONG).await.unwrap();
        assert_eq!(again.killed, 0);
        hands.thaw(vip(), LONG).await.unwrap();
        let client = bed.client(vip()).await;
        client.sql("insert into t.a values (78, 1)").await.unwrap();
    });
}

#[test]
fn a_freeze_is_rolled_back_when_something_holds_it_up_and_goes_through_with_kill() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let hands = opened(&bed).await;
        let other = bed.client(vip()).await;
        let (client, answer) = slow(&bed, &hands).await;
        let began = Instant::now();
        let waiting = other.start("update t.a set v=3 where i=2");
        let failed = hands.freeze(vip(), Span::ms(400), false, LONG).await.unwrap_err();
        let took = began.elapsed();
        assert!((400..700).contains(&took.as_millis()), "{took:?}");
        assert_eq!(failed.blockers[0].session, client.id);
        assert_eq!(failed.blockers[0].what, "UPDATE running");
        assert!(failed.why.contains("UPDATE running"), "{}", failed.why);
        // Nothing has changed for the others.
        ended(waiting).await.unwrap();
        other.sql("update t.a set v=4 where i=2").await.unwrap();
        bed.connect(vip()).await.1.unwrap();
        assert!(!hands.server.is_read_only(SEC).await.unwrap());
        let began = Instant::now();
        let frozen = hands.freeze(vip(), Span::ms(200), true, LONG).await.unwrap();
        let took = began.elapsed();
        eprintln!("killed and frozen in {took:?} with a grace of 200 ms");
        assert!(took < Duration::from_millis(500), "{took:?}");
        assert_eq!(frozen.killed, 2);
        ended(answer).await.unwrap_err();
        refused(&bed).await;
    });
}

#[test]
fn table_locks_hold_a_freeze_up_and_are_named_where_the_server_can() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let hands = opened(&bed).await;
        let client = bed.client(vip()).await;
        client.sql("lock tables t.a write").await.unwrap();
        let failed = hands.freeze(vip(), Span::ms(200), false, LONG).await.unwrap_err();
        assert!(failed.why.contains("table locks"), "{}", failed.why);
        bed.root(1, "install soname 'metadata_lock_info'");
        let failed = hands.freeze(vip(), Span::ms(200), false, LONG).await.unwrap_err();
        assert_eq!(failed.blockers.len(), 1, "{failed:?}");
        assert_eq!(failed.blockers[0].session, client.id);
        client.sql("unlock tables").await.unwrap();
        client.sql("update t.a set v=4 where i=2").await.unwrap();
        client.sql("lock tables t.a write").await.unwrap();
        hands.freeze(vip(), Span::ms(100), true, LONG).await.unwrap();
        client.sql("select 1").await.unwrap_err();
    });
}

#[test]
fn acts_on_a_dead_server_are_quick_and_honest() {
    let mut bed = Bed::new(1);
    bed.on(1, || async {
        opened(&bed).await;
    });
    bed.kill(1);
    bed.on(1, || async {
        let hands = hands_on_a_dead_server(&bed).await;
        let began = Instant::now();
        let failed = hands.freeze(vip(), Span::ms(500), true, LONG).await.unwrap_err();
        let took = began.elapsed();
        assert!(failed.why.contains("is gone"), "{}", failed.why);
        assert!(took < Duration::from_millis(250), "{took:?}");
        assert!(hands.addresses.holds(vip()).await.unwrap());
        let fresh = hands_on_a_dead_server(&bed).await;
        let began = Instant::now();
        let fenced = fresh.fence(&[vip()], SEC).await;
        let fence = began.elapsed();
        eprintln!("a dead server: freeze failed after {took:?}, fenced in {fence:?}");
        assert!(fence < Duration::from_millis(250), "{fence:?}");
        assert!(matches!(fenced.read_only, ReadOnly::ServerGone(_)), "{fenced:?}");
        assert_eq!(fenced.vips_gone, [vip()]);
        assert!(fenced.complete());
        assert!(!hands.addresses.holds(vip()).await.unwrap());
        let why = fresh.open(vip(), Some(60), SEC).await.unwrap_err();
        assert!(why.contains("is gone"), "{why}");
        assert!(!hands.addresses.holds(vip()).await.unwrap(), "no VIP without a server");
    });
}

async fn hands_on_a_dead_server(bed: &Bed) -> Hands {
    use mmm_daemon::agentd::{address::Addresses, announce::Announcer, refuse::Refusal};
    let addresses = Addresses::open(crate::bed::NIC).await.unwrap();
    let announcer = Announcer::open(crate::bed::NIC).unwrap();
    let refusal = Refusal::new(3306);
    refusal.available().await.unwrap();
    Hands::new(bed.server(1), addresses, announcer, refusal)
}

#[test]
fn a_fence_goes_through_a_running_update_while_clients_are_told() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let hands = opened(&bed).await;
        let reader: IpAddr = "10.77.0.101".parse().unwrap();
        hands.hold_vip(reader, Some(60)).await.unwrap();
        let (_client, answer) = slow(&bed, &hands).await;
        let idle = bed.client(reader).await;
        let waiting = idle.start("select sleep(30)");
        let began = Instant::now();
        let fenced = hands.fence(&[vip(), reader], Span::ms(1000)).await;
        let took = began.elapsed();
        eprintln!("fenced under an UPDATE in {took:?}");
        assert!(took < Duration::from_millis(500), "{took:?}");
        assert_eq!(fenced.read_only, ReadOnly::Verified);
        assert!(fenced.complete() && fenced.killed == 2, "{fenced:?}");
        assert_eq!(fenced.vips_gone, [vip(), reader]);
        let now = hands.server.position(SEC).await.unwrap();
        assert_eq!(fenced.at, Some(now));
        // They hear of it although the VIPs are gone.
        for answer in [answer, waiting] {
            let told = ended(answer).await.unwrap_err();
            assert!(!told.contains("no answer"), "{told}");
        }
        refused(&bed).await;
        // Again: nothing left to do.
        let again = hands.fence(&[vip(), reader], SEC).await;
        assert!(again.complete() && again.killed == 0, "{again:?}");
        hands.open(vip(), None, LONG).await.unwrap();
        bed.client(vip()).await.sql("update t.a set v=9 where i=2").await.unwrap();
    });
}

#[test]
fn a_stopped_server_delays_no_fence_and_is_not_called_safe() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let hands = opened(&bed).await;
        let client = bed.client(vip()).await;
        bed.signal(1, Signal::SIGSTOP);
        let began = Instant::now();
        let failed = hands.freeze(vip(), Span::ms(100), true, Span::ms(400)).await.unwrap_err();
        let took = began.elapsed();
        assert!(took < Duration::from_millis(600), "{took:?}");
        assert!(failed.why.contains("cannot be used"), "{}", failed.why);
        let began = Instant::now();
        let fenced = hands.fence(&[vip()], Span::ms(400)).await;
        let took = began.elapsed();
        assert!(took < Duration::from_millis(600), "{took:?}");
        assert!(matches!(fenced.read_only, ReadOnly::Failed(_)), "{fenced:?}");
        assert!(!fenced.complete());
        assert_eq!(fenced.vips_gone, [vip()]);
        // What is sent now must not be executed when it wakes up.
        client.sql("update t.a set v=666 where i=2").await.unwrap_err();
        bed.signal(1, Signal::SIGCONT);
        let value = until("the server to answer", || async {
            hands.server.position(SEC).await.map_err(|e| e.to_string())?;
            Ok(bed.root(1, "select v from t.a where i=2"))
        })
        .await;
        assert_eq!(value, "2");
        let fenced = hands.fence(&[vip()], SEC).await;
        assert!(fenced.complete(), "{fenced:?}");
    });
}

#[test]
fn a_server_killed_or_stopped_in_the_middle_of_a_fence() {
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        let bed = Bed::new(1);
        bed.on(1, || async {
            let hands = opened(&bed).await;
            // The update holds the fence up for its first 100 ms.
            let _slow = slow(&bed, &hands).await;
            let fault = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                bed.signal(1, signal);
            };
            let began = Instant::now();
            let vips = [vip()];
            let (fenced, ()) = tokio::join!(hands.fence(&vips, Span::ms(800)), fault);
            let took = began.elapsed();
            assert!(took < Duration::from_millis(1100), "{signal}: {took:?}");
            assert_eq!(fenced.vips_gone, [vip()]);
            match signal {
                Signal::SIGKILL => {
                    assert!(matches!(fenced.read_only, ReadOnly::ServerGone(_)), "{fenced:?}");
                }
                _ => assert!(matches!(fenced.read_only, ReadOnly::Failed(_)), "{fenced:?}"),
            }
            assert_eq!(fenced.complete(), signal == Signal::SIGKILL);
        });
    }
}

#[test]
fn a_writer_opens_with_a_lifetime_and_not_at_all_when_a_step_fails() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let hands = bed.hands(1).await;
        hands.server.set_read_only(true, SEC).await.unwrap();
        let began = Instant::now();
        hands.open(vip(), Some(30), LONG).await.unwrap();
        let took = began.elapsed();
        eprintln!("opened in {took:?}");
        assert!(took < Duration::from_millis(250), "{took:?}");
        let found = hands.addresses.list().await.unwrap();
        let found = found.iter().find(|found| found.ip == vip()).unwrap();
        assert!((28..=30).contains(&found.valid_left_secs.unwrap()), "{found:?}");
        bed.client(vip()).await.sql("update t.a set v=8 where i=2").await.unwrap();
        hands.drop_vip(vip()).await.unwrap();
        // A lifetime that is over: nothing stays open.
        hands.open(vip(), Some(0), LONG).await.unwrap_err();
        assert!(hands.server.is_read_only(SEC).await.unwrap());
        assert!(!hands.addresses.holds(vip()).await.unwrap());
        bed.signal(1, Signal::SIGSTOP);
        let began = Instant::now();
        hands.open(vip(), Some(30), Span::ms(400)).await.unwrap_err();
        let took = began.elapsed();
        assert!(took < Duration::from_millis(700), "{took:?}");
        assert!(!hands.addresses.holds(vip()).await.unwrap());
        bed.signal(1, Signal::SIGCONT);
    });
}

#[test]
fn a_server_killed_or_stopped_in_the_middle_of_a_freeze() {
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        let bed = Bed::new(1);
        bed.on(1, || async {
            let hands = opened(&bed).await;
            let _slow = slow(&bed, &hands).await;
            let fault = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                bed.signal(1, signal);
            };
            let began = Instant::now();
            let freeze = hands.freeze(vip(), Span::ms(100), true, Span::ms(800));
            let (frozen, ()) = tokio::join!(freeze, fault);
            let took = began.elapsed();
            let why = frozen.unwrap_err().why;
            assert!(took < Duration::from_millis(1100), "{signal}: {took:?}");
            // It cannot be undone on a server that does not answer, and that is said.
            assert!(why.contains("undoing it failed"), "{signal}: {why}");
            assert!(hands.addresses.holds(vip()).await.unwrap());
        });
    }
}

#[test]
fn clients_of_other_addresses_who_come_back_at_once_do_not_hold_up_a_freeze() {
    let bed = Bed::new(1);
    bed.on(1, || async {
        let hands = opened(&bed).await;
        let (stop, over) = (tokio::sync::Notify::new(), std::cell::Cell::new(0));
        let crowd = async {
            loop {
                tokio::select! {
                    () = stop.notified() => return,
                    client = bed.client_as(bed.ip(1), "app") => {
                        over.set(over.get() + u32::from(client.is_ok()));
                        drop(client);
                    }
                }
            }
        };
        let freeze = async {
            let began = Instant::now();
            let frozen = hands.freeze(vip(), Span::ms(200), false, LONG).await;
            stop.notify_one();
            (frozen, began.elapsed())
        };
        let ((frozen, took), ()) = tokio::join!(freeze, crowd);
        frozen.unwrap();
        assert!(took < Duration::from_millis(300), "{took:?}");
        assert!(over.get() > 0, "nobody came back");
    });
}
