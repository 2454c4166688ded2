//! The paths between machines: cut, slow, lossy. One way each, so that a cut of one direction is a
//! cut of one direction.

use mmm_proto::Span;

use super::action::{Node, Path};
use super::draw::Draw;

/// What TCP waits before it sends again, in microseconds.
const RESEND: u64 = 200_000;

/// Up to that many microseconds one way, a network is one on which hardly anything comes between a
/// message and its arrival.
const QUICK: u64 = 1_000;

/// One direction between two machines.
#[derive(Debug, Clone, Default)]
struct Way {
    cut: bool,
    /// Added to every message, in microseconds.
    delay: u64,
    /// Percent.
    drop: u8,
    duplicate: u8,
    /// World time of the latest change by somebody.
    changed: u64,
}

/// All paths. Machines are numbered: the hosts, then the monitor's, then the second monitor's.
#[derive(Debug)]
pub(super) struct Net {
    machines: usize,
    ways: Vec<Way>,
    /// One way, in microseconds; each message draws up to twice that.
    usual: u64,
    /// Whether `ping_ips` answer.
    pub(super) gateway: bool,
    /// World time, set by the world before it changes anything.
    pub(super) now: u64,
}

impl Net {
    pub(super) fn new(hosts: usize, usual: Span) -> Self {
        let machines = hosts + 2;
        let ways = vec![Way::default(); machines * machines];
        Self { machines, ways, usual: usual.as_ms().max(1) * 1000, gateway: true, now: 0 }
    }

    /// The number of a machine.
    pub(super) fn machine(&self, node: Node) -> usize {
        match node {
            Node::Host(host) => host,
            Node::Monitor => self.machines - 2,
            Node::Second => self.machines - 1,
        }
    }

    fn each(&mut self, path: Path, mut change: impl FnMut(&mut Way)) {
        let ways = match path {
            Path::OneWay(from, to) => vec![(self.machine(from), self.machine(to))],
            Path::Between(one, two) => {
                let (one, two) = (self.machine(one), self.machine(two));
                vec![(one, two), (two, one)]
            }
            Path::Around(node) => {
                let one = self.machine(node);
                let others = (0..self.machines).filter(|two| *two != one);
                others.flat_map(|two| [(one, two), (two, one)]).collect()
            }
        };
        for (from, to) in ways {
            let way = &mut self.ways[from * self.machines + to];
            change(way);
            way.changed = self.now;
        }
    }

    pub(super) fn cut(&mut self, path: Path, cut: bool) {
        self.each(path, |way| way.cut = cut);
    }

    pub(super) fn delay(&mut self, path: Path, span: Span) {
        self.each(path, |way| way.delay = span.as_ms() * 1000);
    }

    pub(super) fn drop(&mut self, path: Path, percent: u8) {
        self.each(path, |way| way.drop = percent);
    }

    pub(super) fn duplicate(&mut self, path: Path, percent: u8) {
        self.each(path, |way| way.duplicate = percent);
    }

    pub(super) fn heal_all(&mut self) {
        let bad = |way: &Way| way.cut || way.delay > 0 || way.drop > 0;
        for way in &mut self.ways {
            let changed = if bad(way) { self.now } else { way.changed };
            *way = Way { changed, ..Way::default() };
        }
    }

    fn way(&self, from: usize, to: usize) -> &Way {
        &self.ways[from * self.machines + to]
    }

    pub(super) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.way(from, to).cut
    }

    /// Since when both ways between two machines are as they should be, if they are.
    pub(super) fn good_since(&self, one: usize, two: usize) -> Option<u64> {
        let ways = [self.way(one, two), self.way(two, one)];
        let bad = |way: &&Way| way.cut || way.delay > 0 || way.drop > 0;
        (!ways.iter().any(bad)).then(|| ways[0].changed.max(ways[1].changed))
    }

    /// How long a message takes, sent again as often as it is lost.
    pub(super) fn takes(&self, draw: &mut Draw, from: usize, to: usize) -> u64 {
        let way = self.way(from, to);
        let mut takes = way.delay + self.usual / 4 + draw.below(self.usual * 2);
        if way.drop > 0 {
            let mut resend = RESEND;
            while draw.chance(way.drop.into(), 100) && resend < 20 * RESEND {
                takes += resend;
                resend *= 2;
            }
        }
        takes
    }

    /// Whether a message mostly arrives before anything else happens.
    pub(super) fn is_quick(&self, from: usize, to: usize) -> bool {
        let way = self.way(from, to);
        !way.cut && way.delay == 0 && way.drop == 0 && self.usual <= QUICK
    }

    /// Whether a single packet that is not sent again gets through.
    pub(super) fn passes(&self, draw: &mut Draw, from: usize, to: usize) -> bool {
        let way = self.way(from, to);
        !way.cut && (way.drop == 0 || !draw.chance(way.drop.into(), 100))
    }

    pub(super) fn doubles(&self, draw: &mut Draw, from: usize, to: usize) -> bool {
        let way = self.way(from, to);
        way.duplicate > 0 && draw.chance(way.duplicate.into(), 100)
    }
}
