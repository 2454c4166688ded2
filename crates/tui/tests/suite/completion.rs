//! Hosts and roles behind the verbs in a real bash, asked of a monitor, and of none.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::fake_monitor::{FakeMonitor, obedient};

const CONTROL: &str = env!("CARGO_BIN_EXE_mmm-control");

/// The script as a packager gets it.
fn script(folder: &Path) -> PathBuf {
    let file = folder.join("mmm-control.bash");
    let made = Command::new(CONTROL).args(["--generate", "complete-bash"]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    std::fs::write(&file, made.stdout).unwrap();
    file
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
    let folder = Path::new(CONTROL).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-c", &text]).env("PATH", path).stdin(Stdio::null());
    let done = bash.output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{line}: {told}");
    let out = String::from_utf8(done.stdout).unwrap();
    (out.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect(), told)
}

#[test]
fn hosts_and_roles_are_offered_as_the_monitor_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let script = script(folder.path());
    let monitor = FakeMonitor::start(obedient);
    let at = format!("mmm-control --socket {}", monitor.socket().display());
    let hosts = ["db1", "db2", "db3", "db4", "db5"];
    for (behind, wants) in [
        ("set_offline ", &hosts[..]),
        ("plan set_offline db", &hosts),
        ("set_online db5", &["db5"]),
        ("move_role w", &["writer"]),
        ("move_role writer db2", &["db2"]),
        ("explain r", &["reader"]),
        ("set_offline w", &[]),
    ] {
        let (found, told) = offered(&script, &format!("{at} {behind}"));
        assert_eq!(
            (found, told.as_str()),
            (wants.iter().map(|w| (*w).to_owned()).collect(), ""),
            "{behind}"
        );
    }
    // What the script knows by itself is as before, and nobody is asked.
    let (found, _) = offered(&script, &format!("{at} set_of"));
    assert_eq!(found, ["set_offline"]);
}

#[test]
fn without_a_monitor_nothing_is_said_and_nobody_waits_long() {
    let folder = tempfile::tempdir().unwrap();
    let script = script(folder.path());
    let begun = Instant::now();
    let line = format!("mmm-control --socket {}/none set_offline d", folder.path().display());
    let (found, told) = offered(&script, &line);
    assert_eq!((found, told.as_str()), (Vec::new(), ""));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
