//! Several clusters in one console: the picker, what a switch forgets, and the real programs with a
//! `tui.toml` and a monitor for each cluster.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use mmm_proto::console::{Answer, ToMonitor};
use mmm_proto::plan::Level;
use mmm_proto::{ClusterName, ClusterView};
use mmm_tui::app::cmd::Cmd;
use mmm_tui::app::msg::{Key, LinkMsg, Msg};
use mmm_tui::app::{Layer, Screen};

use crate::console::Console;
use crate::fake_monitor::{FakeMonitor, obedient, until};
use crate::pty::{TUI, Tty};
use crate::sample;

const SIZE: (u16, u16) = (80, 24);
const CONTROL: &str = env!("CARGO_BIN_EXE_mmm-control");

fn switched(console: &mut Console) -> Vec<usize> {
    let wishes = console.wishes().into_iter();
    wishes.filter_map(|cmd| if let Cmd::Switch(row) = cmd { Some(row) } else { None }).collect()
}

#[test]
fn the_picker_goes_to_another_cluster_and_forgets_this_one() {
    let mut console = Console::several(SIZE);
    console.keys("2/db3").key(Key::Enter).keys("tc");
    assert_eq!(console.model.layer, Some(Layer::Clusters(0)));
    assert!(console.picture().contains("> shop  PROD  (now)  ops@mon1"), "{}", console.picture());
    console.keys("kjj");
    assert_eq!(console.model.layer, Some(Layer::Clusters(1)), "it stops at the last one");
    let times = console.model.times;
    console.wishes();
    console.key(Key::Enter);
    assert_eq!(switched(&mut console), [1]);
    let model = &console.model;
    assert_eq!((model.view.is_none(), model.events.len(), &model.layer), (true, 0, &None));
    assert_eq!((&model.screen, model.words()), (&Screen::Overview, &Default::default()));
    assert_eq!((model.size, model.times), (SIZE, times), "the screen is the person's");
    assert_eq!(model.off().as_deref(), Some("no picture yet"));
    let picture = console.picture();
    assert!(picture.starts_with(" blog  mon2:9988  CONNECTING"), "{picture}");
    assert!(!picture.contains("db1"), "{picture}");
}

#[test]
fn the_header_and_every_dialog_say_which_cluster() {
    let mut console = Console::several(SIZE);
    let first = console.picture().lines().next().unwrap().to_owned();
    assert!(first.starts_with(" PROD shop (shop-prod)  "), "{first}");
    console.open_move();
    assert!(console.picture().contains("shop (shop-prod)"), "{}", console.picture());
    assert!(console.model.farewell().starts_with("shop (shop-prod) ACTIVE"));
}

#[test]
fn nothing_half_done_goes_along() {
    // Keys of a dialog are the dialog's: no way leads from a half-typed name to another cluster.
    let mut console = Console::several(SIZE);
    console.open_move().keys("dc");
    let Some(Layer::Dialog(dialog)) = &console.model.layer else { panic!("the dialog") };
    assert_eq!(dialog.typed, "dc");
    assert_eq!(switched(&mut console), Vec::<usize>::new());
    // A plan that was asked for and comes late means nothing after the switch.
    let mut console = Console::several(SIZE);
    console.keys("jW");
    let id = console.plan_id();
    console.keys("cj").key(Key::Enter);
    assert_eq!(switched(&mut console), [1]);
    let plan = Box::new(sample::plan(sample::move_writer("db2"), Level::Typed, "db2"));
    console.answer(id, Answer::Plan { plan });
    assert_eq!(console.model.layer, None);
    // Numbers go on, so that no answer of before fits a question of now.
    console.up(true);
    console.view(sample::view()).keys("jX");
    assert!(console.plan_id() > id);
    // One that runs goes on where it is; it is told, and not looked for at the other cluster.
    let mut console = Console::several(SIZE);
    console.view(sample::moving());
    console.keys("cj").key(Key::Enter);
    assert_eq!(console.note(), "plan 119 goes on at shop (shop-prod)");
    console.up(true);
    console.view(sample::moved());
    assert!(!console.note().contains("done"), "{}", console.note());
}

#[test]
fn what_leads_nowhere_says_why_and_stays() {
    let mut console = Console::live(SIZE);
    console.keys("c");
    assert_eq!(console.note(), "no other cluster: tui.toml would name them");
    let mut console = Console::several(SIZE);
    console.model.setup.clusters[1].off = "cannot read the cluster key in /k".to_owned();
    console.keys("cj").key(Key::Enter);
    assert_eq!(console.note(), "blog is off: cannot read the cluster key in /k");
    console.keys("c").key(Key::Enter);
    assert_eq!(console.note(), "this is shop");
    console.keys("c").key(Key::Esc);
    assert_eq!(switched(&mut console), Vec::<usize>::new());
    assert!(console.model.view.is_some());
    console.link(LinkMsg::Trying);
    console.msg(Msg::Resize(160, 45));
    assert!(console.picture().contains("c cluster"), "{}", console.picture());
}

fn named(cluster: &str) -> FakeMonitor {
    let monitor = FakeMonitor::start(obedient);
    let name = ClusterName::parse(cluster).unwrap();
    let view = ClusterView { cluster: name.clone(), ..sample::view() };
    monitor.state.lock().unwrap().hello.cluster = name;
    monitor.show(view);
    monitor
}

fn write(folder: &Path, text: &str) {
    std::fs::create_dir_all(folder.join("mmm")).unwrap();
    std::fs::write(folder.join("mmm/tui.toml"), text).unwrap();
}

