//! The cluster between rows: well before each, mended after each; and the course of one run.
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::judge::{self, Run, Watch};
use super::probe::Probe;
use super::pulse::Pulse;
use super::scene::{SOON, Scene};
use super::{Row, told};
use crate::cluster::{Lab, Options, WRITER_VIP};
use crate::config::Settings;
use crate::observer::Observer;
use crate::server::PORT;
use crate::wait::pass;
use crate::{picture, repair};

/// For things that take a host away and back.
const LATER: Duration = Duration::from_secs(40);
/// How long the run lasts that is the measure of "nothing".
const QUIET: Duration = Duration::from_secs(10);
/// The row that is such a run: where it is played, it is the measure.
const UNDISTURBED: &str = "undisturbed";
/// Faults begin anywhere within a heartbeat.
const HEARTBEAT_MS: u64 = 500;

/// A cluster with those who watch it.
pub struct Bed {
    observer: Observer,
    through: Vec<Probe>,
    straight: Vec<Probe>,
    pulse: Pulse,
    /// The longest gap of an undisturbed run; measured when first asked for.
    quiet: Option<Duration>,
    draw: u64,
    // Last, so that those who look end before what they look at.
    lab: Lab,
}

impl Bed {
    /// What a matrix needs of a lab: many faults are no flapping, disks that can be filled.
    pub fn options() -> Options {
        let monitor = "flap_count = 0".to_owned();
        let settings = Settings { monitor, small_disks: true, ..Settings::default() };
        Options { settings, ..Options::with_daemons() }
    }

    /// Brings the cluster up. `seed` says when within a heartbeat each fault begins.
    pub fn up(seed: u64) -> Result<Bed> {
        let lab = Lab::up(&Self::options())?;
        picture::wait_well(&lab, SOON)?;
        let writer = picture::writer(&lab).map_err(anyhow::Error::msg)?;
        let server = lab.server(&writer)?;
        server.sql("CREATE TABLE app.held (id INT PRIMARY KEY, n INT)")?;
        server.sql("INSERT INTO app.held VALUES (1, 0)")?;
        let (mut through, mut straight) = (Vec::new(), Vec::new());
        for (at, server) in lab.servers().iter().enumerate() {
            let own = SocketAddr::from((server.ip(), PORT));
            straight.push(Probe::start(server.host(), own)?);
            if at < 2 {
                through.push(Probe::start(server.host(), lab.writer_address())?);
            }
        }
        // No fault of the matrix that must go unnoticed concerns the slave.
        let slave = SocketAddr::from((lab.server("db3")?.ip(), PORT));
        let pulse = Pulse::start(lab.host("app")?, slave)?;
        let observer = lab.observe()?;
        Ok(Bed { observer, through, straight, pulse, quiet: None, draw: seed, lab })
    }

    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The longest gap of a client while nothing is done to this cluster for ten seconds.
    pub fn quiet(&mut self) -> Result<Duration> {
        if let Some(known) = self.quiet {
            return Ok(known);
        }
        let client = self.lab.start_writer()?;
        client.wait_rows(50, SOON)?;
        let since = Instant::now();
        pass(QUIET);
        let gap = client.record().longest_gap(since, Instant::now());
        Ok(*self.quiet.insert(gap))
    }

    /// Plays a row once, on a well cluster. `Err` when the cluster is not well, before or after:
    /// then it is of no more use.
    pub fn play(&mut self, row: &Row) -> Result<Run> {
        picture::wait_well(&self.lab, LATER).context("the cluster before the fault")?;
        let quiet = if row.name == UNDISTURBED { Duration::ZERO } else { self.quiet()? };
        let client = self.lab.start_writer()?;
        client.wait_rows(50, SOON)?;
        pass(Duration::from_millis(self.next() % HEARTBEAT_MS));
        let writer = picture::writer(&self.lab).map_err(anyhow::Error::msg)?;
        let log = told::Log::open(self.lab.daemons()?.monitor.log())?;
        let mut scene = Scene {
            lab: &self.lab,
            client: &client,
            standby: if writer == "db1" { "db2" } else { "db1" },
            writer,
            since: Instant::now(),
            began: told::time_of_day(),
            said: Vec::new(),
            notes: Vec::new(),
        };
        let played = (row.play)(&mut scene);
        self.mend()?;
        let rebuilt = repair::all_well(&self.lab).context("the cluster after the fault")?;
        for (host, rows) in rebuilt {
            scene.note(format!("{host} had parted by {rows} rows, rebuilt"));
        }
        client.wait_rows(20, SOON)?;
        // An agent ends a server that it could not verify in time; its service manager would start
        // it. Whether that was it, its log says.
        for server in self.lab.servers().iter().filter(|server| !server.is_running()) {
            let name = server.name();
            scene.note(format!("the server of {name} was found ended, and is started again"));
            server.start()?;
        }
        let watch = Watch {
            observer: &self.observer,
            through: &self.through,
            straight: &self.straight,
            pulse: &self.pulse,
            quiet,
        };
        let (figures, data) = judge::measure(&scene, &watch)?;
        let (events, began) = (log.events()?, scene.began);
        if row.name == UNDISTURBED {
            self.quiet = Some(figures.gap);
        }
        let mut run = Run { figures, events, began, notes: scene.notes, broken: Vec::new() };
        run.broken = judge::broken(row, &run, &scene.said, watch.quiet);
        run.broken.extend(data);
        run.broken.extend(played.err().map(|error| format!("{error:#}")));
        Ok(run)
    }

    /// Undoes whatever a row may have left: faults of the network, full disks, addresses by hand,
    /// what stands still or is dead.
    fn mend(&self) -> Result<()> {
        self.lab.heal_all()?;
        for server in self.lab.servers() {
            self.lab.disk(server.name())?.empty()?;
            if server.is_running() {
                server.thaw()?;
            }
            // Ended by its agent meanwhile, or by the row.
            if !server.is_running() {
                server.start()?;
            }
        }
        let daemons = self.lab.daemons()?;
        for daemon in daemons.all() {
            if daemon.pid().is_some() {
                daemon.thaw()?;
            } else {
                daemon.start()?;
            }
        }
        daemons.wait_answering(SOON)?;
        let mode = picture::view(&self.lab).map_err(|error| anyhow!(error))?.mode;
        if mode != mmm_proto::MonitorMode::Active {
            daemons.must(&["set_active"])?;
        }
        Ok(())
    }

    /// The next number of a plain generator (splitmix64): the same seed, the same moments.
    fn next(&mut self) -> u64 {
        self.draw = self.draw.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.draw;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Takes the cluster down; says what could not be.
    pub fn down(self) -> Result<()> {
        let Bed { observer, through, straight, pulse, lab, .. } = self;
        drop((observer, through, straight, pulse));
        lab.down()
    }

    /// Who holds the writer's VIP, for messages.
    pub fn holders(&self) -> Vec<String> {
        self.lab.holders(WRITER_VIP).unwrap_or_default()
    }
}
