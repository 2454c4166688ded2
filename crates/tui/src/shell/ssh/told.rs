//! What the end of an `ssh` means: its exit code and its last words, made into a sentence with the
//! remedy. What is wrong comes first, because a line of a screen may have room for no more.

use super::place::Place;

/// ssh's own exit code: it could not get there, or was cut off.
const OF_SSH: i32 = 255;

/// A shell's: there is no such program.
const NO_PROGRAM: i32 = 127;

/// `mmm-control`'s: wrong usage.
const USAGE: i32 = 2;

/// How much of a line is passed on.
const LINE_MAX: usize = 200;

/// Why there is no way through ssh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub why: String,
    /// It will not get better by itself, and machines lock out who tries too often.
    pub denied: bool,
}

/// The child could not be started.
pub(super) fn not_started(program: &str, why: &str) -> Told {
    let why = format!(
        "cannot run {program}: {why}; install OpenSSH's client, or use --connect or --socket"
    );
    Told { why, denied: true }
}

/// The child ended: its exit code (none when a signal or we ended it) and the end of what it said.
pub(super) fn ended(place: &Place, code: Option<i32>, said: &[u8]) -> Told {
    let said = plain(said);
    let line = last_line(&said);
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let (host, hand) = (place.host(), place.by_hand());
    let told = |why: String| Told { why, denied: false };
    let denied = |why: String| Told { why, denied: true };
    match code {
        Some(OF_SSH) if has(&["HOST IDENTIFICATION HAS CHANGED"]) => denied(format!(
            "the host key of {host} has CHANGED: somebody may be in between; ask who runs {host}, \
             and only then remove the old key with ssh-keygen -R"
        )),
        Some(OF_SSH) if has(&["Host key verification failed"]) => denied(format!(
            "the host key of {host} is not known: run `{hand}` once and compare the fingerprint \
             before you accept it"
        )),
        Some(OF_SSH) if has(&["Too many authentication failures"]) => denied(format!(
            "{line}: too many keys were offered; name one with --ssh-option IdentityFile=FILE \
             --ssh-option IdentitiesOnly=yes"
        )),
        Some(OF_SSH) if has(&["Permission denied"]) => denied(format!(
            "{line} {place} takes none of the keys: load yours with ssh-add, or name it with \
             --ssh-option IdentityFile=FILE; a password cannot be asked for"
        )),
        Some(OF_SSH) if has(&["Could not resolve hostname"]) => {
            told(format!("{line}: is the name right? It may also be a Host of ~/.ssh/config"))
        }
        Some(OF_SSH) if has(&["onnection refused", "timed out", "No route to host"]) => {
            told(format!(
                "{line}: does sshd listen there? ssh://HOST:PORT names another port, and `{hand}` \
                 tries the same by hand"
            ))
        }
        Some(OF_SSH) if has(&["onfiguration option", "command-line", "Bad owner"]) => {
            denied(format!("{line}: look at --ssh-option and at ~/.ssh/config"))
        }
        Some(NO_PROGRAM) => denied(format!(
            "no {} in the PATH of {place}: install it there, or say where it is with --ssh-command \
             (it said: {line})",
            place.program()
        )),
        Some(USAGE) if has(&["Invalid command 'relay'"]) => denied(format!(
            "the {} of {place} does not know `relay`: install this version there",
            place.program()
        )),
        Some(code) if code != OF_SSH && error_line(&said).is_some() => {
            told(format!("on {host}: {}", error_line(&said).unwrap_or_default()))
        }
        Some(code) if line.is_empty() => {
            told(format!("ssh to {place} ended with {code}; `{hand}` tries the same by hand"))
        }
        Some(OF_SSH) => told(format!("ssh to {place} ended: {line}")),
        Some(code) => told(format!(
            "what ran on {place} ended with {code}: {line}; `{hand}` tries the same by hand"
        )),
        None if line.is_empty() => told(format!("ssh to {place} was ended")),
        None => told(format!("ssh to {place} was ended: {line}")),
    }
}

/// What `mmm-control` complains about, without its first word.
fn error_line(said: &str) -> Option<&str> {
    said.lines().find_map(|line| line.strip_prefix("ERROR: ")).map(str::trim)
}

fn last_line(said: &str) -> &str {
    let line = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = line.strip_prefix("ssh: ").unwrap_or(line);
    let end = line.char_indices().nth(LINE_MAX).map_or(line.len(), |(at, _)| at);
    &line[..end]
}

/// Text without anything that a terminal obeys: the far side says it, and it goes to a screen.
fn plain(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said).replace('\r', "\n");
    text.chars().filter(|c| *c == '\n' || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(code: Option<i32>, said: &str) -> Told {
        let place = Place::parse("ssh://ops@mon1:2222", &[], None, None).unwrap();
        ended(&place, code, said.as_bytes())
    }

    #[test]
    fn each_end_names_the_thing_the_place_and_the_remedy() {
        for (code, said, denied, wants) in [
            (
                255,
                "Banner\r\nops@mon1: Permission denied (publickey,password).\r\n",
                true,
                ["Permission denied (publickey", "ops@mon1 takes none", "ssh-add"],
            ),
            (
                255,
                "No ED25519 host key is known\nHost key verification failed.\n",
                true,
                ["not known", "mon1", "run `ssh -p 2222 ops@mon1`"],
            ),
            (
                255,
                "@ REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                true,
                ["has CHANGED", "mon1", "ssh-keygen -R"],
            ),
            (
                255,
                "ssh: Could not resolve hostname mon1: Name or service not known",
                false,
                ["Could not resolve", "mon1", "~/.ssh/config"],
            ),
            (
                255,
                "ssh: connect to host mon1 port 2222: Connection refused",
                false,
                ["Connection refused", "mon1", "ssh://HOST:PORT"],
            ),
            (
                127,
                "bash: line 1: mmm-control: command not found",
                true,
                ["no mmm-control", "ops@mon1", "--ssh-command"],
            ),
            (
                2,
                "Invalid command 'relay': unknown command\n\nValid commands are:\n  help",
                true,
                ["does not know `relay`", "ops@mon1", "install this version"],
            ),
            (
                3,
                "ERROR: cannot reach the monitor at /run/m.sock (no such file); is it running?",
                false,
                ["on mon1: cannot reach the monitor", "/run/m.sock", "is it running?"],
            ),
            (
                1,
                "This account is currently not available.",
                false,
                ["ended with 1", "ops@mon1", "by hand"],
            ),
            (
                255,
                "Connection to mon1 closed by remote host.",
                false,
                ["ssh to ops@mon1 ended", "closed by", "remote host"],
            ),
        ] {
            let told = tell(Some(code), said);
            assert_eq!(told.denied, denied, "{told:?}");
            for word in wants {
                assert!(told.why.contains(word), "{word}: {told:?}");
            }
        }
    }

    #[test]
    fn what_the_far_side_says_cannot_touch_the_terminal() {
        assert_eq!(tell(None, "").why, "ssh to ops@mon1 was ended");
        let long = "x".repeat(5000);
        let told = tell(Some(1), &format!("\u{1b}]0;title\u{7}\u{1b}[2J{long}"));
        assert!(!told.why.chars().any(char::is_control), "{told:?}");
        assert!(told.why.len() < 400, "{}", told.why.len());
    }
}
