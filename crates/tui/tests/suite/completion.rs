//! Hosts, roles and addresses behind the verbs in real shells, asked of a monitor, and of none.
//! zsh and fish are tried where they are installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::fake_monitor::{FakeMonitor, obedient, until};
use crate::pty::Tty;

const CONTROL: &str = env!("CARGO_BIN_EXE_mmm-control");

/// The script as a packager gets it.
fn script(folder: &Path, shell: &str) -> PathBuf {
    let file = folder.join(shell);
    let word = format!("complete-{shell}");
    let made = Command::new(CONTROL).args(["--generate", &word]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    std::fs::write(&file, made.stdout).unwrap();
    file
}

/// The path with our programs before the others.
fn path() -> String {
    let folder = Path::new(CONTROL).parent().unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

/// What bash offers for the last word of the line, and what it says on standard error.
fn offered(script: &Path, line: &str) -> (Vec<String>, String) {
    let text = format!(
        "set -u; source '{}'; spec=$(complete -p mmm-control); name=${{spec#*-F }}; \
         COMP_LINE='{line}'; IFS=' ' read -ra COMP_WORDS <<<\"$COMP_LINE\"; \
         if [[ $COMP_LINE == *' ' ]]; then COMP_WORDS+=(''); fi; \
         COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); COMPREPLY=(); \
         ${{name%% *}} mmm-control \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-c", &text]).env("PATH", path()).stdin(Stdio::null());
    let done = bash.output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{line}: {told}");
    let out = String::from_utf8(done.stdout).unwrap();
    (out.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect(), told)
}

/// What fish offers, and what it says.
fn fish(script: &Path, line: &str) -> (Vec<String>, String) {
    let text = format!("source '{}'; complete -C '{line}'", script.display());
    let mut fish = Command::new("fish");
    fish.args(["--no-config", "-c", &text]).env("PATH", path()).stdin(Stdio::null());
    let done = fish.output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    let out = String::from_utf8(done.stdout).unwrap();
    let words = out.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned());
    (words.collect(), told)
}

const HOSTS: [&str; 5] = ["db1", "db2", "db3", "db4", "db5"];

/// What is typed behind the program and its options, and what is offered.
const OFFERS: [(&str, &[&str]); 15] = [
    ("set_offline ", &HOSTS),
    ("plan set_offline db", &HOSTS),
    ("set_online db5", &["db5"]),
    ("--json --timeout 2s doctor db5", &["db5"]),
    ("move_role ", &["reader", "writer"]),
    ("move_role writer db2", &["db2"]),
    ("move_role --force writer ", &HOSTS),
    ("explain r", &["reader"]),
    ("@shop-prod set_online db5", &["db5"]),
    ("set_offline w", &[]),
    ("checks db1 rep", &["rep_backlog", "rep_threads"]),
    ("set_ip 192.168.0.5", &ADDRESSES),
    ("set_ip 192.168.0.50 ", &HOSTS),
    ("plan set_ip 192.168.0.54", &["192.168.0.54"]),
    ("set_of", &["set_offline"]),
];

const ADDRESSES: [&str; 5] =
    ["192.168.0.50", "192.168.0.51", "192.168.0.52", "192.168.0.53", "192.168.0.54"];

