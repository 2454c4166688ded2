//! Manual pages and shell completions of our programs, made from the command lines that they parse.
//! Every program prints its own: `--generate man`, `complete-bash`, `complete-zsh` or
//! `complete-fish`. Gets command lines and gives text; prints and parses nothing else.

use std::ffi::OsString;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// The option.
pub const OPTION: &str = "--generate";

/// Its words.
pub const WORDS: [&str; 4] = ["man", "complete-bash", "complete-zsh", "complete-fish"];

/// When the pages last changed in what they say.
const DATE: &str = "2026-11-29";

/// Rows of a table that is made when the page is.
pub type Rows = fn() -> Vec<(String, String)>;

/// What a page says besides its command line.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// 1: for everybody; 8: for those who run a machine.
    pub section: &'static str,
    /// Exit codes.
    pub exits: &'static [(&'static str, &'static str)],
    /// Files and folders.
    pub files: &'static [(&'static str, &'static str)],
    /// Variables of the environment.
    pub variables: &'static [(&'static str, &'static str)],
    /// One more table under its heading.
    pub more: Option<(&'static str, Rows)>,
    /// Other pages, as `name(section)`.
    pub see: &'static [&'static str],
    /// For the completions, where a verb takes what only a running cluster knows.
    pub names: Option<Names>,
}

/// How each shell finds the names that a verb takes. For zsh it is a function `_x_names` that bears
/// the program's name and is called with the argument's.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    pub bash: &'static str,
    pub zsh: &'static str,
    /// What the generated function begins with. In a function of its own it could not change what
    /// zsh takes for the line: that is restored at its end.
    pub zsh_begin: &'static str,
    pub fish: &'static str,
    /// The arguments that are such names.
    pub arguments: &'static [&'static str],
}

/// The text that a command line asks for, if it does; `line` begins with the program's name.
///
/// # Errors
/// Says which words there are.
pub fn asked(
    line: impl Iterator<Item = OsString>,
    command: impl FnOnce() -> Command,
    page: &Page,
) -> Option<Result<String, String>> {
    let words: Vec<OsString> = line.skip(1).take(3).collect();
    let word = match words.as_slice() {
        [first] if first == OPTION => String::new(),
        [first, word] if first == OPTION => word.to_string_lossy().into_owned(),
        [one] => one.to_str()?.strip_prefix(OPTION)?.strip_prefix('=')?.to_owned(),
        [first, ..] if first == OPTION => "more than one".to_owned(),
        _ => return None,
    };
    Some(generate(&word, command(), page))
}

fn generate(word: &str, command: Command, page: &Page) -> Result<String, String> {
    match word {
        "man" => Ok(man(command, page)),
        "complete-bash" => Ok(bash(command, page)),
        "complete-zsh" => Ok(zsh(command, page)),
        "complete-fish" => Ok(fish(command, page)),
        _ => Err(format!("{OPTION} {word:?}: write one of {}", WORDS.join(", "))),
    }
}

fn completion(shell: Shell, mut command: Command) -> String {
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, &name, &mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    // The generator for bash spells the states of a program with a hyphen in two ways, and nothing
    // is completed behind its verbs (clap-rs/clap#6421).
    let wrong = format!("{}__subcmd__", name.replace('-', "__subcmd__"));
    text.replace(&wrong, &format!("{}__subcmd__", name.replace('-', "__")))
}

fn bash(command: Command, page: &Page) -> String {
    completion(Shell::Bash, command) + page.names.map_or("", |names| names.bash)
}

fn zsh(command: Command, page: &Page) -> String {
    let name = command.get_name().to_owned();
    let mut text = completion(Shell::Zsh, command);
    let Some(names) = page.names else { return text };
    let ours = name.replace('-', "_");
    for arg in names.arguments {
        // Behind a blank a function is called as it is written.
        let asked = format!(":{arg}: _{ours}_names {arg}'");
        text = text.replace(&format!(":{arg}:_default'"), &asked);
    }
    let start = format!("_{name}() {{\n");
    let begin = format!("{start}{}", names.zsh_begin);
    let last = "\nif [ \"$funcstack[1]\"";
    let own = format!("\n{}{last}", names.zsh);
    text.replacen(&start, &begin, 1).replacen(last, &own, 1)
}

fn fish(command: Command, page: &Page) -> String {
    let text = completion(Shell::Fish, command);
    let Some(names) = page.names else { return text };
    // The generator takes the name of a cluster for the verb.
    let line = "    set -e cmd[1]\n";
    let others = format!("{line}    set cmd (string match -v '@*' -- $cmd)\n");
    text.replacen(line, &others, 1) + names.fish
}

