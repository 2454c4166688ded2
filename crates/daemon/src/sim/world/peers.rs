//! What agents say to each other. Two agents have a connection each way, so that what one says can
//! come in another order, twice, or not at all: each message travels for itself.

use std::sync::Arc;

use mmm_proto::HostName;
use mmm_proto::peer::{News, PeerMessage};

use super::World;
use crate::core::agent::Input;
use crate::sim::due::Due;

impl World {
    pub(super) fn say_to_peer(&mut self, from: usize, to: &HostName, message: PeerMessage) {
        let Some(to) = self.top.host(to) else { return };
        if !self.passes(from, to) {
            return;
        }
        if self.net.doubles(&mut self.draw, from, to) {
            let takes = self.net.takes(&mut self.draw, from, to);
            let message = Box::new(message.clone());
            self.queue.push(self.us + takes, Due::Peer { from, to, message });
        }
        if self.arrives_at_once(from, to) {
            return self.peer_said(from, to, message);
        }
        let at = self.us + self.net.takes(&mut self.draw, from, to);
        let due = match message {
            PeerMessage::News(news) => Due::News { from, to, news },
            message => Due::Peer { from, to, message: Box::new(message) },
        };
        self.queue.push(at, due);
    }

    pub(super) fn tell_peers(&mut self, from: usize, to: &[HostName], news: &Arc<News>) {
        for to in to {
            self.say_to_peer(from, to, PeerMessage::News(news.clone()));
        }
    }

    pub(super) fn peer_said(&mut self, from: usize, to: usize, message: PeerMessage) {
        let record = &self.hosts[to];
        // What is on its way when the path is cut or the machine fails is lost.
        if self.net.is_cut(from, to) || !record.on || record.agent.is_none() {
            return;
        }
        let input = Input::Peer { from: self.top.hosts[from].name.clone(), message };
        if record.awake() {
            return self.give(to, input);
        }
        let (life, input) = (record.life, Box::new(input));
        self.hosts[to].parked.push(Due::AgentInput { host: to, life, input });
    }
}
