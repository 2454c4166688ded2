//! `mmm-mond demo` as a console sees it, and a monitor of real hosts that is asked to play.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mmm_daemon::auth::handshake;
use mmm_daemon::net::Conn;
use mmm_proto::console::{Answer, FromMonitor, RefusalCode, ToMonitor};
use mmm_proto::hello::{Hello, Program};
use mmm_proto::view::WriterState;
use mmm_proto::{ClusterName, ClusterView, Demo, Span, Verb};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::{until, within};

/// A monitor of some kind, ended when the test ends.
struct Monitor {
    child: Child,
    socket: PathBuf,
    folder: tempfile::TempDir,
}

impl Monitor {
    fn start(words: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("mond.sock");
        let child = Command::new(env!("CARGO_BIN_EXE_mmm-mond"))
            .args(words(folder.path()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, socket, folder }
    }

    fn demo(more: &[&str]) -> Self {
        let more: Vec<String> = more.iter().map(|word| (*word).to_owned()).collect();
        Self::start(|folder| {
            let socket = folder.join("mond.sock").display().to_string();
            [vec!["demo".to_owned(), "--socket".to_owned(), socket], more].concat()
        })
    }

    async fn console(&mut self) -> Conn {
        let (socket, child) = (self.socket.clone(), &mut self.child);
        let look = || (socket.exists(), child.try_wait().unwrap());
        until("the socket", look, |(there, _)| *there).await;
        let conn = Conn::dial_unix(&socket, Span::secs(1)).await.unwrap();
        let ours = Hello::new(Program::Console, ClusterName::parse("main").unwrap());
        handshake(conn, ours, Program::Monitor, None).await.unwrap().0
    }

    async fn ended(&mut self) -> Option<i32> {
        let child = &mut self.child;
        let status = until("its end", || child.try_wait().unwrap(), Option::is_some).await;
        status.and_then(|status| status.code())
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn picture(conn: &mut Conn, what: &str, good: impl Fn(&ClusterView) -> bool) -> ClusterView {
    let mut last = String::from("nothing");
    let wait = async {
        loop {
            if let FromMonitor::View { view } = conn.recv().await.unwrap().unwrap() {
                if good(&view) {
                    return *view;
                }
                last = format!("{:?} {:?}", view.writer, view.attention);
            }
        }
    };
    let found = tokio::time::timeout(std::time::Duration::from_secs(20), wait).await;
    found.unwrap_or_else(|_| panic!("no picture with {what} within 20 s; last seen: {last}"))
}

fn serves(view: &ClusterView, name: &str) -> bool {
    let host = view.writer.host.as_ref().map(mmm_proto::HostName::as_str);
    view.writer.state == WriterState::Serving && host == Some(name)
}

async fn answer(conn: &mut Conn, request: ToMonitor) -> Answer {
    within("to be asked", conn.send(&request)).await.unwrap();
    loop {
        let message = within("an answer", conn.recv::<FromMonitor>()).await.unwrap().unwrap();
        if let FromMonitor::Answer { answer, .. } = message
            && answer.is_final()
        {
            return answer;
        }
    }
}

fn fault(words: &str) -> ToMonitor {
    ToMonitor::Demo { id: 7, demo: Demo::Fault { what: words.to_owned() } }
}

#[tokio::test]
async fn a_demo_is_in_service_fails_over_and_leaves_no_socket() {
    let mut demo = Monitor::demo(&["--speed", "4"]);
    let mut conn = demo.console().await;
    conn.send(&ToMonitor::Subscribe { events_since: None }).await.unwrap();
    let (mut view, mut told) = (None, Vec::new());
    // They come in any order.
    within("the first picture and events", async {
        while view.is_none() || told.len() < 4 {
            match conn.recv().await.unwrap().unwrap() {
                FromMonitor::View { view: new } => view = Some(new),
                FromMonitor::Events { events, .. } => told.extend(events),
                _ => {}
            }
        }
    })
    .await;
    let view = view.unwrap();
    assert!(view.demo && serves(&view, "db1"), "{:?}", view.writer);
    assert!(view.roles.iter().all(|role| role.vips.iter().all(|vip| vip.host.is_some())));
    assert!(told.iter().any(|event| event.what == "press f"), "{told:?}");
    assert!(told.windows(2).all(|two| two[0].seq < two[1].seq), "{told:?}");

    let done = answer(&mut conn, fault("kill server db1")).await;
    assert!(matches!(&done, Answer::Done { text, .. } if text == "kill server db1"), "{done:?}");
    picture(&mut conn, "writer db2", |view| serves(view, "db2")).await;
    // An operator is answered by the simulated monitor, not by the demo.
    let verb = Verb::parse(&["move_role", "writer", "db1"]).unwrap();
    let refused = answer(&mut conn, ToMonitor::Run { id: 8, verb }).await;
    assert!(matches!(refused, Answer::Refused { .. }), "{refused:?}");
    let refused = answer(&mut conn, fault("kill server db6")).await;
    assert!(
        matches!(&refused, Answer::Refused { refusal } if refusal.reason.contains("db1 to db3")),
        "{refused:?}"
    );
    let list = answer(&mut conn, ToMonitor::Demo { id: 9, demo: Demo::Faults }).await;
    assert!(matches!(&list, Answer::Done { text, .. } if text.contains("cut writer")), "{list:?}");
    answer(&mut conn, ToMonitor::Demo { id: 10, demo: Demo::Calm }).await;
    let answers = |view: &ClusterView| {
        view.host("db1").is_some_and(|host| host.state != mmm_proto::HostState::HardOffline)
    };
    picture(&mut conn, "db1 there again", answers).await;
    // It may have written something that nobody else has; then a person rebuilds it.
    answer(&mut conn, fault("put back")).await;
    let online = |view: &ClusterView| {
        view.hosts.iter().all(|host| host.state == mmm_proto::HostState::Online)
    };
    picture(&mut conn, "all hosts ONLINE", online).await;

    kill(Pid::from_raw(demo.child.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(demo.ended().await, Some(0));
    assert!(!demo.socket.exists());
}

#[tokio::test]
async fn a_demo_ends_with_whoever_started_it() {
    let mut demo = Monitor::demo(&["--with-parent", "--hosts", "7"]);
    let mut conn = demo.console().await;
    conn.send(&ToMonitor::Subscribe { events_since: None }).await.unwrap();
    let view = picture(&mut conn, "7 hosts", |view| view.hosts.len() == 7).await;
    assert!(view.demo);
    drop(demo.child.stdin.take());
    assert_eq!(demo.ended().await, Some(0));
    assert!(!demo.socket.exists());
}

const REAL: &str = r#"
cluster_key = "0123456789abcdef0123456789abcdef"
active_master_role = "writer"
[monitor]
ping_ips = ["127.0.0.1"]
socket = "DIR/mond.sock"
status_path = "DIR/mond.status"
[host.default]
cluster_interface = "lo"
agent_port = 2
mysql_port = 1
agent_user = "a"
agent_password = "a"
monitor_user = "m"
monitor_password = "m"
replication_user = "r"
replication_password = "r"
[host.db1]
ip = "127.0.0.11"
mode = "master"
peer = "db2"
[host.db2]
ip = "127.0.0.12"
mode = "master"
peer = "db1"
[role.writer]
mode = "exclusive"
hosts = ["db1", "db2"]
ips = ["127.0.0.90"]
"#;

#[tokio::test]
async fn a_monitor_of_real_hosts_does_not_play() {
    use std::os::unix::fs::PermissionsExt;
    let mut real = Monitor::start(|folder| {
        let file = folder.join("mmm_mon.toml");
        let text = REAL.replace("DIR", &folder.display().to_string());
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        vec!["--config".to_owned(), file.display().to_string()]
    });
    let mut conn = real.console().await;
    for demo in [Demo::Calm, Demo::Faults] {
        let refused = answer(&mut conn, ToMonitor::Demo { id: 1, demo }).await;
        let Answer::Refused { refusal } = refused else { panic!("{refused:?}") };
        assert_eq!(refusal.code, RefusalCode::State);
        assert!(refusal.reason.starts_with("this is no demo"), "{}", refusal.reason);
    }
    assert!(real.folder.path().join("mond.status").exists());
}
