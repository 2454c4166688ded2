//! The real `mmm-tui` in a real pseudo-terminal that answers no query: start, the way of a plan,
//! restarts of the monitor, and every way out.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use mmm_proto::console::ToMonitor;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::fake_monitor::{FakeMonitor, PATIENCE, obedient, until};

pub(crate) const TUI: &str = env!("CARGO_BIN_EXE_mmm-tui");

pub(crate) struct Tty {
    master: Option<Box<dyn MasterPty + Send>>,
    pub(crate) child: Box<dyn Child + Send + Sync>,
    writer: Option<Box<dyn std::io::Write + Send>>,
    screen: Arc<Mutex<vt100::Parser>>,
    /// Every byte that the program wrote.
    all: Arc<Mutex<Vec<u8>>>,
    before: String,
    deaf: Arc<AtomicBool>,
}

impl Tty {
    /// Runs a command line in a terminal of 80x24.
    pub(crate) fn run(words: &[&str]) -> Self {
        Self::run_with(words, &[])
    }

    /// The same with these variables.
    pub(crate) fn run_with(words: &[&str], vars: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let before = settings(&*pair.master);
        let mut command = CommandBuilder::new(words[0]);
        command.args(&words[1..]);
        command.env("TERM", "xterm");
        command.env("TZ", "UTC");
        command.env("PS1", "prompt> ");
        command.env_remove("NO_COLOR");
        for (name, value) in vars {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(24, 80, 0)));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let feed = Arc::clone(&screen);
        let all = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&all);
        let deaf = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&deaf);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                log.lock().unwrap().extend_from_slice(&bytes[..count]);
                feed.lock().unwrap().process(&bytes[..count]);
                if stop.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        let writer = pair.master.take_writer().unwrap();
        Self { master: Some(pair.master), child, writer: Some(writer), screen, all, before, deaf }
    }

    fn console(monitor: &FakeMonitor) -> Self {
        let socket = monitor.socket();
        Self::run(&[TUI, "--ascii", "--socket", socket.to_str().unwrap()])
    }

    pub(crate) fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    pub(crate) fn written(&self) -> Vec<u8> {
        self.all.lock().unwrap().clone()
    }

    pub(crate) fn screen<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.screen.lock().unwrap().screen())
    }

    pub(crate) fn send(&mut self, keys: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    pub(crate) fn sees(&self, what: &str) -> String {
        until(&format!("the screen to show {what:?}"), || {
            let text = self.text();
            if text.contains(what) { Ok(text) } else { Err(format!("\n{text}")) }
        })
    }

    pub(crate) fn exits(&mut self) -> u32 {
        until("the program to end", || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status.exit_code()),
            other => Err(format!("{other:?}\n{}", self.text())),
        })
    }

    /// The terminal is as it was before the program came.
    pub(crate) fn is_restored(&self) {
        until("the terminal to be restored", || {
            let screen = self.screen.lock().unwrap();
            let screen = screen.screen();
            let now = settings(&**self.master.as_ref().unwrap());
            let odd = [
                ("alternate screen", screen.alternate_screen()),
                ("hidden cursor", screen.hide_cursor()),
                ("bracketed paste", screen.bracketed_paste()),
                ("other settings", now != self.before),
            ];
            let odd: Vec<_> = odd.iter().filter(|(_, is)| *is).collect();
            if odd.is_empty() { Ok(()) } else { Err(format!("{odd:?}")) }
        });
    }

    /// Stops reading what the program writes. The reader waits for more, so it is made to read
    /// something.
    fn stop_reading(&mut self) {
        self.deaf.store(true, Ordering::SeqCst);
        self.send("?");
        let feed = Arc::downgrade(&self.screen);
        until("the reader to go", || match feed.strong_count() {
            1 => Ok(()),
            count => Err(count.to_string()),
        });
    }

    /// Closes the terminal, which the reader would hold open.
    fn hang_up(&mut self) {
        self.stop_reading();
        self.writer = None;
        self.master = None;
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The terminal's settings, to compare.
fn settings(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios())
}

/// The processes whose command line has this socket in it and that are mmm-tui.
pub(crate) fn consoles(socket: &Path) -> Vec<i32> {
    let socket = socket.to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        if line.starts_with(TUI) && line.contains(socket) {
            found.push(pid);
        }
    }
    found
}

fn all_gone(socket: &Path) {
    until("every console to be gone", || match consoles(socket) {
        pids if pids.is_empty() => Ok(()),
        pids => Err(format!("{pids:?}")),
    });
}

#[test]
fn the_writer_is_moved_by_keys_and_the_terminal_is_left_clean() {
    let monitor = FakeMonitor::start(obedient);
    let mut tty = Tty::console(&monitor);
    tty.sees("> db1");
    let text = tty.sees("db4      ONLINE -> HARD_OFFLINE");
    assert!(text.contains("db3    slave  ! REPLICATION_DELAY  !4m12s"), "{text}");
    tty.send("jW");
    tty.sees("Plan 119: move writer db1 -> db2");
    // The dialog is deaf for half a second: Enter is thrown away, then refused, because nothing is
    // typed.
    until("the dialog to hear", || {
        if tty.text().contains("that is not \"db2\"; nothing was done") {
            return Ok(());
        }
        tty.send("\r");
        Err(tty.text())
    });
    let applies = || {
        let seen = monitor.seen().into_iter();
        seen.filter(|asked| matches!(asked, ToMonitor::Apply { .. })).count()
    };
    assert_eq!(applies(), 0);
    tty.send("db2");
    tty.sees("Enter:  db2_");
    tty.send("\r");
    tty.sees("OK: Role 'writer' has been moved");
    tty.sees("writer db2");
    assert_eq!(applies(), 1);
    tty.send("q");
    assert_eq!(tty.exits(), 0);
    tty.is_restored();
    tty.sees("shop-prod ACTIVE writer db2; db3 REPLICATION_DELAY");
}

