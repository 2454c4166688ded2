//! What agents say to each other. Two agents have a connection each way, so that what one says can
//! come in another order, twice, or not at all: each message travels for itself.

use mmm_proto::HostName;
use mmm_proto::peer::PeerMessage;

use super::World;
use crate::core::agent::Input;
use crate::sim::due::Due;
use crate::sim::text::host_word;

impl World {
    pub(super) fn say_to_peer(&mut self, from: usize, to: &HostName, message: PeerMessage) {
        let host = |name: &HostName| (0..self.hosts.len()).find(|h| host_word(*h) == name.as_str());
        let Some(to) = host(to) else { return };
        if !self.passes(from, to) {
            return;
        }
        let message = Box::new(message);
        if self.net.doubles(&mut self.draw, from, to) {
            let takes = self.net.takes(&mut self.draw, from, to);
            let message = message.clone();
            self.queue.push(self.us + takes, Due::Peer { from, to, message });
        }
        let takes = self.net.takes(&mut self.draw, from, to);
        self.queue.push(self.us + takes, Due::Peer { from, to, message });
    }

    pub(super) fn peer_said(&mut self, from: usize, to: usize, message: PeerMessage) {
        let record = &self.hosts[to];
        // What is on its way when the path is cut or the machine fails is lost.
        if self.net.is_cut(from, to) || !record.on || record.agent.is_none() {
            return;
        }
        let name = self.top.hosts[from].name.clone();
        let input = Box::new(Input::Peer { from: name, message });
        self.agent_due(Due::AgentInput { host: to, life: self.hosts[to].life, input });
    }
}
