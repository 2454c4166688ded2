//! The console's figures in short, with bars that a busy machine does not break: what is counted in
//! bytes keeps its goal, what is counted in time must not hang. The table in `docs/console.md` is
//! made by `make goals`.

use lab::goals::{Effort, measure, table};

#[test]
fn the_console_keeps_its_goals_in_bytes_and_is_not_slow() {
    let figures = measure(Effort::SHORT).unwrap_or_else(|error| panic!("{error:#}"));
    println!("{}", table(&figures));
    assert!(figures.len() > 15, "{}", figures.len());
    let mut broken = Vec::new();
    for figure in &figures {
        let bar = match figure.unit {
            "B" | "B/s" | "MB" => figure.goal,
            // Other people's work on the same machine, and a build that is not optimised.
            "%" => figure.goal * 100.0,
            // The slowest of some hundred says how busy the machine was: it must only end.
            "ms" if figure.what.contains("p99") => figure.goal * 10.0 + 8000.0,
            "ms" => figure.goal * 10.0 + 2000.0,
            _ => figure.goal + 2.0,
        };
        if figure.value > bar || !figure.value.is_finite() {
            broken.push(format!("{figure} more than {bar}"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
