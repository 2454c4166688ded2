//! Somebody without rights, as a real account of the machine: the monitor's socket lets everybody
//! in, so that they may look; what they ask for beside that is refused, however they ask.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lab::config::Settings;
use lab::daemons::binary;
use lab::meter::{Line, Meter};
use lab::rights::{find, other_users};
use lab::{Lab, Options};
use mmm_proto::console::{Answer, FromMonitor, RefusalCode, ToMonitor};
use mmm_proto::hello::{First, Hello, Program};
use mmm_proto::line::{decode, encode};
use mmm_proto::{ClusterView, HostName, HostState, Verb};

use super::{Cluster, LATER, copy_program, view};

/// An account that is on every machine and in no group of ours.
const NOBODY: [&str; 3] = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"];

/// Our programs where that account can reach them, and the socket.
struct Nobody {
    folder: tempfile::TempDir,
    socket: PathBuf,
}

impl Nobody {
    fn of(lab: &Lab) -> Nobody {
        other_users().unwrap_or_else(|error| panic!("{error:#}"));
        let open = |path: &Path, mode: u32| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let folder = tempfile::tempdir().unwrap();
        open(folder.path(), 0o755);
        for name in ["mmm-tui", "mmm-control"] {
            copy_program(&binary(name).unwrap(), &folder.path().join(name));
        }
        let socket = lab.daemons().unwrap().socket().to_owned();
        // They may pass through, and read nothing.
        for above in socket.ancestors().skip(1).take_while(|path| path.starts_with(lab.folder())) {
            open(above, 0o711);
        }
        Nobody { folder, socket }
    }

    /// The words behind `setpriv`.
    fn words(&self, program: &str, args: &[&str]) -> Vec<String> {
        let program = self.folder.path().join(program).display().to_string();
        let socket = self.socket.display().to_string();
        let ours = [program, "--socket".to_owned(), socket];
        let args = args.iter().map(|arg| (*arg).to_owned());
        NOBODY.map(str::to_owned).into_iter().chain(ours).chain(args).collect()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(find("setpriv").expect("setpriv of util-linux"));
        command.args(self.words("mmm-control", args));
        command
    }

    fn control(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Says these lines to the monitor, whatever our programs think of them; what it answers.
    fn says(&self, view: &ClusterView, requests: &[ToMonitor]) -> Vec<Answer> {
        use std::io::{BufRead as _, BufReader, Write as _};
        let mut relay = self.command(&["relay"]);
        let mut child = relay.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut to = child.stdin.take().unwrap();
        let hello = First::Hello(Hello::new(Program::Console, view.cluster.clone()));
        to.write_all(encode(&hello).unwrap().as_bytes()).unwrap();
        for request in requests {
            to.write_all(encode(request).unwrap().as_bytes()).unwrap();
        }
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let First::Hello(theirs) = decode(&lines.next().unwrap().unwrap()).unwrap() else {
            panic!("the monitor speaks first");
        };
        assert!(theirs.you.is_some_and(|you| you.name == "nobody" && !you.may_act));
        let mut answers = Vec::new();
        while answers.len() < requests.len() {
            let line = lines.next().expect("an answer to each request").unwrap();
            if let FromMonitor::Answer { answer, .. } = decode(&line).unwrap() {
                answers.push(answer);
            }
        }
        drop(to);
        child.wait().unwrap();
        answers
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn an_account_without_rights_looks_and_cannot_act() {
    let monitor = "socket_mode = \"0666\"\n".to_owned();
    let settings = Settings { monitor, ..Settings::default() };
    let cluster = Cluster::up(&Options { settings, ..Options::with_daemons() });
    let nobody = Nobody::of(&cluster.lab);
    let why = "only root";

    let shown = nobody.control(&["show"]);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    assert!(text(&shown.stdout).contains("db3("), "{}", text(&shown.stdout));
    for (args, wants) in [
        (&["set_offline", "db3"][..], "ERROR: only root"),
        (&["move_role", "writer", cluster.standby()], "ERROR: only root"),
        (&["set_passive"], "ERROR: only root"),
        (&["plan", "set_offline", "db3"], "`set_offline db3` would be refused: only root"),
    ] {
        let done = nobody.control(args);
        assert_eq!(done.status.code(), Some(1), "{args:?}: {}", text(&done.stderr));
        assert!(text(&done.stderr).contains(wants), "{args:?}: {}", text(&done.stderr));
    }

    let words = nobody.words("mmm-tui", &["--ascii"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let setpriv = find("setpriv").unwrap();
    let mut tui = Meter::open(&setpriv, &words, &[], (80, 24), Line::default()).unwrap();
    let live = |screen: &str| screen.contains(" LIVE") && screen.contains("RO nobody");
    tui.wait("a picture that says RO", LATER, live).unwrap();
    for (key, off) in [
        ("X", "X is off: only root"),
        ("W", "W is off: only root"),
        ("V", "off: only root"),
        ("m", "off: only root"),
    ] {
        tui.keys(key).unwrap();
        tui.wait("the reason", LATER, |screen| screen.contains(off)).unwrap();
        // A menu with the reasons goes; the message line is cleared by any key.
        tui.keys("\u{1b}").unwrap();
        tui.wait("the reason to go", LATER, |screen| !screen.contains(off)).unwrap();
    }
    tui.keys("q").unwrap();
    assert_eq!(tui.ended(LATER).unwrap(), 0);

    // A console that does not care what it was told.
    let before = view(&cluster.lab);
    let host = HostName::parse("db3").unwrap();
    let verb = Verb::SetOffline { host };
    let answers = nobody.says(
        &before,
        &[
            ToMonitor::Run { id: 1, verb },
            ToMonitor::Run { id: 2, verb: Verb::SetPassive },
            ToMonitor::Apply { id: 3, plan: 1, generation: before.generation },
            ToMonitor::Stop { id: 4, plan: 1 },
        ],
    );
    for answer in answers {
        let Answer::Refused { refusal } = &answer else { panic!("not refused: {answer:?}") };
        assert_eq!(refusal.code, RefusalCode::Forbidden, "{answer:?}");
        assert!(refusal.reason.contains(why), "{answer:?}");
    }
    let after = view(&cluster.lab);
    assert_eq!(after.host("db3").map(|host| host.state), Some(HostState::Online));
    assert_eq!((after.mode, after.writer.host), (before.mode, before.writer.host));
    let told = cluster.lab.daemons().unwrap().must(&["events"]).unwrap();
    assert!(!told.contains("nobody)"), "nothing happened by nobody's will:\n{told}");
}
