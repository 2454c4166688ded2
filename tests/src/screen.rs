//! A real terminal around a program: keys in, lines out.
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

use crate::process::lock;
use crate::wait::until;

/// A program in a terminal of its own. Dropping it kills the program.
pub struct Screen {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    terminal: Arc<Mutex<vt100::Parser>>,
}

impl Screen {
    /// Starts `program` in a terminal of that size.
    pub fn open(program: &Path, args: &[&str], columns: u16, rows: u16) -> Result<Screen> {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).context("open a terminal")?;
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env("TERM", "xterm-256color");
        let child = pair
            .slave
            .spawn_command(command)
            .with_context(|| format!("start {}", program.display()))?;
        // Else the terminal never ends for the reader below.
        drop(pair.slave);
        let terminal = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let mut reader = pair.master.try_clone_reader().context("read the terminal")?;
        let inner = Arc::clone(&terminal);
        std::thread::Builder::new()
            .name("terminal".into())
            .spawn(move || {
                let mut bytes = [0; 8192];
                // An error is how a terminal says that its program is gone.
                while let Ok(count) = reader.read(&mut bytes) {
                    if count == 0 {
                        break;
                    }
                    lock(&inner).process(&bytes[..count]);
                }
            })
            .context("start a thread")?;
        let keys = pair.master.take_writer().context("write to the terminal")?;
        Ok(Screen { child, master: pair.master, keys, terminal })
    }

    /// Types keys; control keys as their bytes (`"\r"`, `"\x1b"`, `"\x1b[A"`).
    pub fn keys(&mut self, keys: &str) -> Result<()> {
        self.keys.write_all(keys.as_bytes()).context("type")?;
        self.keys.flush().context("type")
    }

    /// The lines on the screen, trailing blanks cut.
    pub fn lines(&self) -> Vec<String> {
        let terminal = lock(&self.terminal);
        let (_, columns) = terminal.screen().size();
        terminal.screen().rows(0, columns).map(|line| line.trim_end().to_owned()).collect()
    }

    /// All lines as one text.
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// Whether the program has the alternate screen.
    pub fn is_alternate(&self) -> bool {
        lock(&self.terminal).screen().alternate_screen()
    }

    /// Whether the cursor is shown.
    pub fn cursor_shown(&self) -> bool {
        !lock(&self.terminal).screen().hide_cursor()
    }

    /// Waits until `text` is somewhere on the screen. The error shows the screen.
    pub fn wait_for(&self, text: &str, limit: Duration) -> Result<()> {
        self.wait(&format!("{text:?} on the screen"), limit, |screen| screen.contains(text))
    }

    /// Waits until `test` likes the screen's text. The error shows the screen.
    pub fn wait(&self, what: &str, limit: Duration, test: impl Fn(&str) -> bool) -> Result<()> {
        until(what, limit, || {
            let text = self.text();
            if test(&text) { Ok(()) } else { Err(format!("this screen:\n{}", text.trim_end())) }
        })
    }

    /// Changes the terminal's size, as a window does.
    pub fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        lock(&self.terminal).screen_mut().set_size(rows, columns);
        self.master.resize(size).context("resize the terminal")
    }

    /// The process id of the program.
    pub fn pid(&self) -> Option<u32> {
        self.child.process_id()
    }

    /// Waits until the program ends by itself.
    pub fn wait_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        let mut broken = None;
        let ended = until("the program to end", limit, || match child.try_wait() {
            Ok(Some(status)) => Ok(Some(status)),
            Ok(None) => Err("it runs"),
            Err(e) => {
                broken = Some(e);
                Ok(None)
            }
        });
        match (ended, broken) {
            (Ok(Some(status)), _) => Ok(status),
            (Ok(None), e) => Err(anyhow!("wait for the program: {e:?}")),
            (Err(e), _) => bail!("{e:#}; its screen:\n{}", self.text()),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
