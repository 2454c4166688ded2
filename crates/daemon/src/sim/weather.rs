//! Bad weather: clusters, faults and commands drawn from a seed, as a script. In the end every
//! fault is over, and an operator puts back what does not come back by itself.

mod cluster;

use mmm_proto::{HostName, RoleName, Span, Verb};

use super::action::{ActKind, Action, Node, Path, Process};
use super::config::{WorldConfig, vips};
use super::draw::Draw;
use super::script::Script;
use super::text::host_word;

/// From the end of the faults until everything must be in service again, with an operator who looks
/// every now and then.
pub const RECOVERY: Span = Span::secs(150);
/// When the operator looks, counted from the end of the faults.
const OPERATOR: [Span; 6] = [
    Span::secs(15),
    Span::secs(30),
    Span::secs(45),
    Span::secs(60),
    Span::secs(80),
    Span::secs(105),
];

/// The script of a seed.
pub fn script(seed: u64) -> Script {
    let mut draw = Draw::new(seed ^ 0x77_6561_7468_6572);
    let mut config = cluster::cluster(&mut draw);
    // Apart, so that other seeds stay what they were.
    let mut apart = Draw::new(!seed);
    config.holds_alone = apart.chance(1, 8);
    let second = apart.chance(1, 8).then(|| Span::ms(apart.below(3_000)));
    let theme = draw.pick(&[Theme::Mixed, Theme::Mixed, Theme::Moves, Theme::Lost, Theme::Manual]);
    let mut weather = Weather { draw, config, theme, now: Span::ZERO, steps: Vec::new() };
    if theme == Theme::Manual {
        let manual = weather.draw.chance(1, 2);
        let verb = if manual { Verb::SetManual } else { Verb::SetPassive };
        weather.put(Action::Control(verb));
    }
    let faults = weather.draw.pick(&[1, 1, 2, 3, 5, 8, 12, 20]);
    weather.wait();
    for _ in 0..faults {
        weather.trouble();
        weather.wait();
    }
    let Weather { config, mut steps, now, .. } = weather;
    steps.extend(second.map(|at| (at, Action::Start(Process::Second))));
    steps.retain(|(at, _)| *at <= now);
    steps.push((now, Action::Calm));
    for after in OPERATOR {
        steps.push((now + after, Action::PutBack));
    }
    steps.sort_by_key(|(at, _)| *at);
    Script { config, seed, steps, end: now + RECOVERY }
}

/// What a run is mostly about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Theme {
    Mixed,
    /// Commands, and what gets in their way.
    Moves,
    /// Hosts that lack something, and writers that are lost.
    Lost,
    /// An operator has told the monitor to keep still.
    Manual,
}

struct Weather {
    draw: Draw,
    theme: Theme,
    config: WorldConfig,
    now: Span,
    steps: Vec<(Span, Action)>,
}

impl Weather {
    fn wait(&mut self) {
        let most = self.draw.pick(&[20, 300, 300, 3_000, 3_000, 20_000]);
        self.now = self.now + Span::ms(self.draw.below(most));
    }

    fn host(&mut self) -> usize {
        // The pair is where it hurts.
        let all = self.config.hosts as u64;
        let among = if self.draw.chance(2, 3) { 2.min(all) } else { all };
        self.draw.below(among) as usize
    }

    fn name(&mut self) -> HostName {
        let host = self.host();
        HostName::parse(host_word(host)).expect("db1 to db7 are names")
    }

    fn span(&mut self) -> Span {
        let most = self.draw.pick(&[50, 1_000, 4_000, 12_000, 40_000]);
        Span::ms(self.draw.below(most) + 1)
    }

    fn put(&mut self, action: Action) {
        self.steps.push((self.now, action));
    }

    /// Something bad that ends by itself, perhaps only with all the rest.
    fn bad(&mut self, begins: Action, ends: Action) {
        self.put(begins);
        let after = self.span();
        if self.draw.chance(4, 5) {
            self.steps.push((self.now + after, ends));
        }
    }

    fn trouble(&mut self) {
        let kind = match self.theme {
            Theme::Moves if self.draw.chance(1, 2) => {
                self.draw.pick(&[8, 11, 13, 16, 16, 22, 22, 22])
            }
            Theme::Lost if self.draw.chance(1, 2) => self.draw.pick(&[20, 21, 23, 23, 23]),
            Theme::Manual if self.draw.chance(1, 3) => self.draw.pick(&[0, 6]),
            _ => self.draw.below(20),
        };
        match kind {
            20 => self.part(),
            22 => self.late_move(),
            23 => self.lose_sight(),
            21 => {
                let writer = self.draw.pick(&[Process::Server(0), Process::Host(0)]);
                self.bad(Action::Kill(writer), Action::Start(writer));
            }
            0..=5 => self.process(),
            6..=9 => self.path(),
            10 => self.disk(),
            11 | 12 => self.act(),
            13 | 14 => self.data(),
            15 => self.hand(),
            _ => self.command(),
        }
    }

