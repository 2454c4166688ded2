//! Transcripts: runs of the simulated cluster that people read and review, in
//! `tests/transcripts/THEME/NN-name.txt`.
//!
//! A file is: a head of `#` lines (what it shows, and why that matters), a script (`sim/script.rs`
//! says what it may do, `control show` prints the picture at that moment), a line `----`, and below
//! it what the cluster made of it. `>` is what somebody did, `=` the monitor's answer to it; the
//! rest are the monitor's events with their reasons (`[row 5]` of the table of states), what agents
//! do about the writer role, and who takes the clients' writes. The picture at the end is the
//! monitor's. Runs draw nothing (`jitter=off`): each length is the middle one, so that a transcript
//! changes only when a decision, a reason or a length of time does.
//!
//! `MMM_TRANSCRIPTS=rewrite cargo test -p mmm-tests --test suite transcripts` writes everything
//! below the lines anew; read the difference before you commit it.
//!
//! In the head, `# row 12` and `# mode WAIT` promise that the run takes that row and is in that
//! mode: every row and mode is promised by some file, and promises are looked at. `# open: ...`
//! says what is not yet as it should be.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use mmm_daemon::core::monitor::ROWS;
use mmm_daemon::sim::story::Told;
use mmm_daemon::sim::text::host_word;
use mmm_daemon::sim::{Action, Script, World};
use mmm_proto::agent::Duty;
use mmm_proto::console::Answer;
use mmm_proto::plan::{CheckVerdict, Plan};
use mmm_proto::view::HostView;
use mmm_proto::{ClusterView, MonitorMode, Time, Verb};

const LINE: &str = "----\n";

/// Differing lines that are shown of one file.
const SHOWN: usize = 12;

/// Changes of duty in a row that are told one by one.
const DUTIES: usize = 8;

struct File {
    /// Theme and name.
    name: String,
    path: PathBuf,
    /// Everything above the line.
    above: String,
    /// Everything below it.
    below: String,
}

/// What a run came to.
struct Run {
    text: String,
    rows: BTreeSet<&'static str>,
    modes: BTreeSet<&'static str>,
    violation: Option<String>,
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let mut paths = Vec::new();
    for theme in fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
        paths.extend(fs::read_dir(&theme).unwrap().map(|entry| entry.unwrap().path()));
    }
    paths.sort();
    let file = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        // A new file may end without the line.
        let (above, below) = text.split_once(LINE).unwrap_or((&text, ""));
        File {
            name: path.strip_prefix(&root).unwrap().display().to_string(),
            above: above.to_owned(),
            below: below.to_owned(),
            path,
        }
    };
    paths.into_iter().map(file).collect()
}

fn run(file: &File) -> Run {
    let script = Script::parse(&file.above).unwrap_or_else(|why| panic!("{}: {why}", file.name));
    let mut config = script.config.clone();
    config.jitter = false;
    let mut world = World::new(config, script.seed);
    let mut teller = Teller::default();
    world.story_on();
    teller.mode(&world);
    for (at, action) in &script.steps {
        world.run_until(Time(at.as_ms()));
        teller.go_on(&world);
        match action {
            Action::Control(Verb::Show) => teller.picture(&world, "> control show"),
            _ => world.act(action),
        }
    }
    world.run_until(Time(script.end.as_ms()));
    teller.go_on(&world);
    teller.skip_duties();
    teller.skip_again();
    teller.text.push('\n');
    teller.picture(&world, "the end");
    let violation = world.violation().map(ToString::to_string);
    if let Some(violation) = &violation {
        let _ = writeln!(teller.text, "BROKEN: {violation}");
    }
    let rows = world.story().map(|story| story.rows.clone()).unwrap_or_default();
    Run { text: teller.text, rows, modes: teller.modes, violation }
}

/// Writes down what a world tells.
#[derive(Default)]
struct Teller {
    told: usize,
    /// Changes of duty in a row, and the last of them.
    duties: (usize, Option<Time>),
    /// The words of the latest event, how often they came again, and when they last did.
    again: (String, usize, Time),
    text: String,
    modes: BTreeSet<&'static str>,
}

impl Teller {
    fn mode(&mut self, world: &World) {
        self.modes.extend(world.view().map(|view| view.mode.word()));
    }

    fn go_on(&mut self, world: &World) {
        let told = &world.story().unwrap().told;
        for (at, told) in &told[self.told..] {
            if matches!(told, Told::Duty(..)) {
                self.duties = (self.duties.0 + 1, Some(*at));
                if self.duties.0 > DUTIES {
                    continue;
                }
            } else {
                self.skip_duties();
            }
            let words = words(told);
            if words == self.again.0 {
                self.again = (words, self.again.1 + 1, *at);
                continue;
            }
            self.skip_again();
            self.say(*at, &words);
            self.again.0 = words;
            if matches!(told, Told::Event(0, event, _) if event.subject == "mode") {
                self.mode(world);
            }
        }
        self.told = told.len();
        self.mode(world);
    }

