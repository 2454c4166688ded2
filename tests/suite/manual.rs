//! Manual pages and completions as a packager makes them: the real programs, the real typesetter, a
//! real shell.
use std::path::Path;
use std::process::{Command, Output};

use lab::daemons::binary;
use mmm_proto::manual::WORDS;

/// Program, section, and the words behind which it has options of its own.
const PROGRAMS: [(&str, u8, &[&[&str]]); 4] = [
    ("mmm-mond", 8, &[&[], &["demo"], &["config-import"]]),
    ("mmm-agentd", 8, &[&[], &["fence"]]),
    ("mmm-control", 1, &[&[]]),
    ("mmm-tui", 1, &[&[]]),
];

fn run(program: &str, words: &[&str]) -> Output {
    Command::new(binary(program).unwrap()).args(words).output().unwrap()
}

fn generate(program: &str, word: &str) -> String {
    let done = run(program, &["--generate", word]);
    assert!(done.status.success(), "{program} {word}: {done:?}");
    String::from_utf8(done.stdout).unwrap()
}

/// A program of the machine, if it is there.
fn there(program: &str) -> Option<Command> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join(program));
    found.into_iter().find(|file| file.is_file()).map(Command::new)
}

/// What a page says, without the typesetter's marks.
fn said(page: &str) -> String {
    let plain = page.replace("\\-", "-").replace("\\fB", "").replace("\\fI", "");
    plain.replace("\\fR", "").replace("\\e", "\\")
}

/// The options that a help text lists, in the order of the text.
fn options(help: &str) -> Vec<String> {
    let lines = help.lines().filter(|line| line.trim_start().starts_with('-'));
    let words = lines.flat_map(|line| line.split([' ', ',', '=', '[']).collect::<Vec<_>>());
    words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned).collect()
}

#[test]
fn every_page_names_every_option_and_verb() {
    for (program, section, ways) in PROGRAMS {
        let page = said(&generate(program, "man"));
        assert!(page.contains(&format!(".TH {program} {section}")), "{page}");
        let mut count = 0;
        for way in ways {
            let mut words = way.to_vec();
            words.push("--help");
            let help = String::from_utf8(run(program, &words).stdout).unwrap();
            for option in options(&help) {
                assert!(page.contains(&option), "{program} {way:?}: {option} is not in\n{page}");
                count += 1;
            }
            assert!(way.iter().all(|word| page.contains(word)), "{way:?}");
        }
        assert!(count >= 5, "{program}: the search works: {count} options");
        for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"] {
            let found = page.contains(&format!(".SH {heading}\n"))
                || page.contains(&format!(".SH \"{heading}\"\n"));
            assert!(found, "{program} has no {heading}:\n{page}");
        }
    }
    let page = said(&generate("mmm-tui", "man"));
    assert!(page.contains(".SH KEYS\n.TP\n?, F1\nthis help\n"), "{page}");
    let page = said(&generate("mmm-control", "man"));
    let own = ["plan", "events", "watch", "relay", "schema", "config", "import", "demo", "fault"];
    let verbs = mmm_proto::verb::WORDS.iter().map(|row| row.word);
    for verb in verbs.chain(own) {
        assert!(
            page.contains(&format!("\n{verb}\n")) || page.contains(&format!("\n{verb} ")),
            "{verb}"
        );
    }
    for flag in ["--force", "--kill", "--last <n>", "--since <time>", "--follow", "--out <folder>"]
    {
        assert!(page.contains(flag), "{flag}");
    }
}

#[test]
fn every_page_is_set_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for (program, section, _) in PROGRAMS {
        let file = folder.path().join(format!("{program}.{section}"));
        std::fs::write(&file, generate(program, "man")).unwrap();
        for (setter, args) in [
            ("groff", &["-man", "-ww", "-z", "-Tutf8"][..]),
            ("mandoc", &["-T", "lint", "-W", "warning"]),
        ] {
            let Some(mut setter) = there(setter) else { continue };
            let done = setter.args(args).arg(&file).output().unwrap();
            let told = [done.stdout, done.stderr].concat();
            assert!(done.status.success() && told.is_empty(), "{}", String::from_utf8_lossy(&told));
            tried += 1;
        }
    }
    assert!(tried > 0, "neither groff nor mandoc is here: `make setup` installs groff");
}

/// What bash offers for the last of these words.
fn offered(program: &str, script: &Path, words: &[&str]) -> Vec<String> {
    let program_words = std::iter::once(&program).chain(words);
    let list: Vec<String> = program_words.map(|word| format!("'{word}'")).collect();
    let line = format!(
        "set -eu; source '{}'; spec=$(complete -p {program}); name=${{spec#*-F }}; \
         COMP_WORDS=({}); COMP_CWORD={}; COMPREPLY=(); \
         ${{name%% *}} {program} '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        list.join(" "),
        words.len(),
        words.last().unwrap_or(&""),
        words.iter().rev().nth(1).unwrap_or(&program),
    );
    let done = Command::new("bash").args(["--norc", "-c", &line]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let all = String::from_utf8(done.stdout).unwrap();
    all.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_verbs_options_and_values() {
    let folder = tempfile::tempdir().unwrap();
    for (program, words, wants) in [
        ("mmm-control", &["set_o"][..], &["set_online", "set_offline"][..]),
        ("mmm-control", &["move_role", "--k"], &["--kill"]),
        ("mmm-control", &["--json", "exp"], &["explain"]),
        ("mmm-control", &["plan", "move"], &["move_role"]),
        ("mmm-control", &["events", "--level", ""], &["info", "warn", "error"]),
        ("mmm-control", &["config", "i"], &["import"]),
        ("mmm-control", &["show", "--j"], &["--json"]),
        ("mmm-tui", &["--color", ""], &["auto", "always", "never"]),
        ("mmm-tui", &["--ssh-o"], &["--ssh-option"]),
        ("mmm-agentd", &["fence", "--if"], &["--if-needed"]),
        ("mmm-mond", &["demo", "--ho"], &["--hosts"]),
        ("mmm-mond", &["conf"], &["config-import"]),
    ] {
        let script = folder.path().join(program);
        std::fs::write(&script, generate(program, "complete-bash")).unwrap();
        assert_eq!(offered(program, &script, words), wants, "{program} {words:?}");
    }
}

#[test]
fn the_other_shells_take_their_completions() {
    let folder = tempfile::tempdir().unwrap();
    for (program, ..) in PROGRAMS {
        for shell in ["zsh", "fish"] {
            let text = generate(program, &format!("complete-{shell}"));
            assert!(text.contains(program) && text.lines().count() > 5, "{text}");
            let file = folder.path().join(format!("{program}.{shell}"));
            std::fs::write(&file, text).unwrap();
            let Some(mut shell) = there(shell) else { continue };
            let done = shell.arg("-n").arg(&file).output().unwrap();
            let told = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(done.status.success() && told.is_empty(), "{}: {told}", file.display());
        }
    }
}

#[test]
fn a_wrong_word_is_told_the_right_ones() {
    for (program, ..) in PROGRAMS {
        let done = run(program, &["--generate", "pages"]);
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!((done.status.code(), done.stdout.len()), (Some(2), 0), "{program}");
        assert!(WORDS.iter().all(|word| told.contains(word)), "{program}: {told}");
    }
}
