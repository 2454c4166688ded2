//! Introductions: who is let in, who is not, and whether both sides learn why.

use mmm_daemon::auth::{handshake, handshake_with};
use mmm_daemon::clock::Clock;
use mmm_daemon::net::{Conn, Listener, NetError, UnixAccess};
use mmm_proto::agent::ToAgent;
use mmm_proto::hello::{First, Hello, Program};
use mmm_proto::line::encode;
use mmm_proto::{ClusterName, Span};

use crate::kit::{Raw, SILENCE, anywhere, hello, pair, within};

type Outcome = Result<Hello, String>;

/// Lets a monitor and an agent introduce themselves.
async fn shake(
    monitor: (Hello, Option<&[u8]>),
    agent: (Hello, Option<&[u8]>),
) -> (Outcome, Outcome) {
    let (a, b) = pair().await;
    tokio::join!(
        meet(a, monitor.0, Program::Agent, monitor.1),
        meet(b, agent.0, Program::Monitor, agent.1),
    )
}

/// A side that was through before the other refused is told next.
async fn meet(conn: Conn, own: Hello, expected: Program, key: Option<&[u8]>) -> Outcome {
    let (mut conn, theirs) = handshake(conn, own, expected, key).await?;
    match conn.reader.recv_within(Span::ms(100)).await {
        Ok(Some(First::Error { why })) => Err(why),
        _ => Ok(theirs),
    }
}

#[tokio::test]
async fn those_who_belong_together_meet() {
    for key in [None, Some(b"geheim".as_slice())] {
        let monitor = (hello(Program::Monitor), key);
        let (a, b) = shake(monitor, (hello(Program::Agent), key)).await;
        assert_eq!(a.unwrap().program, Program::Agent);
        assert_eq!(b.unwrap().nonce.is_some(), key.is_some());
    }
}

#[tokio::test]
async fn those_who_do_not_part_and_both_know_why() {
    let mut blog = hello(Program::Agent);
    blog.cluster = ClusterName::parse("blog").unwrap();
    let mut newer = hello(Program::Agent);
    (newer.protocol, newer.oldest) = (9, 9);
    let agent = || hello(Program::Agent);
    let (one, two) = (Some(b"one".as_slice()), Some(b"two".as_slice()));
    for (agent, ours, theirs, wants) in [
        (blog, None, None, "check `cluster` in both"),
        (newer, None, None, "upgrade the monitor"),
        (hello(Program::Console), None, None, "check address and port"),
        (agent(), one, two, "another cluster_key"),
        (agent(), one, None, "set the same cluster_key on both"),
        (agent(), None, two, "set the same cluster_key on both"),
    ] {
        let (a, b) = shake((hello(Program::Monitor), ours), (agent, theirs)).await;
        let (a, b) = (a.unwrap_err(), b.unwrap_err());
        // One of them refuses in these words; the other refuses too, or is told.
        assert!(a.contains(wants) || b.contains(wants), "{wants:?}: {a:?}, {b:?}");
        for why in [&a, &b] {
            assert!(!why.contains("closed without a word"), "{a:?}, {b:?}");
            assert!(!why.contains("one\"") && !why.contains("two\""), "{why}");
        }
    }
}

#[tokio::test]
async fn an_agent_that_was_not_meant_says_who_it_is() {
    let (a, b) = pair().await;
    let mut ours = hello(Program::Monitor);
    ours.host = Some(crate::kit::host("db1"));
    let look = |theirs: &Hello| match &theirs.host {
        Some(wanted) => Err(format!("this is db2, you dialled {wanted}: check ip of {wanted}")),
        None => Ok(()),
    };
    let (a, _) = tokio::join!(
        handshake(a, ours, Program::Agent, None),
        handshake_with(b, hello(Program::Agent), Program::Monitor, None, look),
    );
    // The monitor has its own look at names; here it took none, so it was through, and is told next.
    let told = match a {
        Ok((mut conn, _)) => match conn.recv::<First>().await.unwrap().unwrap() {
            First::Error { why } => why,
            other => panic!("{other:?}"),
        },
        Err(why) => why,
    };
    assert!(told.contains("this is db2, you dialled db1: check ip of db1"), "{told}");
}

/// An agent's side of a handshake with a key, for a raw peer.
async fn guard() -> (Raw, tokio::task::JoinHandle<Outcome>) {
    let listener = Listener::tcp(anywhere(), SILENCE).unwrap();
    let addr = listener.addr().unwrap();
    let task = tokio::spawn(async move {
        let conn = listener.accept().await;
        let done = handshake(conn, hello(Program::Agent), Program::Monitor, Some(b"geheim")).await;
        done.map(|(_, hello)| hello)
    });
    (Raw::dial(addr).await, task)
}

