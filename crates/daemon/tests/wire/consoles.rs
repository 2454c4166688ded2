//! Consoles: what they see, what they may, how many, and what a slow one costs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mmm_daemon::auth::handshake;
use mmm_daemon::clock::Clock;
use mmm_daemon::mond::consoles::{ConsoleEvent, ConsoleHub, ConsoleSettings, ConsoleTcp};
use mmm_daemon::net::{Conn, UnixAccess};
use mmm_proto::console::{Answer, FromMonitor, RefusalCode, ToMonitor};
use mmm_proto::event::Level;
use mmm_proto::hello::{Hello, Program};
use mmm_proto::view::{WriterState, WriterView};
use mmm_proto::{ClusterName, ClusterView, Event, MonitorMode, RoleName, Span, Verb, Wall};
use tokio::sync::mpsc;

use crate::kit::{Raw, anywhere, hello, host, until, within};

struct Bed {
    hub: ConsoleHub,
    asked: mpsc::Receiver<ConsoleEvent>,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

fn bed() -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mond.sock");
    let settings = ConsoleSettings {
        hello: hello(Program::Monitor),
        socket: Some((path.clone(), UnixAccess { mode: 0o660, group: None })),
        tcp: Some(ConsoleTcp { addr: anywhere(), key: None, insecure: false }),
        group: "mmm".to_owned(),
    };
    let (tx, asked) = mpsc::channel(8);
    let hub = ConsoleHub::start(settings, tx).unwrap();
    Bed { hub, asked, path, _folder: folder }
}

impl Bed {
    async fn console(&self) -> (Conn, Hello) {
        let conn = Conn::dial_unix(&self.path, Span::secs(1)).await.unwrap();
        handshake(conn, hello(Program::Console), Program::Monitor, None).await.unwrap()
    }

    async fn asked(&mut self) -> ConsoleEvent {
        within("a request", self.asked.recv()).await.unwrap()
    }
}

fn view(generation: u64, padding: usize) -> Arc<ClusterView> {
    Arc::new(ClusterView {
        cluster: ClusterName::parse("shop").unwrap(),
        demo: false,
        generation,
        term: 1,
        now: Wall(0),
        started: Wall(0),
        version: "0".to_owned(),
        mode: MonitorMode::Active,
        mode_cause: String::new(),
        mode_ends: None,
        votes: Vec::new(),
        held: "x".repeat(padding),
        writer: WriterView {
            role: RoleName::parse("writer").unwrap(),
            vip: "10.0.0.1".parse().unwrap(),
            state: WriterState::Vacant,
            host: None,
            since: Wall(0),
            why: String::new(),
            blocked: Vec::new(),
        },
        hosts: Vec::new(),
        roles: Vec::new(),
        running: None,
        last: None,
        attention: Vec::new(),
        actions: Vec::new(),
        // Something happened.
        last_event: generation,
    })
}

fn event(seq: u64) -> Event {
    Event {
        seq,
        at: Wall(0),
        level: Level::Info,
        subject: "db1".to_owned(),
        what: "x".to_owned(),
        why: String::new(),
        by: None,
        plan: None,
        took: None,
    }
}

async fn next(conn: &mut Conn) -> FromMonitor {
    within("a message", conn.recv()).await.unwrap().expect("the monitor lives")
}

/// The next message other than a beat.
async fn news(conn: &mut Conn) -> FromMonitor {
    loop {
        match next(conn).await {
            FromMonitor::Beat { .. } => {}
            message => return message,
        }
    }
}

const SUBSCRIBE: ToMonitor = ToMonitor::Subscribe { events_since: None };

