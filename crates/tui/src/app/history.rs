//! How late each host was over the last minutes, from the pictures that came in. A time without a
//! current picture stays empty: nothing is drawn that nobody saw. Pure: the clock is an argument.

use std::collections::{BTreeMap, VecDeque};

use mmm_proto::view::HostView;
use mmm_proto::{HostName, Lag, Span, Time};

/// How long is looked back.
pub const KEPT: Span = Span::secs(600);

/// One entry is the worst of so long: ten minutes fill the widest chart that is drawn.
const SLOT_MS: u64 = 5000;

const SLOTS: u64 = KEPT.as_ms() / SLOT_MS;

/// The lags of all hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    hosts: BTreeMap<HostName, VecDeque<(u64, Lag)>>,
}

impl History {
    /// Takes down what is true at `now`.
    pub fn note(&mut self, now: Time, hosts: &[HostView]) {
        let slot = now.0 / SLOT_MS;
        self.hosts.retain(|name, _| hosts.iter().any(|host| host.name == *name));
        for host in hosts {
            let seen = self.hosts.entry(host.name.clone()).or_default();
            match seen.back_mut() {
                Some((last, lag)) if *last >= slot => *lag = worse(*lag, host.lag),
                _ => seen.push_back((slot, host.lag)),
            }
            while seen.front().is_some_and(|(first, _)| first + SLOTS <= slot) {
                seen.pop_front();
            }
        }
    }

    /// The last [`KEPT`] in `columns` pieces, the oldest first, each the worst of its time.
    pub fn columns(&self, host: &HostName, now: Time, columns: usize) -> Vec<Option<Lag>> {
        let mut all = vec![None; columns];
        let (Some(seen), Ok(count)) = (self.hosts.get(host), u64::try_from(columns)) else {
            return all;
        };
        let last = now.0 / SLOT_MS;
        for (slot, lag) in seen {
            let age = last.saturating_sub(*slot);
            if age >= SLOTS || *slot > last {
                continue;
            }
            // With more columns than entries, one entry fills several.
            let from = (SLOTS - 1 - age) * count / SLOTS;
            let to = ((SLOTS - age) * count / SLOTS).max(from + 1).min(count);
            for at in from..to {
                let Ok(at) = usize::try_from(at) else { continue };
                all[at] = Some(all[at].map_or(*lag, |old| worse(old, *lag)));
            }
        }
        all
    }
}

/// Which of two lags an operator must not miss.
fn worse(one: Lag, other: Lag) -> Lag {
    let rank = |lag: Lag| match lag {
        Lag::Source => (0, 0),
        Lag::Behind(span) => (1, span.as_ms()),
        Lag::Unknown => (2, 0),
        Lag::Stopped => (3, 0),
    };
    if rank(one) >= rank(other) { one } else { other }
}
