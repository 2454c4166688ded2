//! A terminal that measures what a program writes to it and when; on request at the far end of a
//! slow line. It answers no query, as a bare terminal does.
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::process::lock;
use crate::wait::until;

/// Between two looks at what has come.
const LOOK: Duration = Duration::from_micros(200);

/// What of a write goes over a slow line at once.
const PIECE: usize = 64;

/// What is between the program and the person.
#[derive(Debug, Clone, Copy, Default)]
pub struct Line {
    /// One way.
    pub delay: Duration,
    /// Bytes a second from the program; none is as fast as it goes.
    pub rate: Option<u32>,
}

/// What came so far.
struct Seen {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    /// When the latest piece came.
    last: Option<Instant>,
}

/// A program in a terminal of its own. Dropping it kills the program.
pub struct Meter {
    child: Box<dyn Child + Send + Sync>,
    /// Until the terminal is hung up.
    ends: Option<(Box<dyn MasterPty + Send>, Box<dyn Write + Send>)>,
    seen: Arc<Mutex<Seen>>,
    deaf: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    line: Line,
    started: Instant,
}

impl Meter {
    /// Starts `program` in a terminal of `(columns, rows)`, with these variables besides ours.
    pub fn open(
        program: &Path,
        args: &[&str],
        vars: &[(&str, &str)],
        (columns, rows): (u16, u16),
        line: Line,
    ) -> Result<Meter> {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).context("open a terminal")?;
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env("TERM", "xterm-256color");
        for (name, value) in vars {
            command.env(name, value);
        }
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).context("start the program")?;
        drop(pair.slave);
        let parser = vt100::Parser::new(rows, columns, 0);
        let seen = Arc::new(Mutex::new(Seen { parser, bytes: Vec::new(), last: None }));
        let from = pair.master.try_clone_reader().context("read the terminal")?;
        let keys = pair.master.take_writer().context("write to the terminal")?;
        let deaf = Arc::new(AtomicBool::new(false));
        let (feed, stop) = (Arc::clone(&seen), Arc::clone(&deaf));
        let thread = std::thread::Builder::new().name("terminal".into());
        let reader =
            thread.spawn(move || read(from, &feed, &stop, line)).context("start a thread")?;
        let ends = Some((pair.master, keys));
        Ok(Meter { child, ends, seen, deaf, reader: Some(reader), line, started })
    }

    /// When the program was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Types keys; gives the time at which the person pressed them.
    pub fn keys(&mut self, keys: &str) -> Result<Instant> {
        let pressed = Instant::now();
        std::thread::sleep(self.line.delay);
        let (_, to) = self.ends.as_mut().context("the terminal is gone")?;
        to.write_all(keys.as_bytes()).context("type")?;
        to.flush().context("type")?;
        Ok(pressed)
    }

    /// How many bytes came so far.
    pub fn count(&self) -> usize {
        lock(&self.seen).bytes.len()
    }

    /// Everything that came from `from` on.
    pub fn bytes(&self, from: usize) -> Vec<u8> {
        lock(&self.seen).bytes[from..].to_vec()
    }

    /// The screen as text.
    pub fn text(&self) -> String {
        lock(&self.seen).parser.screen().contents()
    }

    /// Lets `look` see the screen with its colours.
    pub fn screen<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(lock(&self.seen).parser.screen())
    }

    /// Waits until `test` likes the screen; when what it likes had come.
    pub fn wait(
        &self,
        what: &str,
        limit: Duration,
        test: impl Fn(&str) -> bool,
    ) -> Result<Instant> {
        let begun = Instant::now();
        let mut known = None;
        loop {
            {
                let seen = lock(&self.seen);
                if seen.last != known || known.is_none() {
                    known = seen.last;
                    if test(&seen.parser.screen().contents()) {
                        return Ok(seen.last.unwrap_or(begun));
                    }
                }
            }
            if begun.elapsed() >= limit {
                bail!("waited {limit:?} for {what}; the screen:\n{}", self.text());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Makes it another size, as a window does.
    pub fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        lock(&self.seen).parser.screen_mut().set_size(rows, columns);
        let (master, _) = self.ends.as_ref().context("the terminal is gone")?;
        master.resize(size).context("resize the terminal")
    }

    /// The process id of the program.
    pub fn pid(&self) -> Result<u32> {
        self.child.process_id().context("the program is gone")
    }

    /// Takes the terminal away, as a lost ssh session does; how long the program lives on.
    pub fn hang_up(&mut self, limit: Duration) -> Result<Duration> {
        self.deaf.store(true, Ordering::SeqCst);
        // The reader holds the terminal open, and goes with the next thing that it reads.
        self.keys("?")?;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        let begun = Instant::now();
        self.ends = None;
        self.ended(limit)?;
        Ok(begun.elapsed())
    }

    /// Waits until the program ends by itself; its exit code.
    pub fn ended(&mut self, limit: Duration) -> Result<u32> {
        let child = &mut self.child;
        until("the program to end", limit, || match child.try_wait() {
            Ok(Some(status)) => Ok(status.exit_code()),
            other => Err(format!("{other:?}")),
        })
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Carries what the program writes to the screen: at once, or as a slow line does, which holds the
/// program up when it writes more than the line takes.
fn read(mut from: Box<dyn Read + Send>, to: &Mutex<Seen>, stop: &AtomicBool, line: Line) {
    let mut buffer = [0; 8192];
    let size = if line.rate.is_some() { PIECE } else { buffer.len() };
    // On its way: what is due when.
    let mut way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let slow = line.rate.is_some() || line.delay > Duration::ZERO;
    let (tx, rx) = std::sync::mpsc::sync_channel::<(Instant, Vec<u8>)>(1 << 16);
    std::thread::scope(|scope| {
        if slow {
            scope.spawn(move || {
                while let Ok(piece) = rx.recv() {
                    way.push_back(piece);
                    while let Some((due, bytes)) = way.pop_front() {
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        take(to, &bytes);
                    }
                }
            });
        }
        // An error is how a terminal says that its program is gone.
        while let Ok(count @ 1..) = from.read(&mut buffer[..size]) {
            if slow {
                let due = Instant::now() + line.delay;
                let _ = tx.send((due, buffer[..count].to_vec()));
                if let Some(rate) = line.rate {
                    std::thread::sleep(Duration::from_secs_f64(count as f64 / f64::from(rate)));
                }
            } else {
                take(to, &buffer[..count]);
            }
            if stop.load(Ordering::SeqCst) {
                break;
            }
        }
        drop(tx);
    });
}

fn take(to: &Mutex<Seen>, bytes: &[u8]) {
    let now = Instant::now();
    let mut seen = lock(to);
    seen.parser.process(bytes);
    seen.bytes.extend_from_slice(bytes);
    seen.last = Some(now);
}
