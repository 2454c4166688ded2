//! Monitor and agents: links that carry, break, are silent, overflow, and come back.

use std::net::SocketAddr;
use std::sync::Arc;

use mmm_daemon::agentd::link::{Listening, MonitorEvent, MonitorLinkSettings, MonitorLinks};
use mmm_daemon::agentd::peers::{PeerLinks, PeerSettings};
use mmm_daemon::auth::ClusterKey;
use mmm_daemon::clock::Clock;
use mmm_daemon::mond::agents::{AgentAddress, AgentLinkSettings, AgentLinks, LinkEvent};
use mmm_proto::agent::{
    Duty, FromAgent, Grant, Order, Replicate, Report, Server, Stamp, Step, ToAgent, Want,
};
use mmm_proto::hello::Program;
use mmm_proto::peer::Askable;
use mmm_proto::{HostState, Span, Time};
use tokio::sync::mpsc;

use crate::kit::{Raw, SILENCE, anywhere, hello, host, within};

type Heard<T> = mpsc::Receiver<T>;

async fn agent(
    name: &str,
    key: Option<&str>,
    addr: SocketAddr,
    silence: Span,
) -> (MonitorLinks, Heard<MonitorEvent>, SocketAddr) {
    let mut hello = hello(Program::Agent);
    hello.host = Some(host(name));
    let key = key.map(ClusterKey::new);
    let (tx, rx) = mpsc::channel(8);
    let of_peers = PeerSettings { hello: hello.clone(), key: key.clone(), silence };
    let peers = PeerLinks::start(Vec::new(), of_peers, mpsc::channel(8).0);
    let settings = MonitorLinkSettings { addr, hello, key, peers, silence };
    let links = MonitorLinks::start(settings, tx);
    let mut listening = links.listening();
    let on = within("listening", listening.wait_for(|l| matches!(l, Listening::On(_)))).await;
    let Listening::On(addr) = *on.unwrap() else { unreachable!() };
    (links, rx, addr)
}

fn monitor(agents: &[(&str, SocketAddr)], key: Option<&str>) -> (AgentLinks, Heard<LinkEvent>) {
    let agents = agents.iter().map(|(name, addr)| AgentAddress { host: host(name), addr: *addr });
    let key = key.map(ClusterKey::new);
    let settings = AgentLinkSettings { hello: hello(Program::Monitor), key, silence: SILENCE };
    let (tx, rx) = mpsc::channel(64);
    (AgentLinks::start(agents.collect(), &settings, &tx), rx)
}

async fn next<T>(rx: &mut Heard<T>) -> T {
    within("an event", rx.recv()).await.expect("the links live")
}

