//! `docs/from-the-original.md` against the sources: every known defect of the original has its row,
//! every test that a row names exists, and the table of states is the one in the code.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use mmm_daemon::core::monitor::ROWS;

/// How many defects each letter has.
const DEFECTS: [(char, usize); 9] =
    [('A', 9), ('B', 9), ('C', 11), ('D', 11), ('E', 5), ('F', 4), ('G', 4), ('H', 10), ('I', 3)];

const BEGIN: &str = "<!-- states: written by";
const END: &str = "<!-- end of states -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn page() -> PathBuf {
    root().join("docs/from-the-original.md")
}

fn text() -> String {
    fs::read_to_string(page()).unwrap()
}

/// The cells of every row of a table whose first cell looks like the id of a defect.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let is_id = |cell: &str| {
        let mut letters = cell.chars();
        letters.next().is_some_and(|first| first.is_ascii_uppercase())
            && letters.as_str().parse::<usize>().is_ok()
    };
    let lines = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = lines.map(|line| line.split(" | ").collect::<Vec<_>>());
    rows.filter(|row| is_id(row[0])).collect()
}

/// Every `file.rs::test` in backticks.
fn tests_in(text: &str) -> Vec<&str> {
    text.split('`').filter(|word| word.contains(".rs::") && !word.contains(' ')).collect()
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if entry.file_name() != "target" {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Whether some file whose path ends so has a test of that name.
fn exists(test: &str, files: &[(String, String)]) -> bool {
    let (path, name) = test.split_once("::").unwrap();
    files.iter().any(|(file, content)| {
        let there = file == path || file.ends_with(&format!("/{path}"));
        let (plain, waiting) = (format!("\nfn {name}("), format!("async fn {name}("));
        let inner = format!("    fn {name}(");
        there && [plain, waiting, inner].iter().any(|head| content.contains(head))
    })
}

#[test]
fn every_defect_of_the_original_has_one_row_with_a_verdict() {
    let text = text();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in rows(&text) {
        let &[id, _, verdict, what] = row.as_slice() else {
            wrong.push(format!("{row:?}: not four cells"));
            continue;
        };
        *seen.entry(id).or_default() += 1;
        match verdict {
            "fixed" if tests_in(what).is_empty() => wrong.push(format!("{id}: no test is named")),
            "fixed" | "kept" | "open" | "n/a" if what.len() > 3 => {}
            _ => wrong.push(format!("{id}: {verdict:?} is no verdict, or says nothing")),
        }
    }
    let all = DEFECTS.iter().flat_map(|(l, n)| (1..=*n).map(move |n| format!("{l}{n}")));
    let all: Vec<String> = all.collect();
    for id in &all {
        match seen.get(id.as_str()) {
            Some(1) => {}
            times => wrong.push(format!("{id}: {} rows", times.unwrap_or(&0))),
        }
    }
    wrong.extend(
        seen.keys()
            .filter(|id| !all.iter().any(|a| a == *id))
            .map(|id| format!("{id}: no such defect")),
    );
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_test_that_the_page_names_exists() {
    let text = text();
    let mut files = Vec::new();
    for folder in ["crates", "tests"] {
        sources(&root().join(folder), &mut files);
    }
    let named = tests_in(&text);
    assert!(named.len() > 60, "{}", named.len());
    let missing: Vec<&&str> = named.iter().filter(|test| !exists(test, &files)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_table_of_states_is_the_one_in_the_code() {
    let mut table = String::from(
        "\n| row | from | condition | to | what differs |\n| --- | --- | --- | --- | --- |\n",
    );
    for row in ROWS {
        let from: Vec<String> = row.from.iter().map(ToString::to_string).collect();
        let to = row.to.map_or("stays".to_owned(), |to| to.to_string());
        let (from, when, differs) = (from.join(", "), row.when, row.differs);
        writeln!(table, "| {} | {from} | {when} | {to} | {differs} |", row.number).unwrap();
    }
    table.push('\n');
    let text = text();
    let begin = text.find(BEGIN).unwrap();
    let begin = begin + text[begin..].find('\n').unwrap() + 1;
    let end = text.find(END).unwrap();
    if text[begin..end] == table {
        return;
    }
    let new = format!("{}{table}{}", &text[..begin], &text[end..]);
    if std::env::var_os("MMM_WRITE_DOCS").is_some() {
        return fs::write(page(), new).unwrap();
    }
    panic!("the table differs; MMM_WRITE_DOCS=1 writes it:\n{table}");
}