#[tokio::test]
async fn a_console_sees_the_picture_the_events_and_a_beat() {
    let bed = bed();
    bed.hub.publish(view(1, 0));
    bed.hub.events((1..=3).map(event).collect());
    let (mut console, theirs) = bed.console().await;
    let you = theirs.you.unwrap();
    assert!(you.may_act && you.why_not.is_empty() && !you.name.is_empty(), "{you:?}");
    console.send(&ToMonitor::Subscribe { events_since: Some(2) }).await.unwrap();
    let (mut pictures, mut seqs) = (0, Vec::new());
    while pictures == 0 || seqs.is_empty() {
        match news(&mut console).await {
            FromMonitor::View { view } => pictures += view.generation,
            FromMonitor::Events { events, skipped: 0 } => seqs.extend(events.iter().map(|e| e.seq)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((pictures, seqs), (1, vec![3]));
    bed.hub.events(vec![event(4)]);
    let told = news(&mut console).await;
    assert!(
        matches!(&told, FromMonitor::Events { events, skipped: 0 } if events[0].seq == 4),
        "{told:?}"
    );
    bed.hub.publish(view(2, 0));
    assert!(matches!(news(&mut console).await, FromMonitor::View { view } if view.generation == 2));
    let FromMonitor::Beat { generation: 2, now } = next(&mut console).await else {
        panic!("no beat")
    };
    assert!(now > Wall(1_700_000_000_000));
    bed.hub.close("the monitor stops").await;
    assert_eq!(
        news(&mut console).await,
        FromMonitor::Error { why: "the monitor stops".to_owned() }
    );
    assert!(within("the end", console.recv::<FromMonitor>()).await.unwrap().is_none());
    assert!(!bed.path.exists());
}

#[tokio::test]
async fn of_many_pictures_a_console_gets_the_newest_and_few() {
    let bed = bed();
    let (mut console, _) = bed.console().await;
    console.send(&SUBSCRIBE).await.unwrap();
    console.send(&ToMonitor::Snapshot { id: 1 }).await.unwrap();
    // The answer shows that the subscription was read.
    let FromMonitor::Answer { id: 1, answer: Answer::Refused { refusal } } =
        news(&mut console).await
    else {
        panic!("no answer");
    };
    assert!(refusal.reason.contains("no picture yet"), "{refusal:?}");
    let began = Clock.now();
    let mut seen = Vec::new();
    for generation in 1..=200 {
        bed.hub.publish(view(generation, 0));
        tokio::task::yield_now().await;
        if generation == 1 {
            seen.push(news(&mut console).await);
            assert!(
                Clock.now().since(began) < Span::ms(90),
                "the first picture was not sent at once"
            );
        }
    }
    loop {
        let message = news(&mut console).await;
        let done = matches!(&message, FromMonitor::View { view } if view.generation == 200);
        seen.push(message);
        if done {
            break;
        }
    }
    let allowed = 2 + Clock.now().since(began).0 / 100;
    assert!(seen.len() as u64 <= allowed, "{} pictures, {allowed} allowed", seen.len());
}

#[tokio::test]
async fn while_nothing_happens_a_picture_comes_with_each_beat() {
    let bed = bed();
    bed.hub.publish(view(1, 0));
    let (mut console, _) = bed.console().await;
    console.send(&SUBSCRIBE).await.unwrap();
    let picture = |message: &FromMonitor| match message {
        FromMonitor::View { view } => Some((view.now, view.generation)),
        _ => None,
    };
    assert_eq!(picture(&news(&mut console).await), Some((Wall(0), 1)));
    // Twenty pictures a second in which only time passes, over three beats.
    let aged = |ms: i64, generation| {
        let mut view = view(generation, 0).as_ref().clone();
        view.now = Wall(ms);
        Arc::new(view)
    };
    let (mut seen, mut beats, mut made) = (Vec::new(), 0, 0);
    let mut every = tokio::time::interval(Duration::from_millis(50));
    while beats < 3 {
        tokio::select! {
            _ = every.tick() => {
                made += 1;
                bed.hub.publish(aged(made, 1));
            }
            message = next(&mut console) => match picture(&message) {
                Some((now, _)) => {
                    // The newest, before the beat.
                    assert!(now.0 + 2 >= made, "{now:?} of {made}");
                    seen.push(now);
                }
                None => {
                    beats += 1;
                    assert_eq!(seen.len(), beats, "{message:?}");
                }
            }
        }
    }
    assert!(made >= 30, "{made}");
    // What happens does not wait for the beat.
    let happened = Clock.now();
    bed.hub.publish(aged(made + 1, 2));
    assert_eq!(picture(&next(&mut console).await), Some((Wall(made + 1), 2)));
    assert!(Clock.now().since(happened) < Span::ms(300));
}

#[tokio::test]
async fn requests_go_up_and_answers_come_down_to_who_asked() {
    let mut bed = bed();
    let (mut one, _) = bed.console().await;
    let (mut two, _) = bed.console().await;
    let run = ToMonitor::Run { id: 5, verb: Verb::SetOffline { host: host("db1") } };
    two.send(&run).await.unwrap();
    let ConsoleEvent::Asked { console, who, request } = bed.asked().await else {
        panic!("not asked")
    };
    assert_eq!((request, who.may_act), (run, true));
    let done = Answer::Done { text: "fine".to_owned(), took: Span::ms(1) };
    bed.hub.answer(console, 5, done.clone());
    assert_eq!(news(&mut two).await, FromMonitor::Answer { id: 5, answer: done });
    bed.hub.publish(view(9, 0));
    one.send(&ToMonitor::Snapshot { id: 6 }).await.unwrap();
    let answer = news(&mut one).await;
    let FromMonitor::Answer { id: 6, answer: Answer::Snapshot { view: snapshot } } = &answer else {
        panic!("no snapshot: {answer:?}")
    };
    assert_eq!(snapshot.generation, 9);
    drop(two);
    assert_eq!(bed.asked().await, ConsoleEvent::Left { console });
    bed.hub.answer(console, 5, Answer::Started { plan: 1 });
}

#[tokio::test]
async fn who_may_only_look_is_refused_here() {
    let mut bed = bed();
    let conn = Conn::dial_tcp(bed.hub.tcp().unwrap(), Span::secs(1), Span::secs(5)).await.unwrap();
    let (mut console, theirs) =
        handshake(conn, hello(Program::Console), Program::Monitor, None).await.unwrap();
    let you = theirs.you.unwrap();
    assert_eq!((you.name.as_str(), you.may_act), ("tcp 127.0.0.1", false));
    let verb = Verb::SetOnline { host: host("db1") };
    for (id, request) in [
        (1, ToMonitor::Run { id: 1, verb: verb.clone() }),
        (2, ToMonitor::Apply { id: 2, plan: 1, generation: 1 }),
        (3, ToMonitor::Stop { id: 3, plan: 1 }),
    ] {
        console.send(&request).await.unwrap();
        let FromMonitor::Answer { id: got, answer: Answer::Refused { refusal } } =
            news(&mut console).await
        else {
            panic!("not refused");
        };
        assert_eq!((got, refusal.code), (id, RefusalCode::Forbidden));
        assert_eq!(refusal.reason, you.why_not);
    }
    for request in [ToMonitor::Plan { id: 4, verb }, ToMonitor::Run { id: 5, verb: Verb::Show }] {
        console.send(&request).await.unwrap();
        let asked = bed.asked().await;
        let ConsoleEvent::Asked { request: up, who, .. } = &asked else { panic!("{asked:?}") };
        assert!(*up == request && !who.may_act, "{asked:?}");
    }
}

#[tokio::test]
async fn a_console_of_another_wire_version_is_let_in_to_look() {
    let bed = bed();
    let conn = Conn::dial_unix(&bed.path, Span::secs(1)).await.unwrap();
    let mut newer = hello(Program::Console);
    (newer.protocol, newer.oldest) = (9, 8);
    let (mut console, _) = handshake(conn, newer, Program::Monitor, None).await.unwrap();
    let verb = Verb::SetOnline { host: host("db1") };
    console.send(&ToMonitor::Run { id: 1, verb }).await.unwrap();
    let FromMonitor::Answer { answer: Answer::Refused { refusal }, .. } = news(&mut console).await
    else {
        panic!("not refused");
    };
    let why = "monitor speaks 1, this console 9: looking works, acting does not (upgrade the \
               monitor)";
    assert_eq!((refusal.code, refusal.reason.as_str()), (RefusalCode::Forbidden, why));
    bed.hub.publish(view(1, 0));
    console.send(&SUBSCRIBE).await.unwrap();
    assert!(matches!(news(&mut console).await, FromMonitor::View { view } if view.generation == 1));
}

#[tokio::test]
async fn an_open_door_without_protection_is_not_opened() {
    let settings = ConsoleSettings {
        hello: hello(Program::Monitor),
        socket: None,
        tcp: Some(ConsoleTcp { addr: "0.0.0.0:0".parse().unwrap(), key: None, insecure: false }),
        group: "mmm".to_owned(),
    };
    let error = ConsoleHub::start(settings, mpsc::channel(1).0).unwrap_err();
    assert!(error.contains("set cluster_key, or insecure = true"), "{error}");
}

#[tokio::test]
async fn sixty_four_consoles_are_served_and_the_next_is_told() {
    let bed = bed();
    bed.hub.publish(view(1, 0));
    let mut all = Vec::new();
    for _ in 0..64 {
        let (mut console, _) = bed.console().await;
        console.send(&SUBSCRIBE).await.unwrap();
        all.push(console);
    }
    until("64 consoles", || bed.hub.count(), |count| *count == 64).await;
    for console in &mut all {
        assert!(matches!(news(console).await, FromMonitor::View { .. }));
    }
    let conn = Conn::dial_unix(&bed.path, Span::secs(1)).await.unwrap();
    let error =
        handshake(conn, hello(Program::Console), Program::Monitor, None).await.err().unwrap();
    assert!(error.contains("64 consoles are connected already"), "{error}");
    all.pop();
    until("63 consoles", || bed.hub.count(), |count| *count == 63).await;
    bed.console().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_that_does_not_read_is_dropped_and_delays_nobody() {
    let bed = bed();
    let (mut deaf, _) = bed.console().await;
    deaf.send(&SUBSCRIBE).await.unwrap();
    let (mut good, _) = bed.console().await;
    good.send(&SUBSCRIBE).await.unwrap();
    let (mut worst, mut generation) = (Span::ZERO, 0);
    let began = Clock.now();
    while bed.hub.count() > 1 || generation < 10 {
        generation += 1;
        let published = Clock.now();
        assert!(published.since(began) < Span::secs(12), "the deaf console is still there");
        bed.hub.publish(view(generation, 300_000));
        bed.hub.events(vec![event(generation)]);
        loop {
            match news(&mut good).await {
                FromMonitor::View { view } if view.generation == generation => break,
                _ => {}
            }
        }
        worst = worst.max(Clock.now().since(published));
    }
    // One picture each tenth of a second, and what it takes to encode it in a debug build.
    assert!(worst < Span::ms(400), "a picture was {worst} late");
    drop(deaf);
}

#[tokio::test]
async fn a_flood_of_requests_is_paused_and_a_bad_line_ends_only_its_console() {
    let bed = bed();
    let mut raw = Raw::greet(bed.hub.tcp().unwrap(), Program::Console).await;
    raw.write(b"{\"kind\":\"dance\"}\n").await;
    let answer = raw.kind("error").await;
    assert!(answer["why"].as_str().unwrap().contains("unknown message kind"), "{answer}");
    // Nobody takes requests here, so the channel of 8 and the socket fill up; nothing grows.
    let flood = b"{\"kind\":\"run\",\"id\":1,\"verb\":{\"verb\":\"show\"}}\n".repeat(1000);
    let paused = tokio::time::timeout(Duration::from_millis(500), async {
        loop {
            raw.write(&flood).await;
        }
    });
    assert!(paused.await.is_err());
    let mut bad = Raw::greet(bed.hub.tcp().unwrap(), Program::Console).await;
    bad.write(b"show\n").await;
    let why = bad.refusal().await;
    assert!(why.contains("a line is not a message"), "{why}");
    until("one console", || bed.hub.count(), |count| *count == 1).await;
}
