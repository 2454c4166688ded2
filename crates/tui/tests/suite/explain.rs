//! The text of `explain`, of the cluster, of hosts and of roles, and the ways to ask for it.

use mmm_proto::view::{ClaimView, HeardBy, PromiseView, WriterState};
use mmm_proto::{ClusterView, HostName, Wall};
use mmm_tui::app::msg::Key;
use mmm_tui::app::{Layer, Screen};
use mmm_tui::control::explain::explain;

use crate::console::Console;
use crate::sample;

fn text(view: &ClusterView, name: Option<&str>) -> String {
    let name = name.map(|name| HostName::parse(name).unwrap());
    let text = explain(view, name.as_ref()).unwrap();
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line:?}");
        assert_eq!(line, line.trim_end(), "{line:?}");
    }
    text
}

fn ahead(ms: i64) -> Option<Wall> {
    Some(Wall(sample::NOW.0 + ms))
}

/// The writer's host is lost, and its grant is not over.
fn vacant() -> ClusterView {
    let mut view = sample::view();
    view.writer.state = WriterState::Vacant;
    view.writer.host = None;
    view.writer.since = sample::ago(1);
    view.writer.why = "db1 may hold it for another 2.1 s".to_owned();
    view.writer.blocked = vec![
        sample::blocked(
            "db1 may still have it: its agent has been silent for 1.6 s",
            ahead(2_100),
            "its agent says that it has let go",
        ),
        sample::blocked(
            "the last attempt to give it to a host failed: the next one follows a pause",
            ahead(-5),
            "",
        ),
    ];
    let vip = &mut view.roles[0].vips[0];
    (vip.host, vip.seen_on) = (None, Vec::new());
    vip.claims = vec![ClaimView { host: sample::name("db1"), over: ahead(2_100).unwrap() }];
    let db1 = &mut view.hosts[0];
    db1.roles.pop();
    if let Some(ready) = &mut db1.readiness {
        ready.blockers =
            vec![sample::blocked("db1 is HARD_OFFLINE: ping fails", None, "ping answers again")];
    }
    let reader = &mut view.roles[1].vips[3];
    reader.host = None;
    "db4 is HARD_OFFLINE".clone_into(&mut reader.note);
    reader.blocked =
        vec![sample::blocked("db4 may still have it: its agent is silent", ahead(900), "")];
    view
}

#[test]
fn cluster() {
    insta::assert_snapshot!("explain_cluster", text(&sample::view(), None));
    insta::assert_snapshot!("explain_cluster_vacant", text(&vacant(), None));
}

#[test]
fn hosts() {
    let all: Vec<String> = ["db1", "db2", "db3", "db4"]
        .into_iter()
        .map(|host| text(&sample::view(), Some(host)))
        .collect();
    insta::assert_snapshot!("explain_hosts", all.join("\n"));
}

#[test]
fn roles() {
    let all: Vec<String> =
        ["writer", "reader"].into_iter().map(|role| text(&vacant(), Some(role))).collect();
    insta::assert_snapshot!("explain_roles", all.join("\n"));
}

#[test]
fn a_name_of_both_a_host_and_a_role_explains_both_and_an_unknown_one_names_the_known() {
    let mut view = sample::view();
    view.roles[1].name = sample::role("db2");
    let both = text(&view, Some("db2"));
    assert!(both.contains("Host db2: master") && both.contains("Role db2: balanced"), "{both}");
    let error = explain(&view, Some(&sample::name("db9"))).unwrap_err();
    let want = "Unknown name 'db9'! Hosts are db1, db2, db3, db4, db5; roles are writer, db2.";
    assert_eq!(error, want);
}

/// What an older monitor does not tell is left out, not made up.
#[test]
fn a_picture_of_an_older_monitor_is_explained_as_far_as_it_goes() {
    let mut view = sample::view();
    for host in &mut view.hosts {
        host.readiness = None;
    }
    view.actions.clear();
    let all = text(&view, None);
    assert!(!all.contains("next") && all.contains("db1 serves 192.168.0.50"), "{all}");
    assert!(!text(&view, Some("db2")).contains("as writer"));
}

#[test]
fn the_console_explains_in_its_detail_and_in_a_box() {
    let mut console = Console::live((80, 24));
    console.keys(":explain db2").key(Key::Enter);
    assert_eq!(console.model.screen, Screen::Detail(sample::name("db2")));
    console.keys(":explain writer").key(Key::Enter);
    assert_eq!(console.model.layer, Some(Layer::Explain(Some(sample::name("writer")))));
    insta::assert_snapshot!("explain_box_80x24", console.picture());
    console.model.size = (60, 12);
    let before = console.picture();
    console.keys("j");
    assert_ne!(console.picture(), before, "j scrolls");
    console.model.size = (80, 24);
    console.key(Key::Esc);
    assert_eq!(console.model.layer, None);
    console.keys(":explain db9").key(Key::Enter);
    let note = console.model.note.clone().expect("a refusal");
    assert!(note.text.starts_with("Unknown name 'db9'!"), "{note:?}");
    console.keys(":expl").key(Key::Tab);
    console.keys("rea").key(Key::Tab).key(Key::Enter);
    assert_eq!(console.model.layer, Some(Layer::Explain(Some(sample::name("reader")))));
}

#[test]
fn a_writer_that_only_a_peer_can_reach_is_explained_by_whose_word_it_serves() {
    let view = unseen();
    let all = text(&view, None);
    assert!(!all.contains("nobody serves"), "{all}");
    let parts = [None, Some("db1"), Some("db2"), Some("writer")];
    let parts: Vec<String> = parts.iter().map(|name| text(&view, *name)).collect();
    insta::assert_snapshot!("explain_unseen", parts.join("----\n"));
    let show = mmm_tui::control::show::show(&view);
    assert!(show.contains("# Warning: the monitor cannot reach db1; db2 can\n"), "{show}");
    let mut console = Console::live((80, 36));
    console.view(view);
    assert!(console.picture().contains("the monitor cannot reach db1; db2 can"));
    assert!(console.picture().contains("LIVE  writer db1"), "{}", console.picture());
    console.key(Key::Enter);
    insta::assert_snapshot!("detail_unseen_80x36", console.picture());
}

/// The monitor cannot reach the writer; db2 can, and has promised it the writer's VIP.
fn unseen() -> ClusterView {
    let mut view = sample::view();
    let words = "the monitor cannot reach db1; db2 can";
    view.attention.insert(0, words.to_owned());
    view.writer.why = words.to_owned();
    view.writer.blocked = vec![sample::blocked(
        &format!("{words}, and hears that it serves: nothing is moved"),
        None,
        "the monitor reaches it again",
    )];
    let (vip, reader) = (view.writer.vip, "192.168.0.51".parse().unwrap());
    let db1 = &mut view.hosts[0];
    db1.agent.reachable = false;
    db1.agent.heard = Some(sample::ago(7));
    db1.agent.trouble = "its agent cannot be reached: no answer".to_owned();
    db1.peers.relies = vec![vip];
    db1.peers.heard_by = vec![HeardBy {
        by: sample::name("db2"),
        at: Wall(sample::NOW.0 - 300),
        duty: "serving".to_owned(),
        server_up: true,
        vips: vec![vip, reader],
    }];
    let promise = PromiseView { to: sample::name("db1"), vip, over: Wall(sample::NOW.0 + 2_400) };
    view.hosts[1].peers.promises = vec![promise];
    view
}
