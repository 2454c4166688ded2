//! Agents with each other: a link on which one side has nothing to say stays up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mmm_daemon::agentd::link::{Listening, MonitorLinkSettings, MonitorLinks};
use mmm_daemon::agentd::peers::{PeerAddress, PeerLinks, PeerSaid, PeerSettings};
use mmm_daemon::auth::ClusterKey;
use mmm_proto::hello::Program;
use mmm_proto::peer::{Answer, PeerMessage};
use mmm_proto::{Span, Time};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::kit::{anywhere, hello, host, within};

const SILENCE: Span = Span::ms(600);

fn links(name: &str, others: &[(&str, SocketAddr)]) -> (PeerLinks, mpsc::Receiver<PeerSaid>) {
    let mut hello = hello(Program::Agent);
    hello.host = Some(host(name));
    let settings = PeerSettings { hello, key: Some(ClusterKey::new("geheim")), silence: SILENCE };
    let address = |(name, addr): &(&str, SocketAddr)| PeerAddress { host: host(name), addr: *addr };
    let (tx, rx) = mpsc::channel(64);
    (PeerLinks::start(others.iter().map(address).collect(), settings, tx), rx)
}

/// A way to `to` that counts the connections made through it.
async fn counted(to: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let (addr, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counting = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            counting.fetch_add(1, Ordering::SeqCst);
            let mut there = TcpStream::connect(to).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut from, &mut there).await });
        }
    });
    (addr, count)
}

#[tokio::test]
async fn a_link_on_which_one_side_has_nothing_to_say_stays_up() {
    let (peers, mut heard) = links("db2", &[("db1", anywhere())]);
    let (tx, _monitors) = mpsc::channel(8);
    let mut theirs = hello(Program::Agent);
    theirs.host = Some(host("db2"));
    let key = Some(ClusterKey::new("geheim"));
    let settings =
        MonitorLinkSettings { addr: anywhere(), hello: theirs, key, peers, silence: SILENCE };
    let door = MonitorLinks::start(settings, tx);
    let mut listening = door.listening();
    let on = within("listening", listening.wait_for(|l| matches!(l, Listening::On(_)))).await;
    let Listening::On(addr) = *on.unwrap() else { unreachable!() };
    let (way, connections) = counted(addr).await;
    let (dialler, mut back) = links("db1", &[("db2", way)]);
    // Nothing is dialled before something is to be said; db2 never has anything to say.
    let answer = |clock| {
        let (promised, refused) = (Vec::new(), Vec::new());
        PeerMessage::Answer(Answer { echo: Time(clock), promised, refused })
    };
    dialler.say(&host("db2"), &answer(1));
    let began = Instant::now();
    let mut signs = 0;
    while began.elapsed() < Duration::from(SILENCE) * 4 {
        let (from, said) = within("a sign of life", back.recv()).await.unwrap();
        assert_eq!((from, said), (host("db2"), PeerMessage::Alive {}));
        signs += 1;
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1, "{signs} signs of life");
    dialler.say(&host("db2"), &answer(2));
    let heard_answer = async {
        loop {
            let (_, said) = heard.recv().await.unwrap();
            if said == answer(2) {
                break;
            }
        }
    };
    within("what is said on the old link", heard_answer).await;
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}
