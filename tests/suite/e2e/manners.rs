//! `mmm-tui` in a real terminal on a real cluster: what the screen says is compared with what the
//! hosts say.

use std::process::Command;
use std::time::{Duration, Instant};

use lab::daemons::binary;
use lab::sshd::Sshd;
use lab::wait::until;
use lab::{Options, WRITER_VIP};
use mmm_proto::HostState;

use super::{Cluster, LATER, SOON, all_online, all_rejoined, holders, states, wait_view};

/// A terminal of 80x24 inside tmux, with a shell in it. Its server ends with it.
struct Tmux {
    socket: String,
}

impl Tmux {
    fn open(name: &str) -> Tmux {
        let tmux = Tmux { socket: format!("mmm-{}-{name}", std::process::id()) };
        tmux.run(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "80",
            "-y",
            "24",
            "env PS1='ready> ' sh",
        ]);
        tmux.wait("the shell", |screen| screen.contains("ready>"));
        tmux
    }

    fn run(&self, args: &[&str]) -> String {
        let out = Command::new("tmux").arg("-L").arg(&self.socket).args(args).output().unwrap();
        assert!(out.status.success(), "tmux {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    fn screen(&self) -> String {
        self.run(&["capture-pane", "-p"])
    }

    fn keys(&self, keys: &[&str]) {
        let mut args = vec!["send-keys"];
        args.extend(keys);
        self.run(&args);
    }

    fn wait(&self, what: &str, test: impl Fn(&str) -> bool) -> String {
        let seen = until(what, SOON, || {
            let screen = self.screen();
            if test(&screen) { Ok(screen) } else { Err(format!("\n{screen}")) }
        });
        seen.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Moves the selection to a host.
    fn select(&self, host: &str) {
        let selected = format!("> {host} ");
        for _ in 0..8 {
            if self.screen().lines().any(|line| line.starts_with(&selected)) {
                return;
            }
            let before = self.screen();
            self.keys(&["j"]);
            let moved = until("the selection to move", Duration::from_secs(2), || {
                if self.screen() == before { Err("nothing moved") } else { Ok(()) }
            });
            if moved.is_err() {
                self.keys(&["g"]);
            }
        }
        self.wait(&format!("{host} to be selected"), |screen| {
            screen.lines().any(|line| line.starts_with(&selected))
        });
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).output();
    }
}

/// The console's command line, as typed into the shell.
fn console(cluster: &Cluster) -> String {
    let command = cluster.lab.daemons().unwrap().console_command().unwrap();
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    words.join(" ")
}

/// Presses the key of an action, types the name that the plan asks for, confirms.
fn act(tmux: &Tmux, key: &str, host: &str) {
    tmux.select(host);
    tmux.keys(&[key]);
    // To its last line: through ssh it comes in pieces.
    let plan = tmux.wait("the plan", |screen| {
        screen.contains(" Plan ") && screen.contains("Esc leaves everything as it is.")
    });
    println!("{plan}");
    if plan.contains(&format!("Type {host}")) {
        // The dialog is deaf for its first half second, so that nothing typed ahead confirms it.
        until("the name to be taken", SOON, || {
            tmux.keys(&["-l", host]);
            let screen = tmux.screen();
            if screen.contains(&format!(":  {host}_")) || screen.contains(&format!(": {host}_")) {
                return Ok(());
            }
            tmux.keys(&["BSpace", "BSpace", "BSpace", "BSpace", "BSpace", "BSpace"]);
            Err(screen)
        })
        .unwrap();
        tmux.keys(&["Enter"]);
    } else {
        until("the plan to be confirmed", SOON, || {
            tmux.keys(&["y"]);
            let screen = tmux.screen();
            if screen.contains(" Plan ") && screen.contains("if a step fails") {
                Err(screen)
            } else {
                Ok(())
            }
        })
        .unwrap();
    }
}

#[test]
fn the_writer_is_moved_through_ssh() {
    let cluster = Cluster::up(&Options::with_daemons());
    let (old, new) = (cluster.writer(), cluster.standby());
    let sshd = Sshd::start().unwrap();
    let way = sshd.to(cluster.lab.daemons().unwrap().socket()).unwrap();
    let words = way.iter().map(|word| format!("'{word}'"));
    let program = binary("mmm-tui").unwrap().display().to_string();
    let line: Vec<String> = std::iter::once(program).chain(words).collect();
    let tmux = Tmux::open("ssh");
    tmux.keys(&["-l", &line.join(" ")]);
    tmux.keys(&["Enter"]);
    tmux.wait("the picture", |screen| screen.contains(&format!("LIVE  writer {old}")));
    let place = sshd.place();
    tmux.wait("the way", |screen| screen.contains(&place));
    act(&tmux, "W", new);
    tmux.wait("the new writer", |screen| screen.contains(&format!("LIVE  writer {new}")));
    assert_eq!(holders(&cluster.lab, WRITER_VIP), [new]);
    tmux.keys(&["q"]);
    tmux.wait("the shell again", |screen| screen.trim_end().ends_with("ready>"));
    cluster.assert_never_two_writers();
}