#[test]
fn a_signal_leaves_the_terminal_clean() {
    for (signal, exit) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let monitor = FakeMonitor::start(obedient);
        let mut tty = Tty::console(&monitor);
        tty.sees("> db1");
        let pid = i32::try_from(tty.child.process_id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
        assert_eq!(tty.exits(), exit);
        tty.is_restored();
        tty.sees("shop-prod ACTIVE writer db1");
    }
}

#[test]
fn the_console_outlives_its_monitor_and_comes_back() {
    let mut monitor = FakeMonitor::start(obedient);
    let mut tty = Tty::console(&monitor);
    // The events come after the picture, and the console asks for what follows the last of them.
    tty.sees("db4      ONLINE -> HARD_OFFLINE");
    monitor.down();
    tty.sees("# NO LINK");
    tty.send("jW");
    tty.sees("W is off: the picture is");
    monitor.listen();
    let began = Instant::now();
    tty.sees("LIVE");
    assert!(began.elapsed() < PATIENCE);
    let resumed = ToMonitor::Subscribe { events_since: Some(6) };
    // The screen may know of the link before the monitor has read what is asked on it.
    until("the events since then to be asked for", || match monitor.seen() {
        seen if seen.contains(&resumed) => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    tty.send("\x03");
    assert_eq!(tty.exits(), 0);
    tty.is_restored();
}

#[test]
fn a_monitor_that_comes_late_is_waited_for() {
    let mut monitor = FakeMonitor::start(obedient);
    monitor.down();
    let mut tty = Tty::console(&monitor);
    tty.sees("CONNECTING");
    tty.sees("no such file");
    monitor.listen();
    tty.sees("> db1");
    tty.send("q");
    assert_eq!(tty.exits(), 0);
}

#[test]
fn after_a_hang_up_no_process_is_left() {
    let monitor = FakeMonitor::start(obedient);
    let socket = monitor.socket();
    let command = format!("{TUI} --ascii --socket {}", socket.display());
    // The leader of the session keeps the hang-up to itself, passes it on, or nobody may hear it.
    let wrapped = [
        format!("trap : HUP; {command}; true"),
        format!("{command}; true"),
        format!("trap '' HUP; {command}; true"),
    ];
    for line in wrapped {
        let mut tty = Tty::run(&["/bin/bash", "--norc", "-c", &line]);
        tty.sees("> db1");
        assert_eq!(consoles(&socket).len(), 1, "{line}");
        tty.hang_up();
        all_gone(&socket);
    }
}

#[test]
fn ctrl_z_gives_the_shell_back_and_fg_the_picture() {
    let monitor = FakeMonitor::start(obedient);
    let socket = monitor.socket();
    let mut tty = Tty::run(&["/bin/bash", "--norc", "--noprofile", "--noediting", "-i"]);
    tty.sees("prompt> ");
    tty.send(&format!("{TUI} --ascii --socket {}\r", socket.display()));
    tty.sees("> db1");
    tty.send("\x1a");
    tty.sees("Stopped");
    until("the alternate screen to go", || {
        let screen = tty.screen.lock().unwrap();
        if screen.screen().alternate_screen() { Err("still there".to_owned()) } else { Ok(()) }
    });
    let before = monitor.seen().len();
    tty.send("fg\r");
    tty.sees("> db1");
    until("a fresh picture to be asked for", || {
        let seen = monitor.seen();
        let fresh = seen[before..].iter().any(|asked| matches!(asked, ToMonitor::Snapshot { .. }));
        if fresh { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    tty.send("q");
    tty.sees("shop-prod ACTIVE writer db1");
    all_gone(&socket);
    tty.send("exit\r");
    tty.exits();
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let output =
        Command::new(TUI).args(["--socket", "/nonexistent"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("use `mmm-control show`"), "{err}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_new_size_is_drawn_at_once_without_asking_the_terminal_anything() {
    let monitor = FakeMonitor::start(obedient);
    let mut tty = Tty::console(&monitor);
    tty.sees("io sql ok");
    let size = PtySize { rows: 16, cols: 60, pixel_width: 0, pixel_height: 0 };
    tty.screen.lock().unwrap().screen_mut().set_size(16, 60);
    tty.master.as_ref().unwrap().resize(size).unwrap();
    let text = tty.sees("W R1");
    assert!(!text.contains("io sql"), "{text}");
    // Cut in two by a slow line, an arrow is still an arrow and its last letter does not act.
    tty.send("\x1b");
    tty.send("[B");
    tty.sees("> db2");
    tty.send("q");
    assert_eq!(tty.exits(), 0);
}

#[test]
fn a_terminal_that_takes_nothing_does_not_hold_up_the_end() {
    let monitor = FakeMonitor::start(obedient);
    let mut tty = Tty::console(&monitor);
    tty.sees("> db1");
    tty.stop_reading();
    // Each Ctrl-L is a whole picture of some kilobytes, far more than a terminal buffers.
    tty.send(&"\x0c".repeat(200));
    let pid = i32::try_from(tty.child.process_id().unwrap()).unwrap();
    let (mut last, mut still) = (String::new(), 0);
    until("the console to be stuck in writing", || {
        let now = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
        let written = now.lines().find(|line| line.starts_with("wchar")).unwrap();
        still = if written == last { still + 1 } else { 0 };
        last = written.to_owned();
        if still > 20 { Ok(()) } else { Err(last.clone()) }
    });
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    assert_eq!(tty.exits(), 143);
}
