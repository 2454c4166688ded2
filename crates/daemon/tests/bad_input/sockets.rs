//! The part of the table that goes over sockets: an agent's listener and a monitor's console hub on
//! loopback, and a peer that sends what it likes. Nothing of it may reach a core.

use std::net::SocketAddr;
use std::time::Duration;

use mmm_daemon::agentd::link::{Listening, MonitorEvent, MonitorLinkSettings, MonitorLinks};
use mmm_daemon::agentd::peers::{PeerLinks, PeerSettings};
use mmm_daemon::auth::ClusterKey;
use mmm_daemon::mond::consoles::{ConsoleEvent, ConsoleHub, ConsoleSettings, ConsoleTcp};
use mmm_proto::hello::{Hello, Program};
use mmm_proto::{ClusterName, HostName, Span};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Row, check};

/// No step of a conversation on loopback takes longer.
const LIMIT: Duration = Duration::from_secs(10);

/// A good hello of a monitor, of a console.
const MONITOR: &str = concat!(
    r#"{"kind":"hello","protocol":1,"oldest":1,"program":"monitor","#,
    r#""cluster":"shop","version":"0"}"#
);
const CONSOLE: &str = concat!(
    r#"{"kind":"hello","protocol":1,"oldest":1,"program":"console","#,
    r#""cluster":"shop","version":"0"}"#
);

/// A kind that nobody knows: who answers it is still there.
const PROBE: &str = r#"{"kind":"are_you_there"}"#;

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn hello(program: Program) -> Hello {
    Hello::new(program, ClusterName::parse("shop").unwrap())
}

async fn agent(key: Option<&str>) -> (MonitorLinks, mpsc::Receiver<MonitorEvent>, SocketAddr) {
    let mut own = hello(Program::Agent);
    own.host = Some(HostName::parse("db1").unwrap());
    let (key, silence) = (key.map(ClusterKey::new), Span::secs(5));
    let of_peers = PeerSettings { hello: own.clone(), key: key.clone(), silence };
    let peers = PeerLinks::start(Vec::new(), of_peers, mpsc::channel(8).0);
    let settings = MonitorLinkSettings { addr: anywhere(), hello: own, key, peers, silence };
    let (tx, rx) = mpsc::channel(256);
    let links = MonitorLinks::start(settings, tx);
    let mut listening = links.listening();
    let on = listening.wait_for(|now| matches!(now, Listening::On(_)));
    let on = timeout(LIMIT, on).await.expect("it listens").unwrap().clone();
    let Listening::On(addr) = on else { unreachable!() };
    (links, rx, addr)
}

fn monitor(insecure: bool) -> (ConsoleHub, mpsc::Receiver<ConsoleEvent>, SocketAddr) {
    let tcp = ConsoleTcp { addr: anywhere(), key: None, insecure };
    let settings = ConsoleSettings {
        hello: hello(Program::Monitor),
        socket: None,
        tcp: Some(tcp),
        group: "mmm".to_owned(),
    };
    let (tx, rx) = mpsc::channel(256);
    let hub = ConsoleHub::start(settings, tx).unwrap();
    let addr = hub.tcp().unwrap();
    (hub, rx, addr)
}

/// What an answer says to people; none for lines that are no answer.
fn said(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).unwrap();
    match line["kind"].as_str().unwrap() {
        "error" => Some(line["why"].as_str().unwrap().to_owned()),
        "answer" => {
            let refusal = &line["answer"]["refusal"];
            let (code, reason) = (refusal["code"].as_str()?, refusal["reason"].as_str()?);
            Some(format!("refused ({code}): {reason}"))
        }
        _ => None,
    }
}

/// Sends the lines, then asks whether the other side is still there; what it said and how it ended.
async fn talk(name: &'static str, addr: SocketAddr, lines: &[&str]) -> Row {
    let (from, mut to) = TcpStream::connect(addr).await.unwrap().into_split();
    let mut from = BufReader::new(from).lines();
    let bytes = lines.join("\n").into_bytes();
    let open = lines.last().is_some_and(|line| *line == PROBE);
    let writing = tokio::spawn(async move {
        // The other side may hang up in the middle.
        let _ = to.write_all(&bytes).await;
        let _ = to.write_all(b"\n").await;
        to
    });
    let mut answer = Vec::new();
    let end = loop {
        let line = timeout(LIMIT, from.next_line()).await.expect("a word or an end");
        match line {
            Ok(Some(line)) => answer.extend(said(&line)),
            Ok(None) | Err(_) => break "the connection closes",
        }
        if open && answer.last().is_some_and(|line| line.contains("are_you_there")) {
            answer.pop();
            break "the connection goes on";
        }
    };
    answer.push(end.to_owned());
    drop(writing.await.unwrap());
    let own = lines.iter().filter(|line| ![MONITOR, CONSOLE, PROBE].contains(line));
    let mut input = own.copied().collect::<Vec<_>>().join("  ");
    if input.is_empty() {
        lines[0].clone_into(&mut input);
    }
    Row::new(name, input, answer)
}

