//! What the console knows and shows, and how that changes. Pure: time comes in with each message,
//! wishes go out as commands; nothing here draws, waits or touches a socket.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod acting;
pub mod address;
pub mod clusters;
pub mod cmd;
pub mod confirm;
pub mod copy;
mod demo;
pub mod essence;
pub mod freeze;
pub mod history;
mod inbox;
pub mod keys;
mod line;
pub mod link;
mod mouse;
pub mod msg;
pub mod prompt;
pub mod rows;
pub mod update;

use std::collections::VecDeque;
use std::net::IpAddr;

use mmm_proto::view::{ActionView, HostView};
use mmm_proto::{ClusterView, Event, HostName, Span, Time, Verb, Wall};

use confirm::Dialog;
use freeze::Frozen;
use history::History;
use link::Link;
use prompt::Prompt;
use rows::{Filters, Order, Pane};

/// How many events are kept; the monitor keeps the rest.
pub const EVENTS_MAX: usize = 1000;

/// How long an information stays on the message line. Errors stay until a key.
pub const INFO_STAYS: Span = Span::secs(5);

/// How long the monitor may take to make a plan.
pub const PLAN_LIMIT: Span = Span::secs(10);

/// The smallest terminal that is drawn in: columns, rows.
pub const SIZE_MIN: (u16, u16) = (40, 10);

/// What is settled at the start.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where the monitor is, for the header.
    pub target: String,
    /// Asked for by `--read-only`.
    pub read_only: bool,
    /// Seconds that the reader's clock is east of UTC.
    pub zone: i32,
    pub ascii: bool,
    pub color: bool,
    /// For a slow line: at most one frame a second that no key asked for, and nothing that only
    /// shows that time passes.
    pub slow: bool,
    /// Those of `tui.toml`.
    pub clusters: Vec<clusters::Cluster>,
    /// Which of them is shown; none when another was named.
    pub chosen: Option<usize>,
    /// What was wrong at the start and did not keep the console from starting; may be empty.
    pub warning: String,
}

/// What fills the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screen {
    Overview,
    Detail(HostName),
    Events,
}

/// What lies above the screen and takes the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    Help,
    Actions,
    Mode,
    /// What can be broken in a demo.
    Faults,
    /// The clusters to choose from, and the selected row.
    Clusters(usize),
    /// Why the cluster, or the role of that name, is as it is.
    Explain(Option<HostName>),
    /// Which address goes to which host.
    Address(address::Menu),
    Prompt(Prompt),
    Dialog(Box<Dialog>),
}

/// A plan that was asked for and has not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub id: u64,
    pub verb: Verb,
    pub since: Time,
}

/// A plan that this console had carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    pub id: u64,
    pub plan: u64,
    pub title: String,
}

/// How moments are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// The reader's clock.
    #[default]
    Local,
    Ago,
    Utc,
}

/// How a message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Goes after a while.
    Info,
    /// Stays until a key.
    Error,
}

/// What stands on the message line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub text: String,
    pub tone: Tone,
    pub at: Time,
}

/// Everything that the console knows.
#[derive(Debug, Clone)]
pub struct Model {
    pub setup: Setup,
    /// The console's own clock, as of the last message.
    pub now: Time,
    /// Columns, rows.
    pub size: (u16, u16),
    pub link: Link,
    pub view: Option<Box<ClusterView>>,
    /// When `view` came in.
    pub view_at: Time,
    /// There while the picture stands still.
    pub frozen: Option<Frozen>,
    /// How late the hosts were.
    pub history: History,
    /// Newest first.
    pub events: VecDeque<Event>,
    pub screen: Screen,
    pub layer: Option<Layer>,
    /// Follows its host when the rows change.
    pub selected: Option<HostName>,
    /// The selected address; the first one until another was chosen.
    pub vip: Option<IpAddr>,
    /// The selected row of the events that are shown, 0 is the newest.
    pub event_row: usize,
    /// Which pane of the overview has the keys.
    pub pane: Pane,
    /// Whether that pane has the whole screen.
    pub zoom: bool,
    pub order: Order,
    pub filters: Filters,
    pub times: Times,
    /// Whether the mouse was asked for; it costs the terminal's own selection.
    pub mouse: bool,
    /// Lines scrolled away at the top of the detail and of the help.
    pub scroll: usize,
    pub pending: Option<Pending>,
    pub acting: Option<Acting>,
    pub note: Option<Note>,
    /// Capital letters that meant nothing, in a row.
    pub(crate) capitals: u8,
    pub(crate) last_id: u64,
    pub leaving: bool,
}

