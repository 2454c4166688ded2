//! A console without a terminal: messages in, wishes and pictures out.

use mmm_proto::console::{Answer, FromMonitor, ToMonitor};
use mmm_proto::plan::Level;
use mmm_proto::{ClusterView, Time};
use mmm_tui::app::clusters::{Accent, Cluster};
use mmm_tui::app::cmd::Cmd;
use mmm_tui::app::msg::{Key, LinkMsg, Msg};
use mmm_tui::app::update::update;
use mmm_tui::app::{Model, Setup};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::sample;

pub(crate) struct Console {
    pub(crate) model: Model,
    pub(crate) now: Time,
    pub(crate) cmds: Vec<Cmd>,
}

pub(crate) fn setup(ascii: bool) -> Setup {
    let target = "local".to_owned();
    Setup {
        target,
        read_only: false,
        zone: 0,
        ascii,
        color: true,
        slow: false,
        clusters: Vec::new(),
        chosen: None,
        warning: String::new(),
    }
}

impl Console {
    /// Before the first try.
    pub(crate) fn new(size: (u16, u16), ascii: bool) -> Self {
        Self {
            model: Model::new(setup(ascii), Time(1000), size),
            now: Time(1000),
            cmds: Vec::new(),
        }
    }

    /// Live, with the sample cluster.
    pub(crate) fn live(size: (u16, u16)) -> Self {
        let mut console = Self::new(size, true);
        console.up(true);
        console.view(sample::view());
        let events = sample::events();
        console.said(FromMonitor::Events { events, skipped: 0 });
        console
    }

    /// The same as the first of two clusters of `tui.toml`.
    pub(crate) fn several(size: (u16, u16)) -> Self {
        let mut console = Self::live(size);
        let cluster = |name: &str, label: &str, accent, whereto: &str| Cluster {
            name: name.to_owned(),
            label: label.to_owned(),
            accent,
            whereto: whereto.to_owned(),
            off: String::new(),
        };
        console.model.setup.clusters = vec![
            cluster("shop", "PROD", Accent::parse("red"), "ops@mon1"),
            cluster("blog", "", None, "mon2:9988"),
        ];
        console.model.setup.chosen = Some(0);
        console
    }

    pub(crate) fn up(&mut self, may_act: bool) {
        self.link(LinkMsg::Up {
            who: "ops".to_owned(),
            may_act,
            foreign: false,
            why_not: if may_act { String::new() } else { "anna is not in group mmm".to_owned() },
        });
    }

    /// Let in by a monitor of another wire version.
    pub(crate) fn foreign(&mut self) {
        self.link(LinkMsg::Up {
            who: "ops".to_owned(),
            may_act: false,
            foreign: true,
            why_not: "monitor speaks 3, this console 2: looking works, acting does not (upgrade \
                      the console)"
                .to_owned(),
        });
    }

    pub(crate) fn lost(&mut self, why: &str, refused: bool) {
        self.link(LinkMsg::Lost {
            why: why.to_owned(),
            refused,
            retry_at: Time(self.now.0 + 2000),
        });
    }

    pub(crate) fn msg(&mut self, msg: Msg) -> &mut Self {
        let cmds = update(&mut self.model, self.now, msg);
        self.cmds.extend(cmds);
        self
    }

    pub(crate) fn link(&mut self, msg: LinkMsg) -> &mut Self {
        self.msg(Msg::Link(msg))
    }

    pub(crate) fn said(&mut self, said: FromMonitor) -> &mut Self {
        self.link(LinkMsg::Said(said))
    }

    pub(crate) fn view(&mut self, view: ClusterView) -> &mut Self {
        let view = Box::new(view);
        self.said(FromMonitor::View { view })
    }

    pub(crate) fn answer(&mut self, id: u64, answer: Answer) -> &mut Self {
        self.said(FromMonitor::Answer { id, answer })
    }

    pub(crate) fn after(&mut self, ms: u64) -> &mut Self {
        self.now.0 += ms;
        self.msg(Msg::Tick)
    }

    pub(crate) fn key(&mut self, key: Key) -> &mut Self {
        self.msg(Msg::Key(key))
    }

    pub(crate) fn keys(&mut self, keys: &str) -> &mut Self {
        for c in keys.chars() {
            self.key(Key::Char(c));
        }
        self
    }

    /// The wishes since the last call.
    pub(crate) fn wishes(&mut self) -> Vec<Cmd> {
        std::mem::take(&mut self.cmds)
    }

    /// The id of the plan that was asked for last.
    pub(crate) fn plan_id(&mut self) -> u64 {
        let wishes = self.wishes();
        let found = wishes.iter().rev().find_map(|cmd| match cmd {
            Cmd::Ask(ToMonitor::Plan { id, .. }) => Some(*id),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no plan was asked for: {wishes:?}"))
    }

    /// Asks for the move of the writer to db2 and shows its plan, ready for keys.
    pub(crate) fn open_move(&mut self) -> &mut Self {
        self.keys("jW");
        let id = self.plan_id();
        let plan = Box::new(sample::plan(sample::move_writer("db2"), Level::Typed, "db2"));
        self.answer(id, Answer::Plan { plan });
        self.msg(Msg::Drawn).after(500)
    }

    /// The picture as text.
    pub(crate) fn picture(&self) -> String {
        let (columns, rows) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal.draw(|frame| mmm_tui::view::view(&self.model, frame)).unwrap();
        let buffer = terminal.backend().buffer();
        let mut text = String::new();
        for y in 0..rows {
            let mut line = String::new();
            for x in 0..columns {
                line.push_str(buffer[(x, y)].symbol());
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    pub(crate) fn note(&self) -> String {
        self.model.note.as_ref().map_or_else(String::new, |note| note.text.clone())
    }
}