fn applies(monitor: &FakeMonitor) -> usize {
    let acts = |seen: &ToMonitor| matches!(seen, ToMonitor::Plan { .. } | ToMonitor::Apply { .. });
    monitor.seen().iter().filter(|seen| acts(seen)).count()
}

/// Two monitors and the file that names them.
struct Home {
    folder: tempfile::TempDir,
    shop: FakeMonitor,
    blog: FakeMonitor,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (shop, blog) = (named("shop"), named("blog"));
        let entry = |name: &str, monitor: &FakeMonitor, more: &str| {
            let socket = monitor.socket();
            format!("[[cluster]]\nname = \"{name}\"\nsocket = \"{}\"\n{more}\n", socket.display())
        };
        let more = "label = \"PROD\"\naccent = \"red\"";
        write(folder.path(), &(entry("one", &shop, more) + &entry("two", &blog, "")));
        Self { folder, shop, blog }
    }

    fn console(&self, words: &[&str]) -> Tty {
        let home = self.folder.path().to_str().unwrap();
        let all: Vec<&str> = [TUI, "--ascii"].iter().chain(words).copied().collect();
        Tty::run_with(&all, &[("XDG_CONFIG_HOME", home)])
    }

    /// Exit code, stdout, stderr.
    fn control(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(CONTROL);
        command.args(words).env("XDG_CONFIG_HOME", self.folder.path()).stdin(Stdio::null());
        let done = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
    }
}

#[test]
fn one_console_goes_from_monitor_to_monitor() {
    let mut home = Home::new();
    let mut tty = home.console(&["@one"]);
    tty.sees(" PROD one (shop)");
    tty.sees("> db1");
    let red = tty.screen(|screen| screen.cell(0, 1).map(vt100::Cell::fgcolor));
    assert_eq!(red, Some(vt100::Color::Idx(1)), "the label has its colour");
    tty.send("c");
    tty.sees("Clusters");
    tty.send("j\r");
    tty.sees(" two (blog)");
    tty.sees("> db1");
    tty.send("jW");
    tty.sees("Plan 119: move writer db1 -> db2");
    let asked = (applies(&home.shop), applies(&home.blog));
    assert_eq!(asked, (0, 1), "the plan is asked of the one shown");
    // The dialog is deaf for half a second.
    until("the dialog to hear", || {
        tty.send("c");
        let text = tty.text();
        if text.contains("Enter:  c") { Ok(()) } else { Err(text) }
    });
    tty.send("\u{1b}");
    tty.sees("cancelled, nothing was done");
    // A monitor that is down is waited for; the way to the other is open all the while.
    home.shop.down();
    tty.send("ck\r");
    tty.sees("CONNECTING");
    tty.sees("(try 2:");
    tty.send("cj\r");
    tty.sees(" two (blog)");
    tty.sees("LIVE");
    tty.send("q");
    assert_eq!(tty.exits(), 0);
    tty.sees("two (blog) ACTIVE writer db1");
}

#[test]
fn no_picture_of_the_old_cluster_is_shown_as_one_of_the_new() {
    let mut home = Home::new();
    // The new one says nothing that would hide a wrong picture.
    home.blog.down();
    let mut tty = home.console(&["@one"]);
    tty.sees(" one (shop)");
    let stop = AtomicBool::new(false);
    let wrong = std::thread::scope(|scope| {
        // The old one says something all the while, so that something is under way at each switch.
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let view = home.shop.state.lock().unwrap().view.clone();
                home.shop.show(view);
            }
        });
        let mut wrong = None;
        for _ in 0..8 {
            tty.send("cj\r");
            let text = tty.sees("connecting to ");
            let text = if text.contains("(try 2:") { text } else { tty.sees("(try 2:") };
            if text.contains("(shop)") || text.contains("db1") {
                wrong = Some(text);
                break;
            }
            tty.send("ck\r");
            tty.sees(" one (shop)");
        }
        stop.store(true, Ordering::SeqCst);
        wrong
    });
    assert_eq!(wrong, None, "after a switch the old monitor's picture was shown");
}

#[test]
fn both_programs_know_the_names_and_tell_mistakes_in_the_file() {
    let mut home = Home::new();
    assert_eq!(home.control(&["@two", "mode"]).1, "ACTIVE\n");
    home.shop.down();
    let (code, _, err) = home.control(&["@one", "mode"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains(home.shop.socket().to_str().unwrap()), "{err}");
    home.shop.listen();
    until("shop to answer", || {
        let (code, out, err) = home.control(&["@one", "mode"]);
        if (code, out.as_str()) == (0, "ACTIVE\n") { Ok(()) } else { Err(err) }
    });
    write(home.folder.path(), "[[cluster]]\nname = \"one\"\nsokcet = \"/s\"\n");
    let (code, _, err) = home.control(&["@one", "mode"]);
    assert_eq!(code, 2);
    assert!(err.contains("mmm/tui.toml, line 3: unknown field `sokcet`"), "{err}");
    let mut tty = home.console(&["@one"]);
    assert_eq!(tty.exits(), 2);
    tty.sees("line 3: unknown field `sokcet`");
    // Who says where the monitor is needs no list.
    let socket = home.blog.socket();
    let socket = socket.to_str().unwrap();
    assert_eq!(home.control(&["--socket", socket, "mode"]).1, "ACTIVE\n");
    let mut tty = home.console(&["--socket", socket]);
    tty.sees("LIVE");
    // It will be missed when `c` lists nothing.
    tty.sees("no other clusters to choose from: ");
    tty.sees("unknown field `sokcet`");
    tty.send("q");
    assert_eq!(tty.exits(), 0);
}