    /// Agents that try the same again and again are told of once.
    fn skip_duties(&mut self) {
        let (count, last) = std::mem::take(&mut self.duties);
        if let Some(last) = last.filter(|_| count > DUTIES) {
            let more = count - DUTIES;
            self.say(last, &format!("  agents: and so on, {more} more changes like these"));
        }
    }

    /// What is told again and again, word for word, is told once.
    fn skip_again(&mut self) {
        let (_, count, last) = std::mem::take(&mut self.again);
        if count > 0 {
            self.say(last, &format!("  and the same {count} more times, for the last time now"));
        }
    }

    /// One thing that was told; further lines are indented below it.
    fn say(&mut self, at: Time, lines: &str) {
        for (number, line) in lines.lines().enumerate() {
            let time = format!("{}.{:03}s", at.0 / 1000, at.0 % 1000);
            let time = if number == 0 { time } else { String::new() };
            let _ = writeln!(self.text, "{}", format!("{time:>9} {line}").trim_end());
        }
    }

    fn picture(&mut self, world: &World, title: &str) {
        self.skip_duties();
        self.skip_again();
        let text = match world.view() {
            Some(view) => picture(&view, world.open_host()),
            None => "the monitor is dead\n".to_owned(),
        };
        self.say(world.now(), &format!("{title}\n{text}"));
        self.mode(world);
    }
}

fn words(told: &Told) -> String {
    match told {
        Told::Did(action) => format!("> {action}"),
        Told::Answer(answer) => answer_words(answer),
        Told::Event(mon, event, row) => {
            let who = if *mon == 0 { "" } else { "(second monitor) " };
            let row = row.map_or(String::new(), |row| format!(" [row {row}]"));
            format!("  {who}{}{row}", event.line())
        }
        Told::Duty(host, duty) => {
            let what = match duty {
                Duty::None => "is not the writer",
                Duty::Opening => "opens as writer",
                Duty::Serving => "serves as writer",
                Duty::Freezing => "freezes: ends sessions, sets read_only",
                Duty::Frozen => "is frozen: read-only, the VIP refuses",
                Duty::Fencing => "fences itself: read-only, no VIP",
            };
            format!("  agent on {}: {what}", host_word(*host))
        }
        Told::Open(Some(host)) => format!("  clients: {} takes writes", host_word(*host)),
        Told::Open(None) => "  clients: nobody takes writes".to_owned(),
    }
}

fn answer_words(answer: &Answer) -> String {
    match answer {
        Answer::Done { text, .. } => format!("= OK: {text}"),
        Answer::Refused { refusal } => format!("= refused: {}", refusal.reason),
        Answer::Failed { undone: true, why } => format!("= failed, all is as it was: {why}"),
        Answer::Failed { undone: false, why } => format!("= failed: {why}"),
        Answer::Started { plan } => format!("= plan {plan} is started"),
        Answer::Plan { plan } => plan_words(plan),
        Answer::Snapshot { .. } => "= a picture".to_owned(),
        Answer::Examined { findings } => format!("= {}", mmm_proto::doctor::text(findings)),
    }
}

fn plan_words(plan: &Plan) -> String {
    let mut text = format!("= plan {}: {}\n  effect: {}\n", plan.id, plan.title, plan.effect);
    for check in &plan.checks {
        let mark = match check.verdict {
            CheckVerdict::Good => "ok",
            CheckVerdict::Warn => "warning",
            CheckVerdict::Bad => "BAD",
        };
        let _ = writeln!(text, "  check: {mark}: {}", check.text);
    }
    for (number, step) in (1..).zip(&plan.steps) {
        let host = step.host.as_ref().map_or("monitor", |host| host.as_str());
        let _ = writeln!(text, "  {number}. {host}: {}", step.what);
    }
    let _ = writeln!(text, "  if it fails: {}", plan.if_it_fails);
    text
}

fn picture(view: &ClusterView, open: Option<usize>) -> String {
    let mut text = format!("  mode {}", view.mode);
    if !view.mode_cause.is_empty() {
        // What is more than a line is a table of its own.
        let _ = write!(text, ": {}", view.mode_cause.lines().next().unwrap_or_default());
    }
    let writer = view.writer.host.as_ref().map_or("nobody", |host| host.as_str());
    let open = open.map_or("nobody takes writes".to_owned(), |host| {
        format!("{} takes writes", host_word(host))
    });
    let _ = writeln!(text, "\n  writer {writer}; {open}");
    for blocked in &view.writer.blocked {
        let ends = blocked.ends.map(|ends| format!(", ends in {}", ends.since(view.now).coarse()));
        let until = match blocked.until.as_str() {
            "" => String::new(),
            until => format!(", until: {until}"),
        };
        let ends = ends.unwrap_or_default();
        let _ = writeln!(text, "  no new writer because {}{ends}{until}", blocked.why);
    }
    for host in &view.hosts {
        let _ = writeln!(text, "  {}", host_line(host));
    }
    for line in &view.attention {
        let _ = writeln!(text, "  ! {line}");
    }
    text
}