#[tokio::test]
async fn an_agent_refuses_broken_lines() {
    let (_links, mut heard, addr) = agent(None).await;
    let (_keyed, mut kept, closed) = agent(Some("s3cr3t-0123456789abcdef")).await;
    let giant = "x".repeat(2 * 1024 * 1024);
    let cut = "{\"kind\":\"order\",\"id\":1,";
    let order = |seq: i64, step: &str| {
        let stamp = format!("{{\"term\":1,\"seq\":{seq}}}");
        format!("{{\"kind\":\"order\",\"id\":1,\"stamp\":{stamp},\"limit\":9,\"step\":{step}}}")
    };
    let look = order(-4, r#"{"step":"look"}"#);
    let step = order(4, r#"{"step":"reboot"}"#);
    let fetch = order(4, r#"{"step":"fetch","from":"db 3","to":""}"#);
    let gtid = order(4, r#"{"step":"catch_up","to":"0-1"}"#);
    let future = MONITOR.replace("\"protocol\":1,\"oldest\":1", "\"protocol\":9,\"oldest\":8");
    let past = MONITOR.replace("\"protocol\":1,\"oldest\":1", "\"protocol\":0,\"oldest\":0");
    let blog = MONITOR.replace("shop", "blog");
    let other = MONITOR.replace("\"version\"", "\"host\":\"db2\",\"version\"");
    let nonce = MONITOR.replace("\"version\"", "\"nonce\":\"beef\",\"version\"");
    let full =
        MONITOR.replace("\"version\"", &format!("\"nonce\":\"{}\",\"version\"", "ab".repeat(32)));
    let proof = r#"{"kind":"proof","proof":"00"}"#;
    let rows = [
        talk("silence instead of a hello", addr, &[""]).await,
        talk("garbage instead of a hello", addr, &["GET / HTTP/1.1"]).await,
        talk("an order before the hello", addr, &[&look]).await,
        talk("a proof before the hello", addr, &[proof]).await,
        talk("a console", addr, &[CONSOLE, PROBE]).await,
        talk("a monitor of the future", addr, &[&future]).await,
        talk("a monitor of the past", addr, &[&past]).await,
        talk("another cluster", addr, &[&blog]).await,
        talk("another host was meant", addr, &[&other]).await,
        talk("no cluster key", closed, &[MONITOR, PROBE]).await,
        talk("a cluster key that is not expected", addr, &[&full]).await,
        talk("a nonce that is none", closed, &[&nonce]).await,
        talk("another cluster key", closed, &[&full, proof]).await,
        talk("half a message", addr, &[MONITOR, cut]).await,
        talk("a line of 2 MiB", addr, &[MONITOR, &giant]).await,
        talk("an unknown kind", addr, &[MONITOR, "{\"kind\":\"dance\"}", PROBE]).await,
        talk("a negative number", addr, &[MONITOR, &look]).await,
        talk("an unknown step", addr, &[MONITOR, &step]).await,
        talk("a host that is no name", addr, &[MONITOR, &fetch]).await,
        talk("a position that is none", addr, &[MONITOR, &gtid]).await,
    ];
    check("agent", &rows);
    while let Ok(event) = heard.try_recv() {
        assert!(!matches!(event, MonitorEvent::Said { .. }), "{event:?}");
    }
    assert!(kept.try_recv().is_err(), "nobody was let in without the key");
}

#[tokio::test]
async fn a_monitor_refuses_broken_lines_of_consoles() {
    let (hub, mut asked, addr) = monitor(true);
    let (_looking, mut never, dim) = monitor(false);
    let giant = format!("{{\"kind\":\"snapshot\",\"pad\":\"{}\"}}", "x".repeat(2 << 20));
    let run = |verb: &str| format!("{{\"kind\":\"run\",\"id\":1,\"verb\":{verb}}}");
    let host = run(r#"{"verb":"set_offline","host":"db1; reboot"}"#);
    let long = run(&format!("{{\"verb\":\"set_offline\",\"host\":\"{}\"}}", "d".repeat(65)));
    let verb = run(r#"{"verb":"explode"}"#);
    let ip = run(r#"{"verb":"set_ip","ip":"10.0.0.256","host":"db1"}"#);
    let check_ = run(r#"{"verb":"checks","host":null,"check":"pong"}"#);
    let offline = run(r#"{"verb":"set_offline","host":"db1"}"#);
    let apply = r#"{"kind":"apply","id":2,"plan":-1,"generation":1}"#;
    let early = r#"{"kind":"snapshot","id":1}"#;
    let blog = CONSOLE.replace("shop", "blog");
    let rows = [
        talk("garbage instead of a hello", addr, &["\u{16}\u{3}\u{1}"]).await,
        talk("a request before the hello", addr, &[early]).await,
        talk("another cluster", addr, &[&blog]).await,
        talk("an agent", addr, &[&CONSOLE.replace("console", "agent")]).await,
        talk("a cluster that is no name", addr, &[&CONSOLE.replace("shop", "my shop")]).await,
        talk("an unknown kind", addr, &[CONSOLE, "{\"kind\":\"reboot\"}", PROBE]).await,
        talk("no JSON", addr, &[CONSOLE, "set_offline db1"]).await,
        talk("a host that is no name", addr, &[CONSOLE, &host]).await,
        talk("a host with too long a name", addr, &[CONSOLE, &long]).await,
        talk("an unknown verb", addr, &[CONSOLE, &verb]).await,
        talk("an address that is none", addr, &[CONSOLE, &ip]).await,
        talk("an unknown check", addr, &[CONSOLE, &check_]).await,
        talk("a negative plan", addr, &[CONSOLE, apply]).await,
        talk("a line of 2 MiB", addr, &[CONSOLE, &giant]).await,
        talk("a picture before there is one", addr, &[CONSOLE, early, PROBE]).await,
        talk("an act by one who may only look", dim, &[CONSOLE, &offline, PROBE]).await,
    ];
    check("consoles", &rows);
    while let Ok(event) = asked.try_recv() {
        assert!(matches!(event, ConsoleEvent::Left { .. }), "{event:?}");
    }
    while let Ok(event) = never.try_recv() {
        assert!(matches!(event, ConsoleEvent::Left { .. }), "{event:?}");
    }
    drop(hub);
}
