//! The selected row as text for the reader's clipboard, by way of the terminal (OSC 52). Whether
//! the terminal takes it cannot be known, so the message says what was sent and no more.

use super::cmd::Cmd;
use super::keys::Place;
use super::{Model, Tone};

/// Copies the selected row.
pub(super) fn row(model: &mut Model) -> Vec<Cmd> {
    let text = match model.place() {
        Place::Events | Place::Newest => {
            model.events_shown().get(model.event_row).map(|event| event.line())
        }
        Place::Addresses => {
            let chosen = model.selected_vip();
            let shown = model.vips_shown();
            let row = shown.iter().find(|(_, vip)| Some(vip.ip) == chosen);
            row.map(|(role, vip)| {
                let host = vip.host.as_ref().map_or("nobody", |host| host.as_str());
                format!("{} {} {host}", role.name, vip.ip)
            })
        }
        Place::Hosts | Place::Detail => model.target_host().map(|host| {
            format!(
                "{} {}:{} {} {} lag {}",
                host.name, host.ip, host.port, host.mode, host.state, host.lag
            )
        }),
    };
    let Some(text) = text else {
        model.say(Tone::Info, "nothing to copy: no row is selected");
        return Vec::new();
    };
    // What a host or a server said must not end the sequence or the line.
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    model.say(Tone::Info, format!("copied, if your terminal allows it: {text}"));
    vec![Cmd::Copy(text)]
}

/// The sequence that puts `text` on the clipboard.
pub fn sequence(text: &str) -> String {
    format!("\x1b]52;c;{}\x07", base64(text.as_bytes()))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| usize::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = char::from(LETTERS[bits >> (18 - 6 * at) & 63]);
            text.push(if at <= three.len() { letter } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clipboard_gets_base64() {
        for (text, coded) in [("", ""), ("d", "ZA=="), ("db", "ZGI="), ("db3", "ZGIz")] {
            assert_eq!(base64(text.as_bytes()), coded);
        }
        assert_eq!(sequence("db3"), "\x1b]52;c;ZGIz\x07");
    }
}