/// What zsh offers: it is no use without a terminal, so it is asked in one, and writes what it
/// offers into a file.
fn zsh(script: &Path, line: &str) -> (Vec<String>, String) {
    let folder = script.parent().unwrap();
    let out = folder.join("offered");
    let _ = std::fs::remove_file(&out);
    let start = format!(
        "PS1='ready> '; fpath=({} $fpath); autoload -Uz compinit; compinit -u -D
        compadd() {{
            local -a hits
            if [[ -z ${{(M)@:#-[OAD]*}} ]]; then
                builtin compadd -O hits \"$@\"
                print -rl -- $hits >> {out}
            fi
            builtin compadd \"$@\"
        }}",
        folder.display(),
        out = out.display()
    );
    std::fs::write(folder.join(".zshrc"), start).unwrap();
    std::fs::copy(script, folder.join("_mmm-control")).unwrap();
    let vars = [("PATH", path()), ("ZDOTDIR", folder.display().to_string())];
    let vars: Vec<(&str, &str)> =
        vars.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut tty = Tty::run_with(&["zsh", "-d", "-i"], &vars);
    tty.sees("ready> ");
    // The tab; then the line is thrown away.
    tty.send(&format!("{line}\t\x15print -r 'all' 'told' >> {}\r", out.display()));
    let all = until("zsh to be done", || {
        let text = std::fs::read_to_string(&out).unwrap_or_default();
        text.strip_suffix("all told\n").map(str::to_owned).ok_or_else(|| tty.text())
    });
    // What it says of itself stands between the two lines.
    let text = tty.text();
    let told = text.lines().filter(|line| line.contains("mmm-control:") || line.contains("_mmm"));
    let told = told.collect::<Vec<_>>().join("\n");
    tty.send("exit\r");
    tty.exits();
    let mut all: Vec<String> = all.lines().map(str::to_owned).collect();
    all.retain(|word| !word.is_empty());
    all.sort();
    all.dedup();
    (all, told)
}

type Offered = fn(&Path, &str) -> (Vec<String>, String);

/// Those that are installed, with what each has to offer.
fn shells() -> impl Iterator<Item = (&'static str, Offered)> {
    let all: [(&str, Offered); 3] = [("bash", offered), ("fish", fish), ("zsh", zsh)];
    all.into_iter().filter(|(shell, _)| {
        std::env::split_paths(&path()).any(|folder| folder.join(shell).is_file())
    })
}

#[test]
fn names_are_offered_as_the_monitor_has_them() {
    let monitor = FakeMonitor::start(obedient);
    let at = format!("mmm-control --socket {}", monitor.socket().display());
    for (shell, offered) in shells() {
        let folder = tempfile::tempdir().unwrap();
        let script = script(folder.path(), shell);
        for (behind, wants) in OFFERS {
            let (mut found, told) = offered(&script, &format!("{at} {behind}"));
            found.sort();
            assert_eq!(
                (found.as_slice(), told.as_str()),
                (&owned(wants)[..], ""),
                "{shell} {behind}"
            );
        }
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Bash takes a colon for the end of a word; so it is asked as a person does.
#[test]
fn the_colons_of_an_address_do_not_matter() {
    let monitor = FakeMonitor::start(obedient);
    monitor.state.lock().unwrap().view.roles[1].vips[3].ip = "fd00:7::54".parse().unwrap();
    let line = format!("mmm-control --socket {} set_ip fd00:7:", monitor.socket().display());
    for (shell, offered) in shells() {
        let folder = tempfile::tempdir().unwrap();
        let script = script(folder.path(), shell);
        if shell != "bash" {
            let found = offered(&script, &line);
            assert_eq!(found, (owned(&["fd00:7::54"]), String::new()), "{shell}");
            continue;
        }
        let begin = std::fs::read_to_string(&script).unwrap() + "PS1='ready> '\n";
        std::fs::write(&script, begin).unwrap();
        let words = ["bash", "--noprofile", "--rcfile", script.to_str().unwrap()];
        let mut tty = Tty::run_with(&words, &[("PATH", &path())]);
        tty.sees("ready> ");
        tty.send(&format!("{line}\t# typed"));
        until("bash to complete it", || {
            let text = tty.text().replace('\n', "");
            if text.contains(" set_ip fd00:7::54 # typed") { Ok(()) } else { Err(tty.text()) }
        });
        tty.send("\x15exit\r");
        tty.exits();
    }
}

#[test]
fn without_a_monitor_nothing_is_said_and_nobody_waits_long() {
    for (shell, offered) in shells() {
        let folder = tempfile::tempdir().unwrap();
        let script = script(folder.path(), shell);
        let begun = Instant::now();
        for behind in ["set_offline d", "set_ip 1", "@shop move_role w"] {
            let line = format!("mmm-control --socket {}/none {behind}", folder.path().display());
            assert_eq!(offered(&script, &line), (Vec::new(), String::new()), "{shell} {behind}");
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    }
}
