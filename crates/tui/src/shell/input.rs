//! A thread that reads keys. Repairs escape sequences that a slow line cut in two, drops key
//! releases, and marks pastes so that they never become keys.

use std::io;
use std::sync::mpsc::Sender;
use std::time::Duration;

use crossterm::event::{
    self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent,
    MouseEventKind,
};

use super::clock;
use super::run::Wake;
use crate::app::msg::{Key, Mouse, MouseWhat, Msg};

/// How long the rest of a cut escape sequence may take.
const REPAIR: Duration = Duration::from_millis(50);

/// Starts the thread.
///
/// # Errors
/// When no thread can be started.
pub fn start(to: Sender<Wake>) -> io::Result<()> {
    std::thread::Builder::new().name("input".to_owned()).spawn(move || read(&to)).map(drop)
}

fn read(to: &Sender<Wake>) {
    let mut source = Crossterm;
    loop {
        match next(&mut source) {
            Ok(Some(msg)) => {
                // The time of reading, not of handling: what was typed before a dialog stays before
                // it.
                if to.send(Wake::Happened(clock::now(), msg)).is_err() {
                    return;
                }
            }
            Ok(None) => {}
            Err(error) => {
                let _ = to.send(Wake::Broken(error));
                return;
            }
        }
    }
}

/// Where terminal events come from; the tests bring their own.
trait Source {
    fn next(&mut self) -> io::Result<Event>;
    /// Whether something comes within `limit`.
    fn soon(&mut self, limit: Duration) -> io::Result<bool>;
}

struct Crossterm;

impl Source for Crossterm {
    fn next(&mut self) -> io::Result<Event> {
        event::read()
    }

    fn soon(&mut self, limit: Duration) -> io::Result<bool> {
        event::poll(limit)
    }
}

fn next(source: &mut impl Source) -> io::Result<Option<Msg>> {
    Ok(match source.next()? {
        Event::Key(event) => key(&event, source)?.map(Msg::Key),
        Event::Paste(_) => Some(Msg::Paste),
        Event::Resize(columns, rows) => Some(Msg::Resize(columns, rows)),
        Event::Mouse(event) => mouse(&event).map(Msg::Mouse),
        _ => None,
    })
}

fn mouse(event: &MouseEvent) -> Option<Mouse> {
    let what = match event.kind {
        MouseEventKind::Down(MouseButton::Left) => MouseWhat::Press,
        MouseEventKind::ScrollUp => MouseWhat::WheelUp,
        MouseEventKind::ScrollDown => MouseWhat::WheelDown,
        _ => return None,
    };
    Some(Mouse { column: event.column, row: event.row, what })
}

fn key(event: &KeyEvent, source: &mut impl Source) -> io::Result<Option<Key>> {
    let key = plain(event);
    if key == Some(Key::Esc) {
        return escape(source).map(Some);
    }
    Ok(key)
}

/// After Esc: the rest of a cut sequence within 50 ms belongs to it.
fn escape(source: &mut impl Source) -> io::Result<Key> {
    let Some(second) = soon(source)? else {
        return Ok(Key::Esc);
    };
    match second {
        Key::Char('[') => control_sequence(source),
        // One letter follows: F1 to F4, or an arrow in another form.
        Key::Char('O') => Ok(soon(source)?.map_or(Key::Other, |last| arrow(last, ""))),
        // Two keys in quick succession, or Alt: neither may act.
        _ => Ok(Key::Other),
    }
}

/// What is behind `ESC [`, to its last letter: none of it may be taken for keys.
fn control_sequence(source: &mut impl Source) -> io::Result<Key> {
    let mut parameters = String::new();
    loop {
        match soon(source)? {
            Some(Key::Char(c @ ' '..='?')) if parameters.len() < 32 => parameters.push(c),
            Some(last) => return Ok(arrow(last, &parameters)),
            None => return Ok(Key::Other),
        }
    }
}

/// The key that a sequence stands for.
fn arrow(last: Key, parameters: &str) -> Key {
    match last {
        Key::Char('A') => Key::Up,
        Key::Char('B') => Key::Down,
        Key::Char('C') => Key::Right,
        Key::Char('D') => Key::Left,
        Key::Char('H') => Key::Home,
        Key::Char('F') => Key::End,
        Key::Char('~') if parameters == "5" => Key::PageUp,
        Key::Char('~') if parameters == "6" => Key::PageDown,
        _ => Key::Other,
    }
}

/// The next key, if there is one within the repair time.
fn soon(source: &mut impl Source) -> io::Result<Option<Key>> {
    if !source.soon(REPAIR)? {
        return Ok(None);
    }
    Ok(match source.next()? {
        Event::Key(event) => plain(&event),
        _ => Some(Key::Other),
    })
}

/// The key in our own words; none for releases and repeats.
fn plain(event: &KeyEvent) -> Option<Key> {
    if event.kind != KeyEventKind::Press {
        return None;
    }
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    let alt = event.modifiers.contains(KeyModifiers::ALT);
    Some(match event.code {
        _ if alt => Key::Other,
        KeyCode::Char(c) if ctrl => Key::Ctrl(c.to_ascii_lowercase()),
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::F(n) => Key::F(n),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        _ => Key::Other,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Events; `None` is a pause longer than the repair time.
    struct Scripted(VecDeque<Option<Event>>);

    impl Source for Scripted {
        fn next(&mut self) -> io::Result<Event> {
            while let Some(event) = self.0.pop_front() {
                if let Some(event) = event {
                    return Ok(event);
                }
            }
            Err(io::Error::other("the script is over"))
        }

        fn soon(&mut self, _: Duration) -> io::Result<bool> {
            Ok(matches!(self.0.front(), Some(Some(_))))
        }
    }

    /// `^` is Esc, `_` a pause.
    fn keys(script: &str) -> Vec<Key> {
        let events = script.chars().map(|c| match c {
            '_' => None,
            '^' => Some(Event::Key(KeyCode::Esc.into())),
            c => Some(Event::Key(KeyCode::Char(c).into())),
        });
        let mut source = Scripted(events.collect());
        let mut found = Vec::new();
        while let Ok(msg) = next(&mut source) {
            if let Some(Msg::Key(key)) = msg {
                found.push(key);
            }
        }
        found
    }

    #[test]
    fn cut_sequences_are_put_together_and_esc_alone_stays_esc() {
        assert_eq!(keys("^_q"), [Key::Esc, Key::Char('q')]);
        assert_eq!(keys("^[B_j"), [Key::Down, Key::Char('j')]);
        assert_eq!(keys("^OP"), [Key::Other]);
        assert_eq!(keys("^[5~"), [Key::PageUp]);
        assert_eq!(keys("^[1;5D"), [Key::Left]);
        assert_eq!(keys("^[15~y"), [Key::Other, Key::Char('y')]);
        assert_eq!(keys("^x"), [Key::Other]);
        assert_eq!(keys("^OA"), [Key::Up]);
        // A press of the mouse, and the answer to a question that another program asked.
        assert_eq!(keys("^[<0;12;5M"), [Key::Other]);
        assert_eq!(keys("^[?1;2cj"), [Key::Other, Key::Char('j')]);
    }

    #[test]
    fn pastes_and_releases_are_no_keys() {
        let mut release = KeyEvent::from(KeyCode::Char('y'));
        release.kind = KeyEventKind::Release;
        let paste = Event::Paste("W\ny".to_owned());
        let mut source = Scripted([Some(Event::Key(release)), Some(paste)].into());
        assert_eq!(next(&mut source).unwrap(), None);
        assert_eq!(next(&mut source).unwrap(), Some(Msg::Paste));
    }
}