    /// A replica is cut off from the writer for a while and lacks what is written meanwhile.
    fn part(&mut self) {
        let other = 1 + self.draw.below(self.config.hosts.min(3) as u64 - 1);
        let (one, two) = (Node::Host(0), Node::Host(other as usize));
        let path = Path::Between(one, two);
        if self.draw.chance(1, 2) {
            self.put(Action::Cut(path));
        } else {
            let much = Span::ms(self.draw.pick(&[300, 3_000]));
            self.put(Action::Delay(path, much));
        }
        self.now = self.now + Span::ms(self.draw.between(1_000, 8_000));
        if self.draw.chance(1, 2) {
            self.put(Action::Kill(Process::Server(0)));
            self.now = self.now + Span::ms(self.draw.below(4_000));
        }
        self.put(Action::Heal(path));
        self.put(Action::Delay(path, Span::ZERO));
    }

    /// The monitor loses sight of a master, and perhaps is started anew meanwhile.
    fn lose_sight(&mut self) {
        let host = self.draw.below(2) as usize;
        let lasts = Span::ms(self.draw.between(1_500, 30_000));
        let (begins, ends) = match self.draw.below(3) {
            0 => {
                let agent = Process::Agent(host);
                (Action::Stop(agent), Action::Cont(agent))
            }
            _ => {
                let path = Path::Between(Node::Monitor, Node::Host(host));
                (Action::Cut(path), Action::Heal(path))
            }
        };
        self.put(begins);
        self.steps.push((self.now + lasts, ends));
        self.now = self.now + Span::ms(self.draw.between(500, 6_000));
        if self.draw.chance(1, 2) {
            self.put(Action::Kill(Process::Monitor));
            self.now = self.now + Span::ms(self.draw.below(700));
            self.put(Action::Start(Process::Monitor));
        }
    }

    /// The writer is moved to a host that is late.
    fn late_move(&mut self) {
        let host = self.draw.below(self.config.masters as u64) as usize;
        let late = Span::ms(self.draw.pick(&[300, 700, 700, 3_000, 60_000]));
        self.put(Action::Lag(host, late));
        let lasts = Span::ms(self.draw.between(2_000, 60_000));
        self.steps.push((self.now + lasts, Action::Lag(host, Span::ZERO)));
        self.now = self.now + Span::ms(self.draw.between(500, 8_000));
        let role = RoleName::parse("writer").expect("a good name");
        let host = HostName::parse(host_word(host)).expect("db1 to db7 are names");
        self.put(Action::Control(Verb::MoveRole { role, host, force: false, kill: true }));
    }

    fn process(&mut self) {
        let host = self.host();
        let process = match self.draw.below(12) {
            0..=2 => Process::Server(host),
            3..=5 => Process::Agent(host),
            6 | 7 => Process::Host(host),
            8..=10 => Process::Monitor,
            _ => return self.second_monitor(),
        };
        if self.draw.chance(1, 2) {
            self.bad(Action::Kill(process), Action::Start(process));
        } else {
            self.bad(Action::Stop(process), Action::Cont(process));
        }
    }

    fn second_monitor(&mut self) {
        if self.draw.chance(1, 4) {
            self.bad(Action::Start(Process::Second), Action::Kill(Process::Second));
        }
    }

    fn node(&mut self) -> Node {
        if self.draw.chance(1, 2) { Node::Monitor } else { Node::Host(self.host()) }
    }

    fn path(&mut self) {
        let (one, host) = (self.node(), self.host());
        let two = Node::Host(host);
        let path = match self.draw.below(5) {
            _ if one == two => Path::Around(one),
            0 => Path::OneWay(one, two),
            1 => Path::OneWay(two, one),
            2 => Path::Around(one),
            _ => Path::Between(one, two),
        };
        match self.draw.below(8) {
            0..=4 => self.bad(Action::Cut(path), Action::Heal(path)),
            5 => {
                let much = Span::ms(self.draw.pick(&[30, 300, 1_000]));
                self.bad(Action::Delay(path, much), Action::Delay(path, Span::ZERO));
            }
            6 => {
                let percent = self.draw.pick(&[5, 30, 60]);
                self.bad(Action::Drop(path, percent), Action::Drop(path, 0));
            }
            _ => self.bad(Action::Duplicate(path, 40), Action::Duplicate(path, 0)),
        }
        if self.draw.chance(1, 6) {
            self.bad(Action::Network(false), Action::Network(true));
        }
    }

