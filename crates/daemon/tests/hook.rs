//! The kill-host program, really run: scripts that succeed, fail, hang, flood and leave children.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mmm_daemon::mond::hook::{Hooked, Hooks, run};
use mmm_proto::{HostName, Span};
use tempfile::TempDir;

const LIMIT: Span = Span::secs(5);

fn script(dir: &TempDir, text: &str) -> PathBuf {
    let path = dir.path().join("kill_host");
    // Closed before it is run: a file open for writing cannot be.
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Runs it; a file that another thread's fork still holds open for writing is tried again.
async fn ran(path: &Path, ping: bool, limit: Span) -> Result<String, String> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let result = run(path, "db1", ping, limit).await;
        match &result {
            Err(why) if why.contains("Text file busy") && Instant::now() < deadline => {}
            _ => return result,
        }
    }
}

#[tokio::test]
async fn it_gets_host_and_ping_and_its_last_words_are_kept() {
    let dir = TempDir::new().unwrap();
    let path = script(&dir, "echo one; echo two; echo \"$0 $# $1 $2\" >&2; echo three; echo four");
    let said = ran(&path, true, LIMIT).await.unwrap();
    assert!(said.contains("three | four"), "{said}");
    let path = script(&dir, "echo \"$# $1 $2\"; test -t 0 || cat");
    assert_eq!(ran(&path, false, LIMIT).await.unwrap(), "2 db1 0", "no input, no shell words");
}

#[tokio::test]
async fn a_failure_says_how_it_failed() {
    let dir = TempDir::new().unwrap();
    let path = script(&dir, "echo 'no such outlet' >&2; exit 3");
    let why = ran(&path, true, LIMIT).await.unwrap_err();
    assert_eq!(why, "it failed, exit status: 3: no such outlet");
    let why = ran(&dir.path().join("nothing"), true, LIMIT).await.unwrap_err();
    assert!(why.contains("cannot be run") && why.contains("chmod +x"), "{why}");
}

#[tokio::test]
async fn one_that_hangs_is_killed_with_its_children() {
    let dir = TempDir::new().unwrap();
    let pids = dir.path().join("pids");
    let text = format!("echo begun; sleep 600 & echo $! $$ > {}; wait", pids.display());
    let path = script(&dir, &text);
    let began = Instant::now();
    let why = ran(&path, true, Span::ms(700)).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(why, "it took longer than 700 ms and was killed: begun");
    let text = fs::read_to_string(&pids).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    for pid in text.split_whitespace() {
        let stat = Path::new("/proc").join(pid).join("stat");
        // A zombie waits for somebody else's reaper; it runs no more.
        let runs = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        while runs() {
            assert!(Instant::now() < deadline, "process {pid} still runs");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_flood_of_output_and_a_child_that_keeps_it_open_hold_up_nothing() {
    let dir = TempDir::new().unwrap();
    let path = script(&dir, "yes 0123456789 | head -c 3000000; sleep 30 & echo; echo done");
    let began = Instant::now();
    let said = ran(&path, true, Span::secs(20)).await.unwrap();
    assert!(said.ends_with("done") && said.len() <= 500, "{said}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_end_of_a_run_comes_back_and_a_run_without_a_program_is_answered() {
    let dir = TempDir::new().unwrap();
    let (tx, mut rx) = tokio::sync::mpsc::channel(4);
    let name = HostName::parse("db2").unwrap();
    let mut hooks = Hooks::new(Some(script(&dir, "echo \"$1 is off\"")), tx.clone());
    let deadline = Instant::now() + Duration::from_secs(10);
    let ended = loop {
        hooks.run(1, &name, false, LIMIT);
        let ended = next(&mut rx).await;
        if !ended.why.contains("Text file busy") || Instant::now() > deadline {
            break ended;
        }
    };
    assert_eq!(ended, Hooked { host: 1, ok: true, why: "db2 is off".to_owned() });
    let mut none = Hooks::new(None, tx);
    none.run(0, &name, true, LIMIT);
    let why = "it was not run: no kill_host_bin is configured".to_owned();
    assert_eq!(next(&mut rx).await, Hooked { host: 0, ok: false, why });
}

async fn next(rx: &mut tokio::sync::mpsc::Receiver<Hooked>) -> Hooked {
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, rx.recv()).await.expect("an end in time").expect("a sender")
}
