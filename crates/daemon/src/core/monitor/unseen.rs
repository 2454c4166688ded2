//! In the picture: hosts that the monitor cannot reach and others can; what agents have with each
//! other. Told, not decided.

use mmm_proto::Span;
use mmm_proto::agent::Duty;
use mmm_proto::peer::PeerHeard;
use mmm_proto::view::{Blocked, HeardBy, PeersView, PromiseView};

use super::Monitor;

impl Monitor {
    /// Who reaches the writer just now though the monitor does not; the first one in configured
    /// order, so that the words stay the same. His word must be young, and later than the monitor's
    /// own last one by more than a heartbeat: else it may be the last sign of life of a host that
    /// died a moment ago.
    pub(super) fn reached_by(&self, host: usize) -> Option<usize> {
        self.serves_unseen(host).filter(|_| !self.agent_answers(host))?;
        let heartbeat = self.top.timing.heartbeat;
        let own = self.silent_for(host)?;
        (0..self.hosts.len()).find(|by| {
            self.word_of(*by, host).is_some_and(|(ago, peer)| {
                let serves = peer.news.server_up && peer.news.duty == Duty::Serving;
                serves && ago < heartbeat * 3 && own.less(ago) > heartbeat * 2
            })
        })
    }

    /// What `by` last heard from a host, and how long ago that is.
    fn word_of(&self, by: usize, host: usize) -> Option<(Span, &PeerHeard)> {
        let heard = self.hosts[by].heard.as_ref().filter(|_| by != host)?;
        let name = &self.top.hosts[host].name;
        let peer = heard.report.peers.iter().find(|peer| peer.host == *name)?;
        Some((peer.ago + self.now.boot.since(heard.at), peer))
    }

    /// That somebody else reaches a host, in words.
    pub(super) fn reached_words(&self, host: usize) -> Option<String> {
        let (by, host) = (self.reached_by(host)?, &self.top.hosts[host].name);
        Some(format!("the monitor cannot reach {host}; {} can", self.top.hosts[by].name))
    }

    /// Why a writer that only others can reach keeps the role.
    pub(super) fn unseen_blocked(&self, host: usize) -> Option<Blocked> {
        let words = self.reached_words(host)?;
        let by = &self.top.hosts[self.reached_by(host)?].name;
        let until = format!(
            "the monitor reaches it again, {by} hears nothing of it any more, or that it does not \
             serve"
        );
        let why = format!("{words}, and hears that it serves: nothing is moved");
        Some(Blocked { why, ends: None, until })
    }

    /// What a host's agent has with the others.
    pub(super) fn peers_view(&self, host: usize) -> PeersView {
        let answers = self.agent_answers(host);
        let heard = self.hosts[host].heard.as_ref().filter(|_| answers);
        let heard_by = if answers { Vec::new() } else { self.heard_by(host) };
        let relies = match heard {
            Some(heard) => heard.report.relies.clone(),
            None => self.vouched(host).map_or(Vec::new(), |(.., peer)| peer.news.relies.clone()),
        };
        let promises = heard.map_or(Vec::new(), |heard| {
            let live = heard.report.promises.iter().map(|promised| PromiseView {
                to: promised.to.clone(),
                vip: promised.vip,
                over: self.now.wall_of(heard.at + promised.left),
            });
            live.filter(|promise| promise.over > self.now.wall).collect()
        });
        PeersView { relies, promises, heard_by }
    }

    /// What others last heard from a host, the youngest word first.
    fn heard_by(&self, host: usize) -> Vec<HeardBy> {
        let word = |by: usize| {
            let (ago, peer) = self.word_of(by, host)?;
            let word = HeardBy {
                by: self.top.hosts[by].name.clone(),
                at: self.now.wall_of(self.now.boot - ago),
                duty: peer.news.duty.word().to_owned(),
                server_up: peer.news.server_up,
                vips: peer.news.vips.clone(),
            };
            Some((ago, word))
        };
        let mut all: Vec<(Span, HeardBy)> = (0..self.hosts.len()).filter_map(word).collect();
        all.sort_by_key(|(ago, _)| *ago);
        all.into_iter().map(|(_, word)| word).collect()
    }
}