async fn down(rx: &mut Heard<LinkEvent>) -> String {
    match next(rx).await {
        LinkEvent::Down { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

fn grant(seq: u64) -> ToAgent {
    ToAgent::Grant(Grant {
        stamp: Stamp { term: 1, seq },
        echo: Time(5),
        ttl: Span::secs(3),
        heartbeat: Span::ms(500),
        want: Arc::new(Want {
            state: HostState::Online,
            holds: Vec::new(),
            active_master: None,
            replicate: Replicate::AsIs,
            ask: Askable::default().into(),
            prepared: Vec::new(),
        }),
    })
}

fn report(clock: u64) -> FromAgent {
    FromAgent::Report(Arc::new(Report {
        clock: Time(clock),
        boot_id: "x".into(),
        uptime: Span::secs(9),
        seen: Stamp::default(),
        vips: Vec::new(),
        duty: Duty::None,
        grant_left: None,
        server: Server::unknown(),
        doing: Vec::new(),
        troubles: Vec::new(),
        cannot_open: String::new(),
        ended: String::new(),
        served: Stamp::default(),
        ask: Askable::default().into(),
        relies: Vec::new(),
        promises: Vec::new(),
        forgetful: false,
        peers: Vec::new(),
    }))
}

#[tokio::test]
async fn grants_go_there_and_reports_come_back_and_a_restart_is_survived() {
    let (links, mut heard, addr) = agent("db1", Some("geheim"), anywhere(), SILENCE).await;
    let (monitor, mut told) = monitor(&[("db1", addr)], Some("geheim"));
    let up = next(&mut told).await;
    assert!(
        matches!(&up, LinkEvent::Up { hello, .. } if hello.host == Some(host("db1"))),
        "{up:?}"
    );
    let MonitorEvent::Up { link, .. } = next(&mut heard).await else { panic!("no Up") };
    let order = ToAgent::Order(Order {
        id: 7,
        stamp: Stamp { term: 1, seq: 2 },
        limit: Span::secs(1),
        step: Step::Look,
    });
    for message in [grant(1), order] {
        let before = Clock.now();
        monitor.send(&host("db1"), message.clone()).unwrap();
        let MonitorEvent::Said { at, message: said, .. } = next(&mut heard).await else {
            panic!("not said")
        };
        assert_eq!(said, message);
        assert!(at >= before);
    }
    links.send(link, report(1)).unwrap();
    links.broadcast(&report(2));
    let LinkEvent::Said { message, .. } = next(&mut told).await else { panic!("not said") };
    // The second may have taken the place of the first.
    if message == report(1) {
        let LinkEvent::Said { message, .. } = next(&mut told).await else { panic!("not said") };
        assert_eq!(message, report(2));
    } else {
        assert_eq!(message, report(2));
    }
    drop(links);
    let why = down(&mut told).await;
    assert!(why.starts_with(&format!("agent db1 at {addr}: ")), "{why}");
    let error = monitor.send(&host("db1"), grant(3)).unwrap_err().to_string();
    assert_eq!(error, "the agent on db1 is not connected");
    let error = monitor.send(&host("db9"), grant(3)).unwrap_err().to_string();
    assert_eq!(error, "no host db9 is configured");
    let _again = agent("db1", Some("geheim"), addr, SILENCE).await;
    loop {
        match next(&mut told).await {
            LinkEvent::Up { .. } => break,
            LinkEvent::Down { why, .. } => {
                assert!(why.contains("is mmm-agentd running there?"), "{why}");
            }
            other @ LinkEvent::Said { .. } => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_wrong_host_or_key_is_told_once_and_others_go_on() {
    let (_two, _heard, two) = agent("db2", Some("geheim"), anywhere(), SILENCE).await;
    let (_three, _heard3, three) = agent("db3", Some("other"), anywhere(), SILENCE).await;
    let (_monitor, mut told) =
        monitor(&[("db1", two), ("db2", two), ("db3", three)], Some("geheim"));
    let (mut up, mut wrong_host, mut wrong_key) = (false, false, false);
    while !(up && wrong_host && wrong_key) {
        match next(&mut told).await {
            LinkEvent::Up { host: name, .. } => {
                // An agent with another key may let us in for the moment until it has seen our
                // proof.
                assert_ne!(name, host("db1"));
                up |= name == host("db2");
            }
            LinkEvent::Down { host: name, why, .. } if name == host("db1") => {
                assert!(why.contains("db2") && why.contains("check ip of db1"), "{why}");
                wrong_host = true;
            }
            LinkEvent::Down { host: name, why, .. } if name == host("db3") => {
                assert!(why.contains("cluster_key"), "{why}");
                wrong_key = true;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_agent_says_which_host_it_is_when_it_was_not_meant() {
    let (_links, _heard, addr) = agent("db2", None, anywhere(), SILENCE).await;
    let mut raw = Raw::dial(addr).await;
    let mut mine = hello(Program::Monitor);
    mine.host = Some(host("db1"));
    let first = mmm_proto::hello::First::Hello(mine);
    raw.write(mmm_proto::line::encode(&first).unwrap().as_bytes()).await;
    assert_eq!(raw.refusal().await, "this is db2, you dialled db1: check ip of db1");
}

#[tokio::test]
async fn unknown_kinds_are_answered_and_bad_lines_end_only_their_link() {
    let (links, mut heard, addr) = agent("db1", None, anywhere(), SILENCE).await;
    let mut good = Raw::greet(addr, Program::Monitor).await;
    let mut bad = Raw::greet(addr, Program::Monitor).await;
    for _ in 0..2 {
        assert!(matches!(next(&mut heard).await, MonitorEvent::Up { .. }));
    }
    bad.write(b"{\"kind\":\"dance\"}\n").await;
    let answer = bad.line().await;
    assert!(answer["why"].as_str().unwrap().contains("unknown message kind \"dance\""), "{answer}");
    bad.write(b"{\"kind\":\"grant\"\n").await;
    let why = bad.refusal().await;
    assert!(why.contains("a line is not a message"), "{why}");
    let gone = next(&mut heard).await;
    assert!(
        matches!(&gone, MonitorEvent::Down { why, .. } if why.contains("not a message")),
        "{gone:?}"
    );
    // Half a line waits for its other half.
    let line = mmm_proto::line::encode(&grant(4)).unwrap();
    let (one, two) = line.as_bytes().split_at(20);
    good.write(one).await;
    links.broadcast(&report(1));
    assert_eq!(good.line().await["kind"], "report");
    good.write(two).await;
    let said = next(&mut heard).await;
    assert!(
        matches!(&said, MonitorEvent::Said { message, .. } if *message == grant(4)),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_line_of_two_mebibytes_ends_its_link_with_a_word() {
    let (_links, mut heard, addr) = agent("db1", None, anywhere(), SILENCE).await;
    let raw = Raw::greet(addr, Program::Monitor).await;
    let Raw { from, mut to } = raw;
    let flood = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        // The other side may hang up on it.
        let _ = to.write_all(&vec![b'x'; 2 * 1024 * 1024]).await;
        to
    });
    let mut line = String::new();
    let mut from = from;
    within("an error", tokio::io::AsyncBufReadExt::read_line(&mut from, &mut line)).await.unwrap();
    assert!(line.contains("longer than 1048576 bytes"), "{line}");
    assert!(matches!(next(&mut heard).await, MonitorEvent::Up { .. }));
    assert!(matches!(next(&mut heard).await, MonitorEvent::Down { .. }));
    drop(flood.await.unwrap());
}

#[tokio::test]
async fn who_says_nothing_is_given_up() {
    let silence = Span::ms(300);
    let (_links, mut heard, addr) = agent("db1", None, anywhere(), silence).await;
    let _raw = Raw::greet(addr, Program::Monitor).await;
    let MonitorEvent::Up { at: up, .. } = next(&mut heard).await else { panic!("no Up") };
    let MonitorEvent::Down { at, why, .. } = next(&mut heard).await else { panic!("no Down") };
    assert_eq!(why, "nothing was heard within 300 ms");
    let took = at.since(up);
    assert!(took >= Span::ms(290) && took < Span::secs(2), "{took}");
}

#[tokio::test]
async fn who_does_not_read_loses_its_link_and_nobody_waits() {
    let (links, mut heard, addr) = agent("db1", None, anywhere(), Span::secs(60)).await;
    let _deaf = Raw::greet(addr, Program::Monitor).await;
    let MonitorEvent::Up { link, .. } = next(&mut heard).await else { panic!("no Up") };
    let why = "x".repeat(500_000);
    let news = FromAgent::News { subject: "s".to_owned(), what: "w".to_owned(), why };
    let began = Clock.now();
    let mut sent = 0;
    let refused = loop {
        sent += 1;
        match links.send(link, news.clone()) {
            Ok(()) => assert!(sent < 2000, "the outbox has no bound"),
            Err(closed) => break closed,
        }
    };
    assert!(refused.to_string().contains("not read"), "{refused}");
    let MonitorEvent::Down { why, .. } = next(&mut heard).await else { panic!("no Down") };
    assert!(why.contains("256 messages wait"), "{why}");
    let took = Clock.now().since(began);
    assert!(took < Span::secs(3), "{took}");
}

#[tokio::test]
async fn a_ninth_monitor_is_told_that_there_are_eight() {
    let (_links, _heard, addr) = agent("db1", None, anywhere(), Span::secs(60)).await;
    let mut all = Vec::new();
    for _ in 0..8 {
        all.push(Raw::greet(addr, Program::Monitor).await);
    }
    let (links, mut told) = monitor(&[("db1", addr)], None);
    let why = loop {
        // Whoever is let in before the count is known is told right after.
        if let LinkEvent::Down { why, .. } = next(&mut told).await {
            break why;
        }
    };
    assert!(why.contains("8 monitors are connected already") || why.contains("closed"), "{why}");
    drop((links, all));
}
