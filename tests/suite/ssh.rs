//! `--ssh` with the real programs: a real `sshd`, a real `ssh`, a real monitor behind its socket.
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::daemons::binary;
use lab::meter::{Line, Meter};
use lab::simulated::Played;
use lab::sshd::{Sshd, relays};
use lab::wait::until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PATIENCE: Duration = Duration::from_secs(30);

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn control(way: &[String], words: &[&str]) -> Said {
    let mut command = Command::new(binary("mmm-control").unwrap());
    let done = command.args(way).args(words).stdin(Stdio::null()).output().unwrap();
    Said {
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

fn console(way: &[String]) -> Meter {
    let mut args = vec!["--ascii"];
    args.extend(way.iter().map(String::as_str));
    let vars = [("TZ", "UTC")];
    Meter::open(&binary("mmm-tui").unwrap(), &args, &vars, (80, 24), Line::default()).unwrap()
}

/// Neither an `ssh` here nor a relay there is left.
fn nothing_left(sshd: &Sshd, socket: &Path) {
    let left =
        until("ssh and relay to be gone", PATIENCE, || match (sshd.clients(), relays(socket)) {
            (ssh, relay) if ssh.is_empty() && relay.is_empty() => Ok(()),
            left => Err(format!("{left:?}")),
        });
    left.unwrap();
}

/// The children of a process that ended and were not reaped.
fn zombies(parent: i32) -> Vec<String> {
    let children = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        let mut words = rest.split_whitespace();
        let (state, ours) = (words.next()?, words.next()?.parse() == Ok(parent));
        (ours && state == "Z").then_some(stat)
    });
    children.collect()
}

#[test]
fn a_console_lives_on_a_way_through_ssh_and_outlives_its_loss() {
    let demo = Played::start(&[]).unwrap();
    let mut sshd = Sshd::start().unwrap();
    let mut tui = console(&sshd.to(&demo.socket()).unwrap());
    let live = |screen: &str| screen.contains(" LIVE") && screen.contains("> db1");
    tui.wait("a live picture", PATIENCE, live).unwrap();
    assert!(tui.text().contains("db3"), "{}", tui.text());
    assert_eq!((sshd.clients().len(), relays(&demo.socket()).len()), (1, 1));
    for _ in 0..2 {
        sshd.kill().unwrap();
        tui.wait("the loss", PATIENCE, |screen| screen.contains("# NO LINK")).unwrap();
        let refused = |screen: &str| screen.contains("Retry") && screen.contains("ssh");
        tui.wait("the reason", PATIENCE, refused).unwrap();
        // The line at the bottom has room for what the second one cuts.
        let whole = |screen: &str| {
            let mut lines = screen.lines();
            lines.any(|line| line.starts_with(" link: ") && line.contains("Connection refused"))
        };
        tui.wait("the whole reason", PATIENCE, whole).unwrap();
        sshd.again().unwrap();
        tui.wait("a live picture again", PATIENCE, live).unwrap();
    }
    // A way that lets nothing through is given up after ten seconds of silence.
    sshd.freeze_sessions(true).unwrap();
    tui.wait("the doubt", PATIENCE, |screen| screen.contains("? STALE")).unwrap();
    tui.wait("the loss", PATIENCE, |screen| screen.contains("# NO LINK")).unwrap();
    tui.wait("a live picture again", PATIENCE, live).unwrap();
    sshd.freeze_sessions(false).unwrap();
    let pid = i32::try_from(tui.pid().unwrap()).unwrap();
    until("dead children to be reaped", PATIENCE, || match zombies(pid) {
        dead if dead.is_empty() => Ok(()),
        dead => Err(format!("{dead:?}")),
    })
    .unwrap();
    assert_eq!(sshd.clients().len(), 1, "one link, one ssh");
    tui.keys("q").unwrap();
    assert_eq!(tui.ended(PATIENCE).unwrap(), 0);
    nothing_left(&sshd, &demo.socket());
}

