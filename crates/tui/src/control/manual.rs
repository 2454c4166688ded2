//! The verbs of `mmm-control` as a command line that the manual page and the shells' completions
//! are made from. What is parsed when it runs is `mmm_proto::verb` and the words of this folder;
//! the shapes of arguments are read from the same tables, so that they cannot differ.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use clap::{Arg, ArgAction, Command};
use mmm_proto::manual::{Names, Page};
use mmm_proto::verb::WORDS;
use mmm_proto::{Check, demo};

use super::{events, preview, schema};
use crate::app::keys::TABLE;
use crate::app::msg::Key;
use crate::shell::relay;

/// What the page says besides the command line.
pub const PAGE: Page = Page {
    section: "1",
    exits: &[
        ("0", "done"),
        ("1", "refused or failed; the reason is on standard error"),
        ("2", "wrong usage"),
        ("3", "the monitor cannot be reached; nothing was asked of it"),
        ("4", "begun, and nobody knows what came of it: look with show"),
        ("5", "begun and failed; everything is as it was"),
    ],
    files: &[
        ("~/.config/mmm/tui.toml", "names of clusters, for @CLUSTER; else /etc/mmm/tui.toml"),
        ("/etc/mysql-mmm/mmm_mon.toml", "where the monitor is; else the original's mmm_mon.conf"),
        ("/etc/mysql-mmm/mmm_mon_CLUSTER.toml", "the same, for @CLUSTER"),
        ("/run/mysql-mmm/mmm_mond.sock", "the monitor's socket, where no file names another"),
    ],
    variables: &[("TZ", "the time zone of what is printed")],
    more: None,
    see: &["mmm-tui(1)", "mmm-mond(8)", "mmm-agentd(8)"],
    names: Some(Names {
        bash: include_str!("names.bash"),
        zsh: include_str!("names.zsh"),
        zsh_begin: include_str!("begin.zsh"),
        fish: include_str!("names.fish"),
        arguments: &["host", "role", "ip"],
    }),
};

/// The page of `mmm-tui`.
pub const CONSOLE: Page = Page {
    section: "1",
    exits: &[
        ("0", "left by a key"),
        ("1", "the terminal cannot be used, or the demo does not start"),
        ("2", "wrong usage, or there is no terminal: use mmm-control show or watch"),
        ("70", "an error of this program; the terminal is restored"),
        ("129, 130, 143", "the terminal went away; SIGINT; SIGTERM"),
    ],
    files: PAGE.files,
    variables: &[
        ("NO_COLOR", "no colour, where --color does not say otherwise"),
        ("LC_ALL, LC_CTYPE, LANG", "lines and bars are drawn with ASCII only, unless UTF-8"),
        ("TZ", "the time zone of what is shown"),
    ],
    more: Some(("KEYS", keys)),
    see: &["mmm-control(1)", "mmm-mond(8)", "mmm-agentd(8)"],
    names: None,
};

/// The table of the console's keys.
fn keys() -> Vec<(String, String)> {
    let names = |keys: &[Key]| keys.iter().map(|key| key.name()).collect::<Vec<_>>().join(", ");
    TABLE.iter().map(|row| (names(row.keys), row.help.to_owned())).collect()
}

/// What the options do not say.
const CLUSTER: &str = "@CLUSTER names the cluster where there are several: its settings are in \
    mmm_mon_CLUSTER, or tui.toml names it. --json, --no-wait and --timeout may also stand behind \
    the verb.";

/// `command` is what is parsed: its last argument takes all words of the verb. Here each verb is a
/// command of its own.
pub fn command(command: &Command) -> Command {
    let options = command.get_arguments().filter(|arg| arg.get_id() != "words");
    // Ours are also taken from behind the verb.
    let anywhere = ["json", "no_wait", "timeout"];
    let options = options.cloned().map(|arg| {
        let anywhere = anywhere.iter().any(|id| arg.get_id() == id);
        arg.global(anywhere)
    });
    let about = command.get_long_about().or(command.get_about());
    let about = about.map_or_else(String::new, ToString::to_string);
    let mut all = Command::new("mmm-control")
        .version(env!("CARGO_PKG_VERSION"))
        .about(command.get_about().cloned().unwrap_or_default())
        .long_about(format!("{about}\n\n{CLUSTER}"))
        .override_usage("mmm-control [OPTIONS] [@CLUSTER] VERB [ARGS]")
        .disable_help_subcommand(true)
        .subcommand_value_name("VERB")
        .args(options);
    for word in WORDS {
        all = all.subcommand(verb(word.word, word.arguments, word.help));
    }
    let mut plan = Command::new(preview::WORD)
        .disable_help_subcommand(true)
        .about("what a command would do, and whether it would be allowed; runs nothing");
    for word in WORDS.iter().filter(|word| word.acts) {
        plan = plan.subcommand(verb(word.word, word.arguments, word.help));
    }
    let rest = |usage: &'static str| usage.split_once(' ').map_or("", |(_, rest)| rest);
    let happened = "what happened and why, oldest first; --follow goes on";
    let watch = "mode and writer, then one line for each event; comes back after a lost link";
    all.subcommand(plan)
        .subcommand(verb("events", rest(events::USAGE), happened))
        .subcommand(verb("watch", rest(events::USAGE_WATCH), watch))
        .subcommand(verb(relay::WORD, "", relay::HELP))
        .subcommand(verb(schema::WORD, "", schema::HELP))
        .subcommand(config())
        .subcommand(broken())
}