fn host_line(host: &HostView) -> String {
    let source = host.server.source.as_ref();
    let source = source.map_or("follows nobody".to_owned(), |source| format!("follows {source}"));
    let roles: Vec<String> =
        host.roles.iter().map(|vip| format!("{}({})", vip.role, vip.ip)).collect();
    let roles = if roles.is_empty() { "no roles".to_owned() } else { roles.join(", ") };
    format!("{:<4} {:<17} {source:<14} {roles}", host.name.as_str(), host.state)
}

/// The first differing lines of one file.
fn difference(file: &File, now: &str) -> String {
    let (mut old, mut new) = (file.below.lines(), now.lines());
    let start = file.above.lines().count() + 2;
    let mut shown = Vec::new();
    let mut at = start;
    loop {
        let (was, is) = (old.next(), new.next());
        if (was.is_none() && is.is_none()) || shown.len() >= SHOWN {
            break;
        }
        if was != is {
            shown.push(format!("  line {at}"));
            shown.extend(was.map(|line| format!("  - {line}")));
            shown.extend(is.map(|line| format!("  + {line}")));
        }
        at += 1;
    }
    format!("{}:\n{}", file.name, shown.join("\n"))
}

/// What the head promises behind this word: `# row 12`, `# mode WAIT`.
fn promised<'a>(file: &'a File, word: &str) -> Vec<&'a str> {
    let start = format!("# {word} ");
    let heads = file.above.lines().filter_map(|line| line.strip_prefix(&start));
    heads.filter_map(|rest| rest.split([':', ' ']).next()).collect()
}

/// Every transcript and what its run came to; run once for all tests.
fn runs() -> &'static [(File, Run)] {
    static RUNS: OnceLock<Vec<(File, Run)>> = OnceLock::new();
    RUNS.get_or_init(|| {
        let with_run = |file: File| {
            let run = run(&file);
            (file, run)
        };
        files().into_iter().map(with_run).collect()
    })
}

#[test]
fn transcripts_are_as_written() {
    let rewrite = std::env::var("MMM_TRANSCRIPTS").is_ok_and(|word| word == "rewrite");
    let mut mistakes = Vec::new();
    if runs().len() < 60 {
        mistakes.push(format!("{} transcripts, at least 60", runs().len()));
    }
    for (file, run) in runs() {
        if let Some(violation) = &run.violation {
            mistakes.push(format!("{}: a rule is broken: {violation}", file.name));
        }
        if !file.above.starts_with("# ") {
            mistakes.push(format!("{}: open it with `# ` and what it shows", file.name));
        }
        if run.text != file.below {
            if rewrite {
                fs::write(&file.path, format!("{}{LINE}{}", file.above, run.text)).unwrap();
            } else {
                mistakes.push(difference(file, &run.text));
            }
        }
    }
    let how = "if that is right: MMM_TRANSCRIPTS=rewrite cargo test -p mmm-tests --test suite \
               transcripts, and read what changed";
    assert!(mistakes.is_empty(), "\n{}\n{how}", mistakes.join("\n"));
}

#[test]
fn every_row_of_the_table_of_states_and_every_mode_has_its_transcript() {
    let (mut rows, mut modes) = (BTreeSet::new(), BTreeSet::new());
    let mut mistakes = Vec::new();
    for (file, run) in runs() {
        for row in promised(file, "row").into_iter().filter(|row| !run.rows.contains(row)) {
            mistakes.push(format!("{}: row {row} never held, but {:?}", file.name, run.rows));
        }
        for mode in promised(file, "mode").into_iter().filter(|mode| !run.modes.contains(mode)) {
            mistakes.push(format!("{}: never in mode {mode}, but {:?}", file.name, run.modes));
        }
        rows.extend(promised(file, "row"));
        modes.extend(promised(file, "mode"));
    }
    let known: BTreeSet<&str> = ROWS.iter().map(|row| row.number).collect();
    mistakes.extend(known.difference(&rows).map(|row| format!("no transcript of row {row}")));
    let all = [MonitorMode::Active, MonitorMode::Manual, MonitorMode::Wait, MonitorMode::Passive];
    let missing = all.into_iter().map(MonitorMode::word).filter(|mode| !modes.contains(mode));
    mistakes.extend(missing.map(|mode| format!("no transcript of mode {mode}")));
    assert!(mistakes.is_empty(), "\n{}", mistakes.join("\n"));
}