#[tokio::test]
async fn a_proof_that_is_sent_back_proves_nothing() {
    let (mut raw, task) = guard().await;
    let mut mine = hello(Program::Monitor);
    mine.nonce = Some("ab".repeat(32));
    raw.write(encode(&First::Hello(mine)).unwrap().as_bytes()).await;
    let theirs = raw.line().await;
    assert_eq!(theirs["nonce"].as_str().unwrap().len(), 64);
    let proof = raw.line().await;
    assert_eq!(proof["kind"], "proof");
    raw.write(format!("{proof}\n").as_bytes()).await;
    let why = raw.refusal().await;
    assert!(why.contains("another cluster_key"), "{why}");
    task.await.unwrap().unwrap_err();

    let (mut raw, task) = guard().await;
    let nonce = raw.line().await["nonce"].as_str().unwrap().to_owned();
    let mut mine = hello(Program::Monitor);
    mine.nonce = Some(nonce);
    raw.write(encode(&First::Hello(mine)).unwrap().as_bytes()).await;
    let why = raw.refusal().await;
    assert!(why.contains("our own sent back"), "{why}");
    task.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn nonsense_instead_of_a_hello_is_answered_and_ended() {
    let hello_twice = {
        let mut mine = hello(Program::Monitor);
        mine.nonce = Some("ab".repeat(32));
        encode(&First::Hello(mine)).unwrap().repeat(2).into_bytes()
    };
    let short_nonce = {
        let mut mine = hello(Program::Monitor);
        mine.nonce = Some("ab".to_owned());
        encode(&First::Hello(mine)).unwrap().into_bytes()
    };
    for (bytes, wants) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "not a message"),
        (b"\xff\xfe\x00\n".to_vec(), "not UTF-8"),
        (b"{\"kind\":\"hello\"}\n".to_vec(), "not a message"),
        (b"{\"kind\":\"dance\"}\n".to_vec(), "unknown message kind"),
        (b"{\"kind\":\"proof\",\"proof\":\"00\"}\n".to_vec(), "must be a hello"),
        (hello_twice, "must be a proof"),
        (short_nonce, "32 bytes"),
    ] {
        let (mut raw, task) = guard().await;
        raw.write(&bytes).await;
        let why = raw.refusal().await;
        assert!(why.contains(wants), "{wants:?}: {why}");
        assert_eq!(task.await.unwrap().unwrap_err(), why);
    }
}

#[tokio::test]
async fn half_a_hello_is_not_waited_for_for_ever() {
    let (mut raw, task) = guard().await;
    let began = Clock.now();
    raw.write(b"{\"kind\":\"hello\",").await;
    let why = raw.refusal().await;
    assert!(why.contains("no monitor introduced itself within 3.0 s"), "{why}");
    let took = Clock.now().since(began);
    assert!(took >= Span::ms(2900) && took < Span::secs(5), "{took}");
    task.await.unwrap().unwrap_err();
    let (raw, task) = guard().await;
    drop(raw);
    let why = within("the end", task).await.unwrap().unwrap_err();
    assert!(why.contains("closed without a word") || why.contains("broke"), "{why}");
}

#[tokio::test]
async fn a_line_that_is_cut_off_is_no_orderly_end() {
    let listener = Listener::tcp(anywhere(), SILENCE).unwrap();
    let mut raw = Raw::dial(listener.addr().unwrap()).await;
    let mut conn = listener.accept().await;
    raw.write(b"{\"kind\":\"err").await;
    drop(raw);
    let error = conn.recv::<ToAgent>().await.unwrap_err();
    assert!(matches!(error, NetError::CutOff), "{error}");
}

#[tokio::test]
async fn a_socket_has_its_mode_and_a_dead_ones_file_is_replaced() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/mond.sock");
    let access = UnixAccess { mode: 0o660, group: None };
    let listener = Listener::unix(&path, &access).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o660);
    let error = Listener::unix(&path, &access).unwrap_err();
    assert!(error.contains("stop it first"), "{error}");
    let (dialled, accepted) =
        tokio::join!(Conn::dial_unix(&path, Span::secs(1)), listener.accept());
    drop((dialled.unwrap(), accepted));
    drop(listener);
    assert!(!path.exists());
    // A killed monitor leaves its file.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    drop(Listener::unix(&path, &access).unwrap());
    std::fs::write(&path, "precious").unwrap();
    let error = Listener::unix(&path, &access).unwrap_err();
    assert!(error.contains("is not a socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}