    fn disk(&mut self) {
        let node = self.node();
        if self.draw.chance(1, 2) {
            self.bad(Action::Disk(node, false), Action::Disk(node, true));
        } else {
            let much = Span::ms(self.draw.pick(&[20, 200, 900, 3_000]));
            self.bad(Action::DiskTakes(node, much), Action::DiskTakes(node, Span::ZERO));
        }
    }

    fn act(&mut self) {
        use ActKind::{CatchUp, Drop, Fence, Follow, Freeze, Hold, Open, Thaw};
        let host = self.host();
        let kind = self.draw.pick(&[Open, Freeze, Thaw, Fence, Hold, Drop, CatchUp, Follow]);
        if self.draw.chance(1, 2) {
            let much = Span::ms(self.draw.pick(&[100, 700, 1_500, 4_000]));
            self.bad(Action::Slow(kind, host, much), Action::Works(kind, host));
        } else if kind != Fence {
            self.bad(Action::Fail(kind, host), Action::Works(kind, host));
        }
    }

    fn data(&mut self) {
        let host = self.host();
        match self.draw.below(7) {
            0 => {
                let late = Span::ms(self.draw.pick(&[400, 800, 5_000, 90_000]));
                self.bad(Action::Lag(host, late), Action::Lag(host, Span::ZERO));
            }
            1 => {
                let sql = self.draw.chance(1, 2);
                let thread = |on| Action::Thread { host, sql, on };
                self.bad(thread(false), thread(true));
            }
            2 => {
                let ends = Action::Thread { host, sql: true, on: true };
                self.bad(Action::BreakSql(host), ends);
            }
            3 | 4 => {
                let long = self.span();
                self.put(Action::Hold(host, long));
            }
            5 => self.bad(Action::Lock(host), Action::Unlock(host)),
            _ => self.bad(Action::Write(false), Action::Write(true)),
        }
    }

    fn hand(&mut self) {
        let host = self.host();
        match self.draw.below(4) {
            0 => {
                let on = self.draw.chance(1, 2);
                self.put(Action::ReadOnly(host, on));
            }
            1 => {
                let all = vips(&self.config);
                let vip = self.draw.pick(&all);
                self.put(Action::Vip(host, vip, false));
            }
            2 => {
                let ppm = self.draw.below(2_001) as i64 - 1_000;
                let node = self.node();
                self.put(Action::Drift(node, ppm));
            }
            _ => {
                let node = if self.draw.chance(1, 3) { Node::Monitor } else { Node::Host(host) };
                self.put(Action::Forget(node));
                if let Node::Host(host) = node {
                    let agent = Process::Agent(host);
                    self.bad(Action::Kill(agent), Action::Start(agent));
                } else {
                    self.bad(Action::Kill(Process::Monitor), Action::Start(Process::Monitor));
                }
            }
        }
    }

    fn command(&mut self) {
        let host = self.name();
        let verb = match self.draw.below(16) {
            0..=5 => {
                let role = if self.draw.chance(1, 6) && self.config.readers > 0 {
                    "reader"
                } else {
                    "writer"
                };
                let role = RoleName::parse(role).expect("a good name");
                let (kill, force) = (self.draw.chance(1, 3), self.draw.chance(1, 10));
                // Who forces it past a host that holds on alone vouches that this is off, and here
                // it may not be.
                let force = force && !self.config.holds_alone;
                Verb::MoveRole { role, host, force, kill }
            }
            6..=8 => Verb::SetOffline { host },
            9..=11 => Verb::SetOnline { host },
            12 => Verb::SetPassive,
            13 => Verb::SetManual,
            14 => Verb::SetActive,
            _ => {
                let all = vips(&self.config);
                Verb::SetIp { ip: self.draw.pick(&all), host }
            }
        };
        match self.draw.below(8) {
            0 => {
                self.put(Action::Plan(verb));
                let after = self.span();
                self.steps.push((self.now + after, Action::Apply));
            }
            1 => {
                self.put(Action::Control(verb));
                let after = Span::ms(self.draw.below(1_500));
                self.steps.push((self.now + after, Action::Halt));
            }
            _ => self.put(Action::Control(verb)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_script_survives_its_text() {
        for seed in 0..300 {
            let script = script(seed);
            assert_eq!(Script::parse(&script.to_string()).as_ref(), Ok(&script), "{seed}");
        }
    }
}