/// The usage of `shell::import`, in the form of the other tables.
const IMPORT: &str = "<dir> --out <folder> [--force]";

fn config() -> Command {
    let help = "translate the original's .conf files in DIR into TOML; asks no monitor";
    Command::new("config")
        .about("configuration files")
        .disable_help_subcommand(true)
        .subcommand(verb("import", IMPORT, help))
}

fn broken() -> Command {
    Command::new(demo::WORD)
        .about("in a demo only, which mmm-mond demo plays")
        .disable_help_subcommand(true)
        .subcommand(verb("faults", "", "what can be broken"))
        .subcommand(verb("fault", "<words>", "break something, or mend it"))
        .subcommand(verb("calm", "", "end every fault"))
}

/// One verb from its words in the tables: `[--flag <value>] <needed> [<optional>|all]`.
fn verb(word: &'static str, arguments: &'static str, help: &'static str) -> Command {
    let mut command = Command::new(word).about(help);
    let mut depth = 0_usize;
    let mut flag: Option<Arg> = None;
    for token in arguments.split_whitespace() {
        depth += token.matches('[').count();
        let name = token.trim_matches(['[', ']']).split('|').next().unwrap_or_default();
        if let Some(long) = name.strip_prefix("--") {
            command = command.args(flag.take());
            flag = Some(Arg::new(long).long(long).action(ArgAction::SetTrue));
        } else {
            let name = name.trim_matches(['<', '>']);
            let shape = match token.trim_matches(['[', ']', '<', '>']) {
                "host>|<role" => "host|role",
                "host>|all" => "host|all",
                "check>|all" => "check|all",
                _ => name,
            };
            // A value stands behind its flag, in the same brackets.
            let arg = match flag.take() {
                Some(flag) => flag.action(ArgAction::Set),
                None => Arg::new(name),
            };
            let arg = arg.value_name(shape).required(depth == 0);
            command = command.arg(values(arg, name));
        }
        let closed = token.matches(']').count();
        depth = depth.saturating_sub(closed);
        if closed > 0 {
            command = command.args(flag.take());
        }
    }
    command.args(flag)
}

/// The values that are known without a cluster.
fn values(arg: Arg, name: &str) -> Arg {
    match name {
        "check" => arg.value_parser(
            Check::ALL.map(Check::word).into_iter().chain(["all"]).collect::<Vec<_>>(),
        ),
        "level" => arg.value_parser(["info", "warn", "error"]),
        _ => arg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::import;

    fn shapes(mut command: Command) -> Vec<String> {
        command.build();
        let shape = |arg: &Arg| format!("{arg}{}", if arg.is_required_set() { "!" } else { "" });
        command.get_arguments().filter(|arg| arg.get_id() != "help").map(shape).collect()
    }

    #[test]
    fn the_import_is_as_its_usage_says() {
        let ours = IMPORT.replace("<dir>", "DIR").replace("<folder>", "DIR");
        assert_eq!(import::USAGE, format!("config import {ours}"));
    }

    #[test]
    fn arguments_are_read_from_the_tables() {
        for (arguments, wants) in [
            ("", vec![]),
            ("[<host>|all [<check>|all]]", vec!["[host|all]", "[check|all]"]),
            ("[<host>|<role>]", vec!["[host|role]"]),
            ("[--force] [--kill] <role> <host>", vec!["--force", "--kill", "<role>!", "<host>!"]),
            ("[--last <n>] [--follow]", vec!["--last <n>", "--follow"]),
            ("<dir> --out <folder> [--force]", vec!["<dir>!", "--out <folder>!", "--force"]),
        ] {
            assert_eq!(shapes(verb("x", arguments, "")), wants, "{arguments}");
        }
    }
}