impl Model {
    /// A console that has just started.
    pub fn new(setup: Setup, now: Time, size: (u16, u16)) -> Self {
        let note = (!setup.warning.is_empty()).then(|| Note {
            text: setup.warning.clone(),
            tone: Tone::Error,
            at: now,
        });
        Self {
            setup,
            now,
            size,
            link: Link::new(now),
            view: None,
            view_at: now,
            frozen: None,
            history: History::default(),
            events: VecDeque::new(),
            screen: Screen::Overview,
            layer: None,
            selected: None,
            vip: None,
            event_row: 0,
            pane: Pane::default(),
            zoom: false,
            order: Order::default(),
            filters: Filters::default(),
            times: Times::default(),
            mouse: false,
            scroll: 0,
            pending: None,
            acting: None,
            note,
            capitals: 0,
            last_id: 0,
            leaving: false,
        }
    }

    /// The monitor's clock now, as far as it can be told.
    pub fn wall(&self) -> Wall {
        if let Some(frozen) = &self.frozen {
            return frozen.at;
        }
        let base = self.view.as_ref().map_or(Wall(0), |view| view.now);
        let since = i64::try_from(self.now.since(self.view_at).as_ms()).unwrap_or(i64::MAX);
        Wall(base.0.saturating_add(since))
    }

    /// The host on which an action key acts: one that is seen to be selected.
    pub fn target_host(&self) -> Option<&HostView> {
        match &self.screen {
            Screen::Detail(name) => self.view.as_ref()?.host(name.as_str()),
            Screen::Overview if self.pane == Pane::Hosts => self.selected_host(),
            Screen::Overview | Screen::Events => None,
        }
    }

    /// Why no action at all is possible now; none when it depends on the action.
    pub fn off(&self) -> Option<String> {
        if self.too_small() {
            return Some("the terminal is too small".to_owned());
        }
        if let Some(why) = self.link.off(self.now, self.view.is_some()) {
            return Some(why);
        }
        if self.frozen.is_some() {
            return Some("the picture is frozen, p goes on".to_owned());
        }
        if self.setup.read_only {
            return Some("this console was started with --read-only".to_owned());
        }
        if !self.link.may_act {
            let why = &self.link.why_not;
            return Some(if why.is_empty() {
                "you may look but not act".to_owned()
            } else {
                why.clone()
            });
        }
        let view = self.view.as_ref()?;
        if !view.held.is_empty() {
            return Some(format!("decisions are held: {}", view.held));
        }
        let running = view.running.as_ref()?;
        Some(format!("plan {} runs", running.plan))
    }

    /// Whether all of the cluster is simulated.
    pub fn demo(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.demo)
    }

    /// Whether the screen cannot hold the overview.
    pub fn too_small(&self) -> bool {
        self.size.0 < SIZE_MIN.0 || self.size.1 < SIZE_MIN.1
    }

    /// The monitor's word on an action of a host.
    pub fn action<'a>(&self, host: &'a HostView, key: keys::Action) -> Option<&'a ActionView> {
        let writer = self.view.as_ref().map(|view| &view.writer.role);
        host.actions.iter().find(|action| match (&action.verb, key) {
            (Verb::SetOnline { .. }, keys::Action::Online)
            | (Verb::SetOffline { .. }, keys::Action::Offline) => true,
            (Verb::MoveRole { role, force, .. }, keys::Action::Writer) => {
                Some(role) == writer && !force
            }
            _ => false,
        })
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.note = Some(Note { text: text.into(), tone, at: self.now });
    }

    /// The one line that stays on the terminal when the console leaves.
    pub fn farewell(&self) -> String {
        let Some(view) = &self.view else {
            return format!("mmm-tui: no picture from {}", self.setup.target);
        };
        let writer = view.writer.host.as_ref().map_or("none", |host| host.as_str());
        let trouble: Vec<String> = view
            .hosts
            .iter()
            .filter(|host| host.state != mmm_proto::HostState::Online)
            .map(|host| format!("{} {}", host.name, host.state))
            .collect();
        let trouble =
            if trouble.is_empty() { "all hosts ONLINE".to_owned() } else { trouble.join(", ") };
        let old = match (&self.frozen, self.link.live(self.now)) {
            (Some(_), _) => " (frozen: old news)",
            (None, true) => "",
            (None, false) => " (no link: old news)",
        };
        let plan = view.running.as_ref().map_or(String::new(), |running| {
            format!("; plan {} goes on without this screen", running.plan)
        });
        let clock = crate::view::text::clock(self.wall(), self.setup.zone);
        let demo = if view.demo { "[DEMO] " } else { "" };
        format!(
            "{demo}{} {} writer {writer}; {trouble}{plan}; {clock}{old}",
            self.cluster_words(),
            view.mode
        )
    }
}
