//! Faults of the network: each is made at the bridge, where the hosts cannot see or undo it, takes
//! everything with it (ARP and VIPs too), and can be healed.
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use crate::net::Net;
use crate::process::{lock, run};

/// A fault that is in force; healed by [`Faults::heal`], or with the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "heal it, or say with `let _fault =` that it stays"]
pub struct Fault {
    id: u32,
    what: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// A table of that name at the bridge.
    Table(String),
    /// A port that is down.
    Port(String),
}

impl Fault {
    /// In words: "db1 and db2 cut off from each other".
    pub fn what(&self) -> &str {
        &self.what
    }
}

/// All faults of one lab.
#[derive(Default)]
pub struct Faults {
    next: Mutex<u32>,
    active: Mutex<Vec<Fault>>,
}

impl Faults {
    /// Neither host hears the other; both reach everybody else.
    pub fn cut(&self, net: &Net, a: &str, b: &str) -> Result<Fault> {
        let (a_port, b_port) = (Net::port(net.host(a)?), Net::port(net.host(b)?));
        let rules = [
            format!("iifname \"{a_port}\" oifname \"{b_port}\" drop"),
            format!("iifname \"{b_port}\" oifname \"{a_port}\" drop"),
        ];
        self.rules(net, format!("{a} and {b} cut off from each other"), &rules)
    }

    /// Nothing from `from` reaches `to`; the other direction works.
    pub fn cut_one_way(&self, net: &Net, from: &str, to: &str) -> Result<Fault> {
        let (from_port, to_port) = (Net::port(net.host(from)?), Net::port(net.host(to)?));
        let rule = format!("iifname \"{from_port}\" oifname \"{to_port}\" drop");
        self.rules(net, format!("nothing from {from} reaches {to}"), &[rule])
    }

    /// The host's packets vanish in both directions; its link stays up (a dead switch).
    pub fn isolate(&self, net: &Net, host: &str) -> Result<Fault> {
        let port = Net::port(net.host(host)?);
        let rules = [format!("iifname \"{port}\" drop"), format!("oifname \"{port}\" drop")];
        self.rules(net, format!("{host} cut off from everybody"), &rules)
    }

    /// Nothing that the host sends arrives anywhere; it hears everything.
    pub fn mute(&self, net: &Net, host: &str) -> Result<Fault> {
        let rule = format!("iifname \"{}\" drop", Net::port(net.host(host)?));
        self.rules(net, format!("{host} hears and is not heard"), &[rule])
    }

    /// Nothing reaches the host; what it sends arrives.
    pub fn deafen(&self, net: &Net, host: &str) -> Result<Fault> {
        let rule = format!("oifname \"{}\" drop", Net::port(net.host(host)?));
        self.rules(net, format!("{host} is heard and hears nothing"), &[rule])
    }

    /// The host's link goes down (a pulled cable).
    pub fn unplug(&self, net: &Net, host: &str) -> Result<Fault> {
        let port = Net::port(net.host(host)?);
        set_link(net, &port, "down")?;
        Ok(self.enter(format!("{host} unplugged"), Kind::Port(port)))
    }

    /// That many packets of a hundred are lost, each way.
    pub fn lossy(&self, net: &Net, host: &str, percent: u32) -> Result<Fault> {
        let port = Net::port(net.host(host)?);
        let lose = match percent {
            0..100 => format!("numgen random mod 100 < {percent} drop"),
            100 => "drop".to_owned(),
            _ => bail!("{percent} % of all packets cannot be lost; give 0 to 100"),
        };
        let rules = [format!("iifname \"{port}\" {lose}"), format!("oifname \"{port}\" {lose}")];
        self.rules(net, format!("{host} loses {percent} % each way"), &rules)
    }

    /// Undoes one fault.
    pub fn heal(&self, net: &Net, fault: &Fault) -> Result<()> {
        let mut active = lock(&self.active);
        let Some(at) = active.iter().position(|other| other.id == fault.id) else {
            bail!("not in force any more: {}", fault.what);
        };
        match &fault.kind {
            Kind::Table(table) => {
                let delete = format!("delete table bridge {table}\n");
                nft(net, &delete).with_context(|| format!("heal: {}", fault.what))?;
            }
            Kind::Port(port) => set_link(net, port, "up")?,
        }
        drop(active.remove(at));
        Ok(())
    }

    /// Undoes everything that is in force.
    pub fn heal_all(&self, net: &Net) -> Result<()> {
        for fault in self.active() {
            self.heal(net, &fault)?;
        }
        Ok(())
    }

    /// What is in force, oldest first.
    pub fn active(&self) -> Vec<Fault> {
        lock(&self.active).clone()
    }

    fn rules(&self, net: &Net, what: String, rules: &[String]) -> Result<Fault> {
        let number = *lock(&self.next);
        let table = format!("mmm_fault_{number}");
        let text = format!(
            "table bridge {table} {{\n chain forward {{\n  \
             type filter hook forward priority 0; policy accept;\n  {}\n }}\n}}\n",
            rules.join("\n  ")
        );
        nft(net, &text).with_context(|| what.clone())?;
        Ok(self.enter(what, Kind::Table(table)))
    }

    fn enter(&self, what: String, kind: Kind) -> Fault {
        let mut next = lock(&self.next);
        let fault = Fault { id: *next, what, kind };
        *next += 1;
        lock(&self.active).push(fault.clone());
        fault
    }
}

fn nft(net: &Net, rules: &str) -> Result<()> {
    let mut command = net.at_switch("nft");
    command.args(["-f", "-"]);
    run(command, rules).map(drop)
}

fn set_link(net: &Net, port: &str, state: &str) -> Result<()> {
    let mut command = net.at_switch("ip");
    command.args(["link", "set", port, state]);
    run(command, "").map(drop)
}
