//! Nothing, a planned move, and the writer's server that dies or stands still. The goals for moves
//! and kills are medians on an idle machine, see the end-to-end test `figures`; what is a bar here
//! must hold in every run on a busy one: no client waited on a silent address, which takes a
//! second.
use anyhow::{Result, ensure};

use super::super::scene::{SOON, Scene, at_once};
use super::super::{Bar, Row};
use crate::daemons::Daemon;
use crate::server::Server;
use crate::wait::until;

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "undisturbed",
        what: "nothing, for 10 s: the measure of what counts as nothing",
        bars: &[Bar::Stays, Bar::LosesNothing],
        play: |scene| {
            scene.hold(10.0);
            Ok(())
        },
    },
    Row {
        name: "move",
        what: "planned move: `move_role writer`",
        bars: &[Bar::Moves, Bar::LosesNothing, Bar::Gap(1000)],
        play: |scene| {
            ensure!(scene.move_writer()? == 0, "the move failed: {:?}", scene.said);
            scene.wait_switch()
        },
    },
    Row {
        name: "server-kill",
        what: "kill -9 of the writer's server; started again after the failover",
        bars: &[Bar::Moves, Bar::Gap(1000), Bar::Says("the server is gone")],
        play: |scene| {
            scene.server()?.kill9()?;
            scene.wait_switch()
        },
    },
    Row {
        name: "server-stop",
        what: "SIGSTOP of the writer's server; SIGCONT if its agent does not end it within 15 s",
        // Its host is not silent: a time-out is soft evidence and has to last. check_period 1 s,
        // timeout 2 s, trap_period 3 s, and a second.
        bars: &[Bar::Moves, Bar::Gap(7000)],
        play: |scene| {
            scene.server()?.freeze()?;
            scene.wait_switch()?;
            let ended = until("the stopped server to be ended", SOON, || {
                let running = scene.server().is_ok_and(Server::is_running);
                if running { Err("it still runs") } else { Ok(()) }
            });
            let gone = scene.since.elapsed();
            if ended.is_ok() {
                scene.note(format!("ended by its agent after {} ms at most", gone.as_millis()));
            } else {
                scene.server()?.thaw()?;
            }
            Ok(())
        },
    },
    Row {
        name: "server-stall",
        what: "SIGSTOP of the writer's server for 2 s, then SIGCONT",
        // Shorter than anything that is evidence: it goes on where it stood.
        bars: &[Bar::Stays, Bar::LosesNothing, Bar::Gap(3000)],
        play: |scene| {
            scene.server()?.freeze()?;
            scene.hold(2.0);
            scene.server()?.thaw()?;
            scene.hold(3.0);
            Ok(())
        },
    },
    Row {
        name: "server-restart",
        what: "kill -9 of the writer's server, started by its service manager 0.5 s later",
        bars: &[Bar::Gap(1500)],
        play: |scene| restart(scene, 0.5),
    },
    Row {
        name: "server-restart-fast",
        what: "kill -9 of the writer's server, started by its service manager at once",
        bars: &[Bar::Gap(1500)],
        play: |scene| restart(scene, 0.0),
    },
    Row {
        name: "servers-restart",
        what: "kill -9 of all three servers at once, each started again at once",
        bars: &[Bar::Gap(4000)],
        play: |scene| {
            let servers = scene.lab.servers();
            at_once(servers, Server::kill9)?;
            at_once(servers, Server::start)
        },
    },
    Row {
        name: "hosts-restart",
        what: "kill -9 of servers and agents of all three hosts at once, all started again at once",
        bars: &[Bar::Gap(6000)],
        play: |scene| {
            let (servers, daemons) = (scene.lab.servers(), scene.daemons()?);
            at_once(&daemons.agents, Daemon::kill9)?;
            at_once(servers, Server::kill9)?;
            at_once(servers, Server::start)?;
            at_once(&daemons.agents, Daemon::start)
        },
    },
];

fn restart(scene: &mut Scene<'_>, after: f64) -> Result<()> {
    scene.server()?.kill9()?;
    scene.hold(after);
    scene.server()?.start()
}