#[test]
fn a_hang_up_or_a_kill_leaves_no_ssh_behind() {
    let demo = Played::start(&[]).unwrap();
    let sshd = Sshd::start().unwrap();
    let way = sshd.to(&demo.socket()).unwrap();
    let live = |screen: &str| screen.contains(" LIVE");
    let mut tui = console(&way);
    tui.wait("a live picture", PATIENCE, live).unwrap();
    tui.hang_up(PATIENCE).unwrap();
    nothing_left(&sshd, &demo.socket());
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let mut tui = console(&way);
        tui.wait("a live picture", PATIENCE, live).unwrap();
        kill(Pid::from_raw(i32::try_from(tui.pid().unwrap()).unwrap()), signal).unwrap();
        tui.ended(PATIENCE).unwrap();
        nothing_left(&sshd, &demo.socket());
    }
}

#[test]
fn mmm_control_asks_through_ssh_and_is_known_by_its_account_there() {
    let demo = Played::start(&[]).unwrap();
    let sshd = Sshd::start().unwrap();
    let way = sshd.to(&demo.socket()).unwrap();
    let shown = control(&way, &["show"]);
    assert_eq!((shown.code, shown.err.as_str()), (0, ""), "{}", sshd.tail());
    assert_eq!(shown.out, demo.control(&["show"]).unwrap());
    let moved = control(&way, &["--json", "move_role", "writer", "db2"]);
    assert_eq!(moved.code, 0, "{}{}", moved.out, moved.err);
    let told = demo.control(&["events", "--subject", "writer"]).unwrap();
    let (user, _) = sshd.place().split_once('@').map(|(a, b)| (a.to_owned(), b.len())).unwrap();
    assert!(told.contains(&user), "the move is {user}'s:\n{told}");
    nothing_left(&sshd, &demo.socket());
}

#[test]
fn a_key_that_may_only_carry_is_enough() {
    let demo = Played::start(&[]).unwrap();
    let sshd = Sshd::start().unwrap();
    let relay = binary("mmm-control").unwrap().display().to_string();
    sshd.restrict(&format!("{relay} --socket {} relay", demo.socket().display())).unwrap();
    // What is asked for is not there; what the key may do is run instead.
    let shown = control(&sshd.way("client"), &["show"]);
    assert_eq!((shown.code, shown.err.as_str()), (0, ""), "{}", sshd.tail());
    assert_eq!(shown.out, demo.control(&["show"]).unwrap());
    nothing_left(&sshd, &demo.socket());
}

#[test]
fn a_console_that_goes_to_another_cluster_leaves_no_ssh_behind() {
    let (far, near) = (Played::start(&[]).unwrap(), Played::start(&["--hosts", "2"]).unwrap());
    let sshd = Sshd::start().unwrap();
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("mmm")).unwrap();
    let way = sshd.to(&far.socket()).unwrap();
    let of = |flag: &str| -> Vec<String> {
        let found = way.iter().filter_map(|word| word.strip_prefix(flag));
        found.map(str::to_owned).collect()
    };
    let options = of("--ssh-option=");
    let file = format!(
        "[[cluster]]\nname = \"far\"\nssh = \"{}\"\nssh_options = {options:?}\n\
         ssh_command = \"{}\"\n[[cluster]]\nname = \"near\"\nsocket = \"{}\"\n",
        way[1],
        of("--ssh-command=")[0],
        near.socket().display()
    );
    std::fs::write(home.path().join("mmm/tui.toml"), file).unwrap();
    let vars = [("XDG_CONFIG_HOME", home.path().to_str().unwrap())];
    let program = binary("mmm-tui").unwrap();
    let args = ["--ascii", "@far"];
    let mut tui = Meter::open(&program, &args, &vars, (100, 24), Line::default()).unwrap();
    let at = |name: &'static str, hosts: &'static str| {
        move |screen: &str| {
            let head = screen.lines().next().unwrap_or_default();
            head.contains(&format!("[DEMO] {name} (main)")) && screen.contains(hosts)
        }
    };
    tui.wait("the far cluster", PATIENCE, at("far", "Hosts 3")).unwrap();
    assert_eq!(sshd.clients().len(), 1);
    tui.keys("cj\r").unwrap();
    tui.wait("the near cluster", PATIENCE, at("near", "Hosts 2")).unwrap();
    nothing_left(&sshd, &far.socket());
    tui.keys("ck\r").unwrap();
    tui.wait("the far cluster again", PATIENCE, at("far", "Hosts 3")).unwrap();
    tui.keys("q").unwrap();
    assert_eq!(tui.ended(PATIENCE).unwrap(), 0);
    nothing_left(&sshd, &far.socket());
}

