//! `mmm-control`: one verb for the monitor, in the original's words. Flags, printing and the exit
//! code; the work is in the library.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser};
use mmm_proto::{Verb, Wall, demo};
use mmm_tui::control::{self, Asked, Options, Outcome, exit};
use mmm_tui::shell::target::TargetArgs;
use mmm_tui::shell::{import, manual, relay};

/// Talks to the monitor of an MMM cluster: one command, one answer.
///
/// Exit codes: 0 done, 1 refused or failed, 2 usage, 3 monitor not reachable, 4 outcome unknown, 5
/// failed and undone.
#[derive(Parser, Debug)]
#[command(name = "mmm-control", version, after_help = help())]
struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Print one JSON object, also for errors
    #[arg(long)]
    json: bool,
    /// Do not follow long work to its end
    #[arg(long)]
    no_wait: bool,
    /// How long to wait in all, such as 500ms, 60s or 2m
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = limit)]
    timeout: Duration,
    /// [@CLUSTER] VERB [ARGS]: see the list below
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "VERB")]
    words: Vec<String>,
}

/// The verbs, and what is done without a monitor or in a demo only.
fn help() -> String {
    let import = "translate the original's .conf files into TOML";
    format!(
        "{}\nOnly here:\n    {} - what it would do, and whether it would be allowed\n    {}\n    {}\n    {} - {}\n\
         Without a monitor:\n    {} - {import}\n    {} - {}\nIn a demo (mmm-mond demo):\n    {}",
        mmm_proto::verb::help(),
        control::preview::USAGE,
        control::events::USAGE,
        control::events::USAGE_WATCH,
        relay::WORD,
        relay::HELP,
        import::USAGE,
        control::schema::WORD,
        control::schema::HELP,
        demo::USAGE
    )
}

fn main() -> ExitCode {
    let full = || control::manual::command(&Args::command());
    if let Some(ended) = manual::asked(&control::manual::PAGE, full) {
        return ended;
    }
    let mut args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return wrong_usage(&error),
    };
    if let Some(words) = config(&mut args) {
        return print(&import::run(&words), "config", args.json);
    }
    let (cluster, asked) = match parse(&mut args) {
        Ok(parsed) => parsed,
        Err(outcome) => return print(&outcome, "", args.json),
    };
    if let Some(outcome) = asked.alone() {
        return print(&outcome, asked.word(), args.json);
    }
    let target = match asked {
        // What carries to this machine's socket must not be sent on.
        Asked::Relay => args.target.local(cluster.as_deref()),
        _ => args.target.target(cluster.as_deref()),
    };
    let outcome = match target {
        Ok(target) => {
            let options = Options {
                limit: args.timeout,
                wait: !args.no_wait,
                progress: !args.json && std::io::stderr().is_terminal(),
                json: args.json,
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(control::run(&target, &asked, &options, &date)),
                Err(error) => Outcome::failure(exit::UNREACHABLE, &format!("no runtime: {error}")),
            }
        }
        Err(why) => Outcome::failure(exit::USAGE, &why),
    };
    print(&outcome, asked.word(), args.json)
}

/// The words behind `config`, if that is the verb. It works on files, and no monitor is asked.
fn config(args: &mut Args) -> Option<Vec<String>> {
    if args.words.first().is_none_or(|word| word != "config") {
        return None;
    }
    let (ours, words): (Vec<String>, Vec<String>) =
        args.words.drain(1..).partition(|word| word == "--json");
    args.json |= !ours.is_empty();
    Some(words)
}

/// The cluster behind `@` and the verb. Our own options are also taken from behind the verb, where
/// people type them; everything else there belongs to the verb.
fn parse(args: &mut Args) -> Result<(Option<String>, Asked), Outcome> {
    let mut words = Vec::new();
    let mut cluster = None;
    let mut rest = std::mem::take(&mut args.words).into_iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--json" => args.json = true,
            "--no-wait" => args.no_wait = true,
            "--timeout" => args.timeout = later_limit(rest.next().as_deref())?,
            _ if word.starts_with("--timeout=") => {
                args.timeout = later_limit(word.strip_prefix("--timeout="))?;
            }
            "--help" | "-h" => return Ok((None, Asked::Verb(Verb::Help))),
            _ if words.is_empty() && cluster.is_none() && word.starts_with('@') => {
                cluster = Some(word[1..].to_owned());
            }
            _ => words.push(word),
        }
    }
    if let Some(asked) = Asked::parse_own(&words) {
        return asked
            .map(|asked| (cluster, asked))
            .map_err(|why| Outcome::failure(exit::USAGE, &format!("Invalid command: {why}")));
    }
    match Verb::parse(&words) {
        Ok(verb) => Ok((cluster, Asked::Verb(verb))),
        Err(error) => {
            let mut outcome = Outcome::failure(exit::USAGE, &error.to_string());
            outcome.err = format!("{error}\n\n{}", mmm_proto::verb::help());
            Err(outcome)
        }
    }
}

fn later_limit(text: Option<&str>) -> Result<Duration, Outcome> {
    limit(text.unwrap_or_default())
        .map_err(|why| Outcome::failure(exit::USAGE, &format!("--timeout: {why}")))
}

/// A time with its unit, or plain seconds.
fn limit(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{text:?} is no time; write 500ms, 60s or 2m")),
    };
    let seconds: f64 =
        number.parse().map_err(|_| format!("{text:?} is no time; write 500ms, 60s or 2m"))?;
    let seconds = seconds * factor;
    if seconds > 0.0 && seconds <= 86_400.0 {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!("{text:?} is not between 1ms and 24h"))
    }
}

/// The stamp in this machine's time zone, in the original's form.
fn date(at: Wall) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(
        |_| "?".to_owned(),
        |stamp| {
            let zone = jiff::tz::TimeZone::system();
            stamp.to_zoned(zone).strftime("%Y/%m/%d %H:%M:%S").to_string()
        },
    )
}

fn wrong_usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args().any(|arg| arg == "--json") {
        let text = error.to_string();
        let why = text.lines().next().unwrap_or_default();
        let why = why.strip_prefix("error: ").unwrap_or(why);
        return print(&Outcome::failure(exit::USAGE, why), "", true);
    }
    // A closed pipe is no failure.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::DONE })
}

/// Prints the outcome. A reader who left early (`| head`) is no failure.
fn print(outcome: &Outcome, verb: &str, json: bool) -> ExitCode {
    let mut out = std::io::stdout();
    if json {
        let _ = out.write_all(outcome.json_line(verb).as_bytes());
    } else {
        let _ = out.write_all(outcome.out.as_bytes());
        let _ = std::io::stderr().write_all(outcome.err.as_bytes());
    }
    let _ = out.flush();
    ExitCode::from(outcome.exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_carry_units() {
        assert_eq!(limit("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(limit("60"), Ok(Duration::from_secs(60)));
        assert_eq!(limit("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "x", "0", "5y", "-1s", "1e9h", "..s", "99999999"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn our_options_are_found_on_both_sides_of_the_verb() {
        let line =
            ["mmm-control", "--socket", "/s", "@c1", "move_role", "--force", "writer", "db2"];
        let mut args =
            Args::try_parse_from(line.iter().chain(&["--json", "--timeout", "5s"])).unwrap();
        let (cluster, Asked::Verb(verb)) = parse(&mut args).unwrap() else { panic!("a verb") };
        assert_eq!(cluster.as_deref(), Some("c1"));
        assert_eq!(verb.to_string(), "move_role --force writer db2");
        assert!(args.json);
        assert_eq!(args.timeout, Duration::from_secs(5));
    }
}
