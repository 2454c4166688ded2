//! Where `--ssh` goes: user, host, port, options and the command there, checked before `ssh` sees
//! them, and the arguments that `ssh` gets. Starts nothing.

use std::fmt;

use mmm_proto::ClusterName;

/// What runs on the far side.
const COMMAND: &str = "mmm-control";

/// Options that nobody may change: nothing is asked while the screen is ours, and no connection
/// outlives the console.
const FIRST: [&str; 2] = ["BatchMode=yes", "ControlMaster=no"];

/// What holds unless the person says otherwise. ssh takes the first value that it meets, so these
/// stand behind the person's own and before the files.
const USUAL: [&str; 6] = [
    "ConnectTimeout=10",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=2",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
];

/// The far side and how to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    options: Vec<String>,
    command: String,
}

impl Place {
    /// Reads `[USER@]HOST` or `ssh://[USER@]HOST[:PORT]`. `cluster` is the word behind `@`.
    ///
    /// # Errors
    /// Names what cannot be meant, and what is written instead.
    pub fn parse(
        text: &str,
        options: &[String],
        command: Option<&str>,
        cluster: Option<&ClusterName>,
    ) -> Result<Self, String> {
        let bad = |why: &str| {
            Err(format!("--ssh {text:?}: {why}; write [USER@]HOST or ssh://[USER@]HOST[:PORT]"))
        };
        let url = text.strip_prefix("ssh://");
        let rest = url.map_or(text, |rest| rest.strip_suffix('/').unwrap_or(rest));
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        let (host, port) = match url.map(|_| split_port(rest)) {
            Some(Some(found)) => found,
            Some(None) => return bad("the port is no number from 1 to 65535"),
            None => (rest, None),
        };
        // A name that began with a hyphen would be an option of ssh, and ssh's own files may hand
        // names to a shell.
        if user.is_some_and(|user| !is_name(user, "._-+@\\")) {
            return bad("the user's name is empty, begins with a hyphen or holds an odd letter");
        }
        if !is_name(host, "._-:%") {
            return bad("the host's name is empty, begins with a hyphen or holds an odd letter");
        }
        for option in options {
            let (key, value) = option.split_once('=').unwrap_or_default();
            let plain = |c: char| c.is_ascii_alphanumeric();
            if key.is_empty() || !key.chars().all(plain) || value.trim().is_empty() {
                return Err(format!(
                    "--ssh-option {option:?} is no option of ssh: write KEY=VALUE as in \
                     ssh_config, such as IdentityFile=FILE"
                ));
            }
        }
        let command = match (command, cluster) {
            (Some(command), _) if command.trim().is_empty() => {
                return Err("--ssh-command is empty: leave it out, or name a program".to_owned());
            }
            (Some(command), _) => command.to_owned(),
            (None, Some(cluster)) => format!("{COMMAND} @{cluster} relay"),
            (None, None) => format!("{COMMAND} relay"),
        };
        Ok(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            options: options.to_vec(),
            command,
        })
    }

    /// The arguments of `ssh`.
    pub fn arguments(&self) -> Vec<String> {
        let mut all = vec!["-T".to_owned(), "-a".to_owned(), "-x".to_owned()];
        let own = self.options.iter().map(String::as_str);
        for option in FIRST.into_iter().chain(own).chain(USUAL) {
            all.extend(["-o".to_owned(), option.to_owned()]);
        }
        if let Some(port) = self.port {
            all.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(user) = &self.user {
            all.extend(["-l".to_owned(), user.clone()]);
        }
        all.extend(["--".to_owned(), self.host.clone(), self.command.clone()]);
        all
    }

    /// The host's name as it was typed.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The program that is to run there.
    pub fn program(&self) -> &str {
        self.command.split_whitespace().next().unwrap_or(COMMAND)
    }

    /// The command by which a person tries the same by hand.
    pub fn by_hand(&self) -> String {
        let port = self.port.map_or(String::new(), |port| format!("-p {port} "));
        format!("ssh {port}{self}")
    }
}

/// `USER@HOST`, without the port.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.host)
    }
}

/// Host and port of the end of a URL; an IPv6 address is in brackets. None when the port is none.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':')?)),
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    match port.map(str::parse) {
        None => Some((host, None)),
        Some(Ok(port @ 1..)) => Some((host, Some(port))),
        Some(_) => None,
    }
}

fn is_name(text: &str, also: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Place, String> {
        Place::parse(text, &[], None, None)
    }

    fn ends(place: &Place) -> String {
        let all = place.arguments().join(" ");
        all.split_once("RemoteCommand=none ").unwrap().1.to_owned()
    }

    #[test]
    fn both_forms_name_user_host_and_port() {
        for (text, wants) in [
            ("mon1", "-- mon1 mmm-control relay"),
            ("ops@mon1", "-l ops -- mon1 mmm-control relay"),
            ("ops@corp.example@mon1", "-l ops@corp.example -- mon1 mmm-control relay"),
            ("ssh://ops@mon1:2222", "-p 2222 -l ops -- mon1 mmm-control relay"),
            ("ssh://ops@mon1/", "-l ops -- mon1 mmm-control relay"),
            ("ssh://[fe80::1%eth0]:22", "-p 22 -- fe80::1%eth0 mmm-control relay"),
            ("ops@fd00::1", "-l ops -- fd00::1 mmm-control relay"),
        ] {
            assert_eq!(ends(&parse(text).unwrap()), wants, "{text}");
        }
        assert_eq!(parse("ssh://ops@mon1:2222").unwrap().by_hand(), "ssh -p 2222 ops@mon1");
        let shop = ClusterName::parse("shop").unwrap();
        let place = Place::parse("mon1", &[], None, Some(&shop)).unwrap();
        assert_eq!(ends(&place), "-- mon1 mmm-control @shop relay");
        let place = Place::parse("mon1", &[], Some("sudo -n /opt/mmm-control relay"), Some(&shop));
        assert_eq!(ends(&place.unwrap()), "-- mon1 sudo -n /opt/mmm-control relay");
    }

    #[test]
    fn nothing_that_is_typed_becomes_an_option_of_ssh() {
        for text in [
            "",
            "-oProxyCommand=touch x",
            "ops@-oProxyCommand=x",
            "-lroot@mon1",
            "@mon1",
            "mon1;true",
            "mon 1",
            "$(true)@mon1",
            "mon1`x`",
            "mon1\n",
            "ssh://-x:22",
            "ssh://mon1:0",
            "ssh://mon1:ssh",
            "ssh://[::1]22",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("write [USER@]HOST"), "{text}: {error}");
        }
        for option in ["", "-v", "ProxyJump", "=x", "Proxy Jump=x", "ProxyJump= "] {
            let error = Place::parse("m", &[option.to_owned()], None, None).unwrap_err();
            assert!(error.contains("write KEY=VALUE"), "{option}: {error}");
        }
        assert!(Place::parse("m", &[], Some(" "), None).is_err());
    }

    #[test]
    fn nobody_can_make_it_ask_and_the_persons_options_come_before_the_usual() {
        let own = ["BatchMode=no".to_owned(), "ConnectTimeout=3".to_owned()];
        let all = Place::parse("m", &own, None, None).unwrap().arguments();
        let at = |word: &str| all.iter().position(|arg| arg == word).unwrap();
        assert!(at("BatchMode=yes") < at("BatchMode=no"));
        assert!(at("ConnectTimeout=3") < at("ConnectTimeout=10"));
    }
}