#[test]
fn what_is_in_the_way_is_named_with_place_and_remedy() {
    let demo = Played::start(&[]).unwrap();
    let mut sshd = Sshd::start().unwrap();
    let place = sshd.place();
    let relay = |command: &str, key: &str| {
        let mut way = sshd.way(key);
        way.push(format!("--ssh-command={command}"));
        way
    };
    let real = binary("mmm-control").unwrap().display().to_string();
    let socket = demo.socket().display().to_string();
    let noisy = format!("echo Welcome; {real} --socket {socket} relay");
    for (what, way, wants) in [
        (
            "a refused key",
            relay("true", "stranger"),
            vec!["Permission denied (publickey", "takes none of the keys", "ssh-add"],
        ),
        (
            "no program",
            relay("mmm-nowhere relay", "client"),
            vec!["no mmm-nowhere in the PATH", place.as_str(), "--ssh-command"],
        ),
        (
            "no monitor",
            relay(&format!("{real} --socket /nonexistent/m.sock relay"), "client"),
            vec!["on 127.0.0.1: ", "/nonexistent/m.sock (no such file", "is mmm-mond running?"],
        ),
        ("an old mmm-control", relay(&format!("{real} relai"), "client"), vec!["ended with 2"]),
        ("a talking shell", relay(&noisy, "client"), vec!["does a login script on 127.0.0.1"]),
        ("a shell that does nothing", relay("true", "client"), vec!["ended with 0", "by hand"]),
    ] {
        let said = control(&way, &["show"]);
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{what}: {}", said.err);
        for word in wants {
            assert!(said.err.contains(word), "{what} does not say {word:?}: {}", said.err);
        }
    }
    let way = sshd.to(&demo.socket()).unwrap();
    sshd.know_nobody().unwrap();
    let said = control(&way, &["show"]);
    assert!(said.err.contains("is not known: run `ssh -p "), "{}", said.err);
    sshd.know("stranger").unwrap();
    let said = control(&way, &["show"]);
    assert!(said.err.contains("has CHANGED"), "{}", said.err);
    sshd.know("host").unwrap();
    assert_eq!(control(&way, &["show"]).code, 0);
    sshd.kill().unwrap();
    let said = control(&way, &["show"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("Connection refused: does sshd listen there?"), "{}", said.err);
    nothing_left(&sshd, &demo.socket());
}

#[test]
fn a_refused_key_is_told_on_the_screen_and_nothing_is_asked() {
    let sshd = Sshd::start().unwrap();
    let mut tui = console(&sshd.way("stranger"));
    tui.wait("the reason", PATIENCE, |screen| screen.contains("ssh-add")).unwrap();
    let text = tui.text();
    assert!(text.contains("CONNECTING") && text.contains("r tries at once"), "{text}");
    assert!(!text.contains("assword:"), "{text}");
    // What is typed goes to the console, not to a prompt of ssh.
    tui.keys("q").unwrap();
    assert_eq!(tui.ended(PATIENCE).unwrap(), 0);
    nothing_left(&sshd, Path::new("/nonexistent"));
}

#[test]
fn no_word_becomes_an_option_of_ssh() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let evil = format!("-oProxyCommand=touch {}", mark.display());
    for words in [
        vec!["--ssh".to_owned(), evil.clone()],
        vec![format!("--ssh={evil}")],
        vec!["--ssh".to_owned(), format!("ops@{evil}")],
        vec![format!("--ssh=ssh://{evil}:22")],
        vec!["--ssh=localhost".to_owned(), "--ssh-option".to_owned(), evil.clone()],
    ] {
        let said = control(&words, &["show"]);
        assert_eq!(said.code, 2, "{words:?}: {}", said.err);
        assert!(said.err.contains("; write ") || said.err.contains(": write "), "{}", said.err);
        assert!(!mark.exists(), "{words:?}");
    }
    for words in [&["--ssh-option=A=b", "show"][..], &["--ssh=a", "--socket=/s", "show"]] {
        assert_eq!(control(&[], words).code, 2, "{words:?}");
    }
}