fn man(command: Command, page: &Page) -> String {
    let version = command.get_version().unwrap_or_default().to_owned();
    let man = Man::new(command.clone())
        .section(page.section)
        .date(DATE)
        .source(format!("mmm {version}"))
        .manual("MMM, Multi-Master Replication Manager for MySQL");
    let mut text = Vec::new();
    let written = man
        .render_title(&mut text)
        .and_then(|()| man.render_name_section(&mut text))
        .and_then(|()| man.render_synopsis_section(&mut text))
        .and_then(|()| man.render_description_section(&mut text))
        .and_then(|()| man.render_options_section(&mut text));
    // Writing to memory cannot fail.
    debug_assert!(written.is_ok());
    // A break beside an empty line is one too many for mandoc.
    let mut text = String::from_utf8_lossy(&text).replace(".br\n\n.br\n", ".sp\n");
    let mut built = command;
    built.build();
    let verbs: Vec<&Command> = shown(&built).collect();
    if !verbs.is_empty() {
        text.push_str(".SH COMMANDS\n");
        for verb in verbs {
            describe(&mut text, verb);
        }
    }
    for (title, rows) in
        [("EXIT STATUS", page.exits), ("FILES", page.files), ("ENVIRONMENT", page.variables)]
    {
        if !rows.is_empty() {
            text.push_str(&format!(".SH {title}\n"));
        }
        for (left, right) in rows {
            text.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", plain(left), plain(right)));
        }
    }
    if let Some((title, rows)) = page.more {
        text.push_str(&format!(".SH {title}\n"));
        for (left, right) in rows() {
            text.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", plain(&left), plain(&right)));
        }
    }
    let see: Vec<String> = page.see.iter().map(|other| link(other)).collect();
    if !see.is_empty() {
        text.push_str(&format!(".SH SEE ALSO\n{}\n", see.join(",\n")));
    }
    text
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|one| !one.is_hide_set())
}

/// One command with its arguments and with the commands behind it.
fn describe(text: &mut String, command: &Command) {
    let own = |arg: &&clap::Arg| {
        !arg.is_hide_set()
            && !arg.is_global_set()
            && !matches!(arg.get_id().as_str(), "help" | "version")
    };
    let arguments: Vec<&clap::Arg> = command.get_arguments().filter(own).collect();
    let mut usage = format!("\\fB{}\\fR", plain(command.get_name()));
    for arg in &arguments {
        let (open, close) = if arg.is_required_set() { ("", "") } else { ("[", "]") };
        let shape = arg.to_string();
        let shape = shape.trim_matches(['[', ']']);
        usage.push_str(&format!(" {open}{}{close}", plain(shape)));
    }
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map_or_else(String::new, ToString::to_string);
    text.push_str(&format!(".TP\n{usage}\n{}\n", plain(&about)));
    let explained = arguments.iter().filter_map(|arg| Some((arg, arg.get_help()?)));
    let explained: Vec<_> = explained.collect();
    let below: Vec<&Command> = shown(command).collect();
    if explained.is_empty() && below.is_empty() {
        return;
    }
    text.push_str(".RS\n");
    for (arg, help) in explained {
        let help = plain(&help.to_string());
        text.push_str(&format!(".TP\n\\fB{}\\fR\n{help}\n", plain(&arg.to_string())));
    }
    for one in below {
        describe(text, one);
    }
    text.push_str(".RE\n");
}

/// `name(section)` in the letters of a manual page.
fn link(other: &str) -> String {
    match other.split_once('(') {
        Some((name, rest)) => format!("\\fB{}\\fR({}", plain(name), plain(rest)),
        None => plain(other),
    }
}

/// Text in which nothing is an order to the typesetter.
fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\n', " ");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    const PAGE: Page = Page {
        section: "1",
        exits: &[("0", "done")],
        files: &[],
        variables: &[],
        more: None,
        see: &["other-page(8)"],
        names: None,
    };

    fn ask(words: &[&str]) -> Option<Result<String, String>> {
        let line = std::iter::once("x").chain(words.iter().copied()).map(OsString::from);
        let command = || {
            let verb =
                Command::new("verb").about(".about\nit").arg(Arg::new("host").required(true));
            Command::new("x").version("1").about("d").disable_help_subcommand(true).subcommand(verb)
        };
        asked(line, command, &PAGE)
    }

    #[test]
    fn only_its_own_option_is_answered() {
        for words in [&[][..], &["show"], &["--config", "--generate"], &["--generated"]] {
            assert_eq!(ask(words), None, "{words:?}");
        }
        for words in [&["--generate"][..], &["--generate", "x"], &["--generate=man", "x"]] {
            let wrong = ask(words);
            assert!(wrong.is_none_or(|told| told.unwrap_err().contains("man, complete-bash")));
        }
        for word in WORDS {
            let text = ask(&["--generate", word]).unwrap().unwrap();
            assert!(text.contains("verb"), "{word}: {text}");
        }
        assert!(ask(&["--generate=man"]).unwrap().is_ok());
    }

    #[test]
    fn a_page_has_the_commands_and_no_orders_from_their_text() {
        let text = ask(&["--generate", "man"]).unwrap().unwrap();
        let wants = ".SH COMMANDS\n.TP\n\\fBverb\\fR <host>\n\\&.about it\n.SH EXIT STATUS\n";
        assert!(text.contains(wants), "{text}");
        assert!(text.ends_with(".SH SEE ALSO\n\\fBother\\-page\\fR(8)\n"), "{text}");
    }
}