#[test]
fn the_writer_is_moved_by_keys_and_the_screen_says_what_the_hosts_say() {
    let cluster = Cluster::up(&Options::with_daemons());
    let (old, new) = (cluster.writer(), cluster.standby());
    let tmux = Tmux::open("move");
    tmux.keys(&["-l", &console(&cluster)]);
    tmux.keys(&["Enter"]);
    let live = format!("* LIVE  writer {old}");
    tmux.wait("the picture", |screen| {
        screen.contains(&live) || screen.contains(&live.replace('*', "."))
    });
    act(&tmux, "W", new);
    let screen =
        tmux.wait("the new writer", |screen| screen.contains(&format!("LIVE  writer {new}")));
    println!("{screen}");
    assert_eq!(holders(&cluster.lab, WRITER_VIP), [new]);
    for (host, read_only) in [(old.as_str(), true), (new, false), ("db3", true)] {
        assert_eq!(cluster.lab.server(host).unwrap().is_read_only().unwrap(), read_only, "{host}");
    }
    all_online(&cluster.lab, SOON);
    // A host is taken out and brought back by keys.
    act(&tmux, "X", "db3");
    tmux.wait("db3 to be set offline", |screen| screen.contains("= ADMIN_OFFLINE"));
    wait_view(&cluster.lab, "db3 to be ADMIN_OFFLINE", SOON, |view| {
        let state = view.host("db3").map(|host| host.state);
        if state == Some(HostState::AdminOffline) { Ok(()) } else { Err(states(view)) }
    });
    act(&tmux, "U", "db3");
    all_online(&cluster.lab, LATER);
    tmux.wait("nobody to be offline", |screen| {
        !screen.contains("ADMIN_OFFLINE") || screen.contains("-> ONLINE")
    });
    // The monitor goes and comes back; the console outlives it.
    let monitor = &cluster.lab.daemons().unwrap().monitor;
    monitor.kill9().unwrap();
    tmux.wait("the link to be lost", |screen| screen.contains("NO LINK"));
    monitor.start().unwrap();
    tmux.wait("the picture again", |screen| screen.contains(&format!("LIVE  writer {new}")));
    tmux.keys(&["q"]);
    let left = tmux.wait("the shell again", |screen| screen.trim_end().ends_with("ready>"));
    assert!(left.contains(new), "a last line stays on the screen:\n{left}");
    tmux.keys(&["-l", "stty -a | grep -c ' icanon.* echo ' ; echo left"]);
    tmux.keys(&["Enter"]);
    tmux.wait("a terminal that echoes", |screen| {
        screen.contains("left\n") && screen.contains("icanon")
    });
    cluster.assert_never_two_writers();
}

#[test]
fn a_failover_under_a_writing_client_is_watched_and_the_writer_moved_back_by_keys() {
    let cluster = Cluster::up(&Options::with_daemons());
    let (old, new) = (cluster.writer(), cluster.standby());
    let tmux = Tmux::open("failover");
    tmux.keys(&["-l", &console(&cluster)]);
    tmux.keys(&["Enter"]);
    tmux.wait("the picture", |screen| screen.contains(&format!("LIVE  writer {old}")));
    let server = cluster.lab.server(&old).unwrap();
    let killed = Instant::now();
    server.kill9().unwrap();
    let screen = tmux.wait("the failover", |screen| {
        screen.contains(&format!("LIVE  writer {new}")) && screen.contains("# HARD_OFFLINE")
    });
    println!("{screen}");
    assert_eq!(holders(&cluster.lab, WRITER_VIP), [new]);
    cluster.switched(killed, SOON);
    // The event says why, on the screen of its own.
    tmux.keys(&["2"]);
    tmux.keys(&["-l", "/hard_offline"]);
    let filtered = tmux.wait("the event", |screen| screen.contains("/hard_offline_"));
    assert!(filtered.contains(&old) && filtered.contains("the server is gone"), "{filtered}");
    // Enter keeps the filter, Esc clears it. Keys within 50 ms of an Esc belong to it.
    tmux.keys(&["Enter"]);
    tmux.wait("the filter", |screen| screen.contains("filter: hard_offline"));
    tmux.keys(&["Escape"]);
    tmux.wait("all events", |screen| !screen.contains("filter:"));
    tmux.keys(&["1"]);
    server.start().unwrap();
    all_rejoined(&cluster.lab);
    tmux.wait("the old writer to be back", |screen| {
        let row = screen
            .lines()
            .find(|line| line.get(2..).is_some_and(|rest| rest.starts_with(&old)))
            .unwrap_or_default();
        row.contains("+ ONLINE")
    });
    let back = Instant::now();
    act(&tmux, "W", &old);
    let screen = tmux
        .wait("the writer to be back", |screen| screen.contains(&format!("LIVE  writer {old}")));
    println!("{screen}");
    assert_eq!(holders(&cluster.lab, WRITER_VIP), [old.as_str()]);
    assert!(!cluster.lab.server(&old).unwrap().is_read_only().unwrap());
    assert!(cluster.lab.server(new).unwrap().is_read_only().unwrap());
    let switch = cluster.switched(back, SOON);
    println!("moved back by keys; the client was without a writer for {:?}", switch.gap);
    tmux.keys(&["q"]);
    cluster.assert_never_two_writers();
}
