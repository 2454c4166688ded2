//! The rules of this repository that a compiler does not know.
use std::fs;
use std::path::{Path, PathBuf};

const COLUMNS: usize = 100;
const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 70;

/// Files that may be longer than [`FILE_LINES`], each with a reason. To shrink, never to grow.
const LONG_FILES: &[(&str, &str)] = &[];
/// Functions ("file: name") that may be longer than [`FUNCTION_LINES`], each with a reason.
const LONG_FUNCTIONS: &[(&str, &str)] = &[(
    "crates/daemon/src/core/tests/host/hands.rs: finish",
    "one arm for each act, as in the product",
)];

/// Rooms of pure code: given the time and the input, they compute, and touch nothing.
const PURE: &[&str] = &[
    "crates/proto/src/",
    "crates/daemon/src/core/",
    "crates/daemon/src/sim/",
    "crates/tui/src/app/",
    "crates/tui/src/view/",
];
/// The simulation's one door to the world: a real socket for a simulated cluster.
const PURE_BUT: &[&str] = &["crates/daemon/src/sim/demo.rs", "crates/daemon/src/sim/demo/place.rs"];

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_owned()
}

/// All text of the repository: (path from the root, content).
fn files() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in ["crates", "tests", "config", ".ci", ".cargo"] {
        collect(&root().join(entry), &mut found);
    }
    for entry in fs::read_dir(root()).unwrap().flatten() {
        if entry.path().is_file()
            && !["Cargo.lock", ".git"].iter().any(|name| entry.file_name() == *name)
        {
            found.push(entry.path());
        }
    }
    found.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        // What is not text is nobody's to read.
        fs::read_to_string(&path).ok().map(|text| (name, text))
    };
    found.into_iter().filter_map(read).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            if entry.file_name() != "target" {
                collect(&entry.path(), found);
            }
        } else {
            found.push(entry.path());
        }
    }
}

fn rust() -> Vec<(String, String)> {
    files().into_iter().filter(|(name, _)| name.ends_with(".rs")).collect()
}

fn excused(list: &[(&str, &str)], what: &str) -> bool {
    list.iter().any(|(name, reason)| *name == what && !reason.is_empty())
}

fn none(mistakes: &[String]) {
    assert!(mistakes.is_empty(), "\n{}", mistakes.join("\n"));
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let files = rust();
    assert!(files.len() > 20, "the search works: {} files", files.len());
    let mistakes: Vec<String> = files
        .iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(name, _)| format!("{name}: open it with `//!` and what lives there"))
        .collect();
    none(&mistakes);
}

#[test]
fn lines_fit_and_files_are_short() {
    let mut mistakes = Vec::new();
    for (name, text) in rust() {
        for (at, line) in (1..).zip(text.lines()) {
            let columns = line.chars().count();
            // A row of a table cannot be broken, and rustfmt breaks no string.
            let comment = line.trim_start().starts_with("//");
            let row = line.starts_with("//! |") || line.starts_with("/// |");
            let string = !comment && line.contains('"');
            if columns > COLUMNS && !row && !string {
                mistakes.push(format!("{name}:{at}: {columns} columns, at most {COLUMNS}"));
            }
        }
        let lines = text.lines().count();
        if lines > FILE_LINES && !excused(LONG_FILES, &name) {
            mistakes.push(format!("{name}: {lines} lines, at most {FILE_LINES}: split it"));
        }
    }
    none(&mistakes);
}

/// (name, lines) of every function of rustfmt's making, from its `fn` to its closing brace.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let mut words = code.split(' ');
        let known = ["pub", "pub(crate)", "pub(super)", "async", "const", "unsafe"];
        let Some("fn") = words.find(|word| !known.contains(word)) else {
            continue;
        };
        let name: String = words
            .next()
            .unwrap_or_default()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        let end = format!("{}}}", " ".repeat(indent));
        let length = lines[at..].iter().position(|line| *line == end);
        found.extend(length.map(|lines| (name, lines + 1)));
    }
    found
}

#[test]
fn functions_are_short() {
    let text = "impl X {\n    pub fn a(&self) {\n        b();\n    }\n}\n\nfn c(\n) {\n}\n";
    assert_eq!(functions(text), [("a".to_owned(), 3), ("c".to_owned(), 3)]);
    let mut mistakes = Vec::new();
    for (file, text) in rust() {
        for (name, lines) in functions(&text) {
            if lines > FUNCTION_LINES && !excused(LONG_FUNCTIONS, &format!("{file}: {name}")) {
                mistakes.push(format!("{file}: {name}: {lines} lines, at most {FUNCTION_LINES}"));
            }
        }
    }
    none(&mistakes);
}

/// Needles are put together here, or this file would find itself.
fn needle(parts: &[&str]) -> String {
    parts.concat()
}

#[test]
fn nothing_of_one_machine_is_in_the_text() {
    let needles = [
        needle(&["/wo", "rk/"]),
        needle(&["/ro", "ot/"]),
        needle(&["/ho", "me/"]),
        needle(&["/Us", "ers/"]),
    ];
    let mut mistakes = Vec::new();
    for (name, text) in files() {
        for (at, line) in (1..).zip(text.lines()) {
            for needle in needles.iter().filter(|needle| line.contains(needle.as_str())) {
                mistakes.push(format!("{name}:{at}: a path of one machine ({needle})"));
            }
        }
    }
    none(&mistakes);
}

#[test]
fn no_leftovers_of_debugging() {
    let print = needle(&["db", "g!("]);
    let later = [needle(&["TO", "DO"]), needle(&["FIX", "ME"]), needle(&["XX", "X"])];
    let mut mistakes = Vec::new();
    for (name, text) in rust() {
        for (at, line) in (1..).zip(text.lines()) {
            if line.contains(&print) || later.iter().any(|word| line.contains(word.as_str())) {
                mistakes.push(format!("{name}:{at}: {}", line.trim()));
            }
        }
    }
    none(&mistakes);
}

#[test]
fn pure_rooms_touch_nothing() {
    let banned = [
        "std::time::Instant",
        "std::time::SystemTime",
        "Instant::now",
        "SystemTime",
        "std::env",
        "std::fs",
        "std::thread",
        "std::process",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "UnixStream",
        "UnixListener",
        "tokio",
        "tracing",
    ];
    let pure = |name: &String| {
        let inside = PURE.iter().any(|room| name.starts_with(room));
        inside && !PURE_BUT.contains(&name.as_str())
    };
    let mut mistakes = Vec::new();
    let mut seen = 0;
    for (name, text) in rust().iter().filter(|(name, _)| pure(name)) {
        seen += 1;
        // Tests may read a clock and files; they come last in a file.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (at, line) in (1..).zip(code.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            for word in banned.iter().filter(|word| code.contains(*word)) {
                mistakes.push(format!("{name}:{at}: {word} in a pure room"));
            }
        }
    }
    assert!(seen > 0, "the search works");
    none(&mistakes);
}
