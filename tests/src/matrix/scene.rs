//! What a row has in its hands while it is played.
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::told;
use crate::cluster::{Lab, WRITER_VIP};
use crate::daemons::{Daemon, Daemons, Said};
use crate::server::Server;
use crate::wait::{pass, until};
use crate::writer::Writer;
use crate::{picture, repair};

/// For things that take seconds.
pub(super) const SOON: Duration = Duration::from_secs(15);

/// Does something to all of them at once.
pub(super) fn at_once<T: Sync>(all: &[T], act: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let act = &act;
        let running: Vec<_> = all.iter().map(|one| scope.spawn(move || act(one))).collect();
        running
            .into_iter()
            .try_for_each(|one| one.join().unwrap_or_else(|_| bail!("a thread panicked")))
    })
}

/// One run of one row.
pub struct Scene<'a> {
    pub lab: &'a Lab,
    /// The client that writes through the VIP.
    pub client: &'a Writer,
    /// Who is writer before the fault.
    pub writer: String,
    /// The other master.
    pub standby: &'static str,
    /// When the fault began; a row whose preparation is not to be measured sets it anew.
    pub since: Instant,
    /// The same by the clock that the log uses.
    pub began: u64,
    /// What commands said, for [`super::Bar::Says`].
    pub said: Vec<String>,
    /// What the table should tell besides.
    pub notes: Vec<String>,
}

impl Scene<'_> {
    pub(super) fn daemons(&self) -> Result<&Daemons> {
        self.lab.daemons()
    }

    pub(super) fn monitor(&self) -> Result<&Daemon> {
        Ok(&self.lab.daemons()?.monitor)
    }

    /// The server of the writer's host.
    pub(super) fn server(&self) -> Result<&Server> {
        self.lab.server(&self.writer)
    }

    /// The agent of the writer's host.
    pub(super) fn agent(&self) -> Result<&Daemon> {
        self.lab.daemons()?.agent(&self.writer)
    }

    /// Now begins what is measured.
    pub(super) fn begin(&mut self) {
        self.since = Instant::now();
        self.began = told::time_of_day();
    }

    /// Lets a fault last.
    pub(super) fn hold(&self, seconds: f64) {
        pass(Duration::from_secs_f64(seconds));
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Runs `mmm-control` and remembers what it said.
    pub(super) fn control(&mut self, args: &[&str]) -> Result<Said> {
        let said = self.lab.daemons()?.control(args)?;
        self.said.push(format!("{}{}", said.stdout, said.stderr));
        Ok(said)
    }

    /// The planned move to the other master; its exit code.
    pub(super) fn move_writer(&mut self) -> Result<i32> {
        let standby = self.standby;
        Ok(self.control(&["move_role", "writer", standby])?.code)
    }

    /// Waits until nothing is in the way of a planned move any more, as far as the monitor knows:
    /// an agent looks at its server twice a second, and tells what it saw with its next report.
    pub(super) fn wait_movable(&self) -> Result<()> {
        until("a planned move to be allowed", SOON, || {
            let plan = ["plan", "move_role", "writer", self.standby];
            let said = self.daemons().and_then(|daemons| daemons.control(&plan));
            let said = said.map_err(|error| format!("{error:#}"))?;
            if said.code == 0 { Ok(()) } else { Err(format!("{}{}", said.stdout, said.stderr)) }
        })
    }

    /// Waits until another server acknowledges rows.
    pub(super) fn wait_switch(&self) -> Result<()> {
        let switch = self.client.wait_switch(self.since, SOON);
        let switch = switch.with_context(|| picture::story(self.lab))?;
        if switch.late > 0 {
            bail!("the old writer acknowledged after the new one: {switch:?}");
        }
        Ok(())
    }

    /// Waits until all is well, as an operator would see to it: a server that its agent ended
    /// because a fence could not be verified in time is started again, as its service manager
    /// would.
    pub(super) fn settle(&mut self) -> Result<()> {
        for server in self.lab.servers().iter().filter(|server| !server.is_running()) {
            self.notes.push(format!("the server of {} was ended, and is started", server.name()));
        }
        for (host, rows) in repair::all_well(self.lab)? {
            self.note(format!("{host} had parted by {rows} rows, rebuilt"));
        }
        Ok(())
    }

    /// Waits until the host does not hold the writer's VIP.
    pub(super) fn wait_gone(&self, host: &str) -> Result<()> {
        until(&format!("the VIP to go from {host}"), SOON, || {
            let holders = self.lab.holders(WRITER_VIP).map_err(|e| format!("{e:#}"))?;
            if holders.iter().any(|holder| holder == host) { Err("it is there") } else { Ok(()) }
                .map_err(str::to_owned)
        })
    }

    /// The addresses of all hosts say that nobody but `host` has the VIP.
    pub(super) fn only_holder(&self, host: &str) -> Result<()> {
        let holders = self.lab.holders(WRITER_VIP)?;
        if holders == [host] { Ok(()) } else { bail!("{holders:?} hold the VIP, not {host} alone") }
    }
}
