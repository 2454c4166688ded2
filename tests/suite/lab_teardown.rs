//! A lab leaves nothing behind: not after an end in order, a panic, or the death of its process.
use std::path::PathBuf;
use std::time::Duration;

use lab::wait::until;
use lab::{Options, net, sweep};

use crate::support::lab;

const SOON: Duration = Duration::from_secs(10);

/// Everything on this machine that carries the lab's name.
fn traces(id: &str) -> Vec<String> {
    let mut found = net::list(id);
    let folder = sweep::base().join(id);
    found.extend(folder.exists().then(|| folder.display().to_string()));
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        found.extend(line.contains(&format!("{id}/")).then_some(line));
    }
    found
}

#[test]
fn nothing_is_left_after_an_orderly_end() {
    let one = lab(&Options { servers: 2, ..Options::default() });
    let id = one.id().to_owned();
    assert!(traces(&id).len() > 6, "the search itself works: {:?}", traces(&id));
    one.server("db2").unwrap().freeze().unwrap();
    drop(one);
    assert_eq!(traces(&id), Vec::<String>::new());
}

#[test]
fn nothing_is_left_after_a_panic() {
    let id = std::sync::Mutex::new(String::new());
    let panicked = std::panic::catch_unwind(|| {
        let lab = lab(&Options { servers: 2, ..Options::default() });
        lab.id().clone_into(&mut id.lock().unwrap());
        let _observer = lab.observe().unwrap();
        let _writer = lab.start_writer().unwrap();
        let _fault = lab.isolate("db1").unwrap();
        panic!("on purpose: what a failing test does");
    });
    assert!(panicked.is_err());
    let id = id.into_inner().unwrap();
    assert!(!id.is_empty());
    assert_eq!(traces(&id), Vec::<String>::new());
}

#[test]
fn sweep_removes_what_a_killed_lab_left_and_spares_live_ones() {
    let live = lab(&Options { servers: 1, ..Options::default() });
    // The number of a process that is surely gone: ours to end and to reap.
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let id = format!("{}{}-1", sweep::PREFIX, child.id());
    // A namespace with a process in it, and a folder, as a kill -9 of a test leaves them.
    let net = net::Net::up(&id, &[("db1", [10, 77, 0, 11].into())]).unwrap();
    let mut sleeper = net.host("db1").unwrap().command("sleep").arg("600").spawn().unwrap();
    std::mem::forget(net);
    until("the process to be inside", SOON, || {
        let name = std::fs::read_to_string(format!("/proc/{}/comm", sleeper.id())).unwrap();
        if name == "sleep\n" { Ok(()) } else { Err(name) }
    })
    .unwrap();
    let folder: PathBuf = sweep::base().join(&id);
    std::fs::create_dir(&folder).unwrap();

    let removed = sweep::sweep().unwrap();
    assert_eq!(removed.len(), 3, "{removed:?}");
    assert_eq!(traces(&id), Vec::<String>::new());
    let status = sleeper.wait().unwrap();
    assert!(!status.success(), "it was ended: {status}");
    let rows = live.server("db1").unwrap().value("SELECT COUNT(*) FROM app.t").unwrap();
    assert_eq!(rows, "0", "the live lab is as it was");
}
