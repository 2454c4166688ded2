//! The table of what came of all runs, as Markdown.
use std::fmt::Write as _;
use std::time::Duration;

use super::judge::Run;
use super::{NOISE, Row, TTL};

/// The most events that are told of one row, and the most letters of each.
const EVENTS: usize = 10;
const LETTERS: usize = 160;

/// All runs of one row.
pub struct Results {
    pub row: &'static Row,
    pub runs: Vec<Run>,
}

/// Where and when the runs were.
pub struct Place {
    pub date: String,
    pub machine: String,
    pub versions: String,
    pub seed: u64,
    pub took: Duration,
}

/// Bars that do not hold, of all rows: `row, run N: what`.
pub fn broken(all: &[Results]) -> Vec<String> {
    let mut lines = Vec::new();
    for results in all {
        for (at, run) in (1..).zip(&results.runs) {
            let line = |what: &String| format!("{}, run {at}: {what}", results.row.name);
            lines.extend(run.broken.iter().map(line));
        }
    }
    lines
}

/// The whole page.
pub fn page(all: &[Results], place: &Place) -> String {
    let mut text = format!(
        "# Failure matrix\n\n\
         Every fault in turn on a real cluster: three MariaDB servers in network namespaces,\n\
         one monitor, three agents, all on one machine. `make matrix` runs it and writes this\n\
         page; rows and bars are in `tests/src/matrix/rows/`. `make test` plays each row,\n\
         once.\n\n\
         - {}, {}\n- {}\n- seed {}, {} runs, {} s in all\n\n",
        place.date,
        place.machine,
        place.versions,
        place.seed,
        all.iter().map(|results| results.runs.len()).sum::<usize>(),
        place.took.as_secs()
    );
    let _ = write!(
        text,
        "A client writes 200 rows a second through the writer's VIP; \"gap\" is its longest\n\
         time without an acknowledged row from the fault until the cluster is well again.\n\
         \"Accepting\": two hosts took writes through the VIP at once, by looking at all hosts\n\
         every 10 ms and by clients on both masters' own hosts, so that both sides of a cut are\n\
         seen. \"Straight\": two hosts took writes from clients that go to each host's own\n\
         address, whether or not it has the VIP. \"Lost\": acknowledged rows that are on no\n\
         server afterwards, over all runs. Three figures: min / median / max. `lease_ttl` is\n\
         {} s.\n\n\
         Every run of every row is held to this: accepting is 0, no row is there twice, no\n\
         refused row is there, all servers have the same in the end, and the cluster is well\n\
         again (a host that has parted is rebuilt first). \"Clients notice nothing\": no error, no new\n\
         connection, and no gap longer than {} ms and an undisturbed run of 10 s in the same\n\
         cluster, or what a client of a server that the fault does not concern waited meanwhile.\n\n",
        TTL.as_secs(),
        NOISE.as_millis()
    );
    table(&mut text, all);
    let broken = broken(all);
    if broken.is_empty() {
        text.push_str("\nAll bars hold.\n");
    } else {
        text.push_str("\n## Bars that do not hold\n\n");
        for line in &broken {
            let first = line.lines().next().unwrap_or_default();
            let _ = writeln!(text, "- {first}");
        }
    }
    text.push_str("\n## What was told\n\nOf the run with the median gap, each: milliseconds after the fault, and the event.\n");
    for results in all {
        story(&mut text, results);
    }
    text
}

fn table(text: &mut String, all: &[Results]) {
    text.push_str(
        "| row | n | gap ms | two holders ms | accepting ms | straight ms | lost | bars | held |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for results in all.iter().filter(|results| !results.runs.is_empty()) {
        let _ = writeln!(text, "{}", line(results));
    }
}

/// The row of the table; also what is printed when a row is done.
pub fn line(results: &Results) -> String {
    let runs = &results.runs;
    let three = |of: fn(&Run) -> Duration| {
        let mut all: Vec<u128> = runs.iter().map(|run| of(run).as_millis()).collect();
        all.sort_unstable();
        match (all.first(), all.get(all.len() / 2), all.last()) {
            (Some(0), _, Some(0)) | (None, _, _) => "0".to_owned(),
            (min, median, max) => {
                let text = |of: Option<&u128>| of.map_or_else(String::new, u128::to_string);
                format!("{} / {} / {}", text(min), text(median), text(max))
            }
        }
    };
    let bars: Vec<String> = results.row.bars.iter().map(|bar| bar.words()).collect();
    let held = runs.iter().filter(|run| run.broken.is_empty()).count();
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {held} of {} |",
        results.row.name,
        runs.len(),
        three(|run| run.figures.gap),
        three(|run| run.figures.two_holders),
        three(|run| run.figures.two_accepting),
        three(|run| run.figures.two_straight),
        runs.iter().map(|run| run.figures.lost).sum::<usize>(),
        bars.join(", "),
        runs.len(),
    )
}

fn story(text: &mut String, results: &Results) {
    let Some(run) = median(&results.runs) else {
        return;
    };
    let _ = write!(text, "\n### {}\n\n{}.\n", results.row.name, sentence(results.row.what));
    for note in &run.notes {
        let _ = writeln!(text, "Seen: {}.", cut(note));
    }
    // The state of things before the fault is told by events that came before it.
    let told = run.events.iter().filter(|event| event.after(run.began) >= 0);
    // Reader VIPs and the steps of a plan are details.
    let worth: Vec<_> = told
        .filter(|event| !event.line.starts_with("reader:"))
        .filter(|event| event.bad || !event.line.contains(": step "))
        .collect();
    if worth.is_empty() {
        text.push_str("\nNo event.\n");
        return;
    }
    text.push_str("\n```text\n");
    for event in worth.iter().take(EVENTS) {
        let mark = if event.bad { '!' } else { ' ' };
        let _ = writeln!(text, "{:>6} {mark} {}", event.after(run.began), cut(&event.line));
    }
    if worth.len() > EVENTS {
        let _ = writeln!(text, "       ... and {} more", worth.len() - EVENTS);
    }
    text.push_str("```\n");
}

fn median(runs: &[Run]) -> Option<&Run> {
    let mut sorted: Vec<&Run> = runs.iter().collect();
    sorted.sort_by_key(|run| run.figures.gap);
    sorted.get(sorted.len() / 2).copied()
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>());
    first.unwrap_or_default() + letters.as_str()
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LETTERS {
        return text.to_owned();
    }
    text.chars().take(LETTERS).collect::<String>() + "..."
}
