//! One written value into one typed value, or what is wrong with it. Pure; knows no keys and no
//! files.

use std::net::IpAddr;

use super::tree::Value;
use super::words::{HostMode, MonitorMode, RoleMode, Span};

/// What is wrong with a value and what to do; its place and key are the caller's to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) what: String,
    pub(super) remedy: String,
}

impl Bad {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }

    fn not(value: &Value, what: &str, remedy: &str) -> Self {
        Self::new(format!("{} is not {what}", value.quoted()), remedy)
    }
}

/// A text that is not empty.
pub(super) fn text(value: &Value) -> Result<String, Bad> {
    match value {
        Value::Text(text) if text.is_empty() => Err(Bad::new("is empty", "write a value")),
        Value::Text(text) if text.chars().any(char::is_control) => {
            Err(Bad::not(value, "printable text", "remove the control characters"))
        }
        Value::Text(text) => Ok(text.clone()),
        other => Err(Bad::not(other, "a text", "write it in double quotes")),
    }
}

/// `true` or `false`.
pub(super) fn flag(value: &Value) -> Result<bool, Bad> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        other => Err(Bad::not(other, "true or false", "write true or false, without quotes")),
    }
}

/// A whole number from `least` to `most`.
pub(super) fn number(value: &Value, least: u32, most: u32) -> Result<u32, Bad> {
    let range = format!("a whole number from {least} to {most}");
    match value {
        Value::Integer(number) => u32::try_from(*number)
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| Bad::not(value, &range, "write a number in that range")),
        other => Err(Bad::not(other, &range, "write a number, without quotes")),
    }
}

/// A TCP port.
pub(super) fn port(value: &Value) -> Result<u16, Bad> {
    let bad = || Bad::not(value, "a port", "write a whole number from 1 to 65535, without quotes");
    match value {
        Value::Integer(number) => {
            u16::try_from(*number).ok().filter(|port| *port > 0).ok_or_else(bad)
        }
        _ => Err(bad()),
    }
}

/// An address that a host, a VIP or a router can have.
pub(super) fn address(value: &Value) -> Result<IpAddr, Bad> {
    let sample = "write one such as \"192.168.194.151\" or \"fd00::151\"";
    let Value::Text(text) = value else {
        return Err(Bad::not(value, "an IP address", sample));
    };
    if text.contains('/') {
        return Err(Bad::not(value, "an IP address", "leave the mask off"));
    }
    let ip: IpAddr = text.parse().map_err(|_| Bad::not(value, "an IP address", sample))?;
    let nobody = ip.is_unspecified()
        || ip.is_multicast()
        || matches!(ip, IpAddr::V4(v4) if v4.is_broadcast())
        || matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    if nobody {
        return Err(Bad::not(value, "the address of one host", sample));
    }
    Ok(ip)
}

/// The longest span that makes sense anywhere: a year.
const SPAN_MAX_MS: u64 = 365 * 24 * 3600 * 1000;

/// A length of time, at least `least`: a text with unit or plain seconds, kept in milliseconds.
pub(super) fn span(value: &Value, least: Span) -> Result<Span, Bad> {
    let sample = "write it as \"500ms\", \"3s\" or \"1m\", or as a number of seconds";
    let bad = || Bad::not(value, "a length of time", sample);
    let ms = match value {
        Value::Integer(seconds) if *seconds < 0 => return Err(negative(value)),
        Value::Integer(seconds) => seconds.unsigned_abs().saturating_mul(1000),
        Value::Float(seconds) if seconds.is_nan() => return Err(bad()),
        Value::Float(seconds) if *seconds < 0.0 => return Err(negative(value)),
        // Casting saturates; what is too long is refused below.
        Value::Float(seconds) if *seconds > 0.0 && *seconds < 0.001 => return Err(finer(value)),
        Value::Float(seconds) => (*seconds * 1000.0).round() as u64,
        Value::Text(text) if text.trim_start().starts_with('-') => return Err(negative(value)),
        Value::Text(text) => {
            let span = humantime::parse_duration(text).map_err(|_| bad())?;
            let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
            if ms == 0 && !span.is_zero() {
                return Err(finer(value));
            }
            ms
        }
        _ => return Err(bad()),
    };
    if ms > SPAN_MAX_MS {
        return Err(Bad::new(
            format!("{} is longer than a year", value.quoted()),
            "write a shorter time; a plain number counts seconds",
        ));
    }
    if ms < least.as_ms() {
        return Err(Bad::new(
            format!("{} is too short", value.quoted()),
            format!("write at least \"{}\"", humantime::format_duration(least.into())),
        ));
    }
    Ok(Span::ms(ms))
}

fn negative(value: &Value) -> Bad {
    Bad::new(format!("{} is negative", value.quoted()), "write a time that is not below zero")
}

fn finer(value: &Value) -> Bad {
    Bad::new(format!("{} is below a millisecond", value.quoted()), "write at least \"1ms\"")
}

/// One of a few words.
pub(super) fn choice<T: Copy>(value: &Value, what: &str, words: &[(&str, T)]) -> Result<T, Bad> {
    if let Value::Text(text) = value
        && let Some((_, meant)) = words.iter().find(|(word, _)| word == text)
    {
        return Ok(*meant);
    }
    let quoted: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
    let last = quoted.len().saturating_sub(1);
    let all = format!("{} or {}", quoted[..last].join(", "), quoted[last..].join(""));
    Err(Bad::not(value, what, &format!("write {all}")))
}

pub(super) fn host_mode(value: &Value) -> Result<HostMode, Bad> {
    choice(value, "a mode", &[("master", HostMode::Master), ("slave", HostMode::Slave)])
}

pub(super) fn role_mode(value: &Value) -> Result<RoleMode, Bad> {
    let words = [("exclusive", RoleMode::Exclusive), ("balanced", RoleMode::Balanced)];
    choice(value, "a mode", &words)
}

pub(super) fn monitor_mode(value: &Value) -> Result<MonitorMode, Bad> {
    let words = [
        ("active", MonitorMode::Active),
        ("manual", MonitorMode::Manual),
        ("wait", MonitorMode::Wait),
        ("passive", MonitorMode::Passive),
    ];
    choice(value, "a mode", &words)
}

/// The mode of a socket file: an octal text, at least readable and writable for its owner.
pub(super) fn file_mode(value: &Value) -> Result<u32, Bad> {
    let bad = || Bad::not(value, "a file mode", "write four octal digits, such as \"0660\"");
    let Value::Text(text) = value else {
        return Err(bad());
    };
    if !(3..=4).contains(&text.len()) || !text.bytes().all(|c| c.is_ascii_digit()) {
        return Err(bad());
    }
    let mode = u32::from_str_radix(text, 8).map_err(|_| bad())?;
    if mode > 0o777 || mode & 0o600 != 0o600 {
        return Err(bad());
    }
    Ok(mode)
}

/// A network interface. Kernel names have at most 15 bytes; names with a colon are labels, not
/// links.
pub(super) fn interface(value: &Value) -> Result<String, Bad> {
    let name = text(value)?;
    let sample = "write a name that `ip link` shows, such as \"eth0\"";
    if let Some((link, _)) = name.split_once(':') {
        return Err(Bad::not(
            value,
            "an interface but an alias of one",
            &format!("write {link:?}; addresses need no alias"),
        ));
    }
    let odd = |c: char| c == '/' || c.is_whitespace();
    if name.len() > 15 || name.contains(odd) || name == "." || name == ".." {
        return Err(Bad::not(value, "an interface name", sample));
    }
    Ok(name)
}

/// A user or group name of the system.
pub(super) fn group(value: &Value) -> Result<String, Bad> {
    let name = text(value)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.len() > 32 || !name.chars().all(plain) {
        return Err(Bad::not(value, "a group name", "write one from /etc/group, such as \"mmm\""));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_value(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn spans_come_in_several_forms() {
        for (value, ms) in [
            (text_value("500ms"), 500),
            (text_value("3s"), 3_000),
            (text_value("1m"), 60_000),
            (text_value("1h 30m"), 5_400_000),
            (Value::Integer(60), 60_000),
            (Value::Integer(0), 0),
            (Value::Float(0.5), 500),
            (Value::Float(0.0), 0),
            (text_value("365d"), SPAN_MAX_MS),
        ] {
            assert_eq!(span(&value, Span::ms(0)), Ok(Span::ms(ms)), "{value:?}");
        }
    }

    #[test]
    fn spans_that_cannot_be_are_refused() {
        for (value, part) in [
            (Value::Integer(-1), "-1 is negative"),
            (Value::Float(-0.5), "-0.5 is negative"),
            (Value::Float(f64::NAN), "not a length of time"),
            (Value::Float(f64::INFINITY), "longer than a year"),
            (Value::Float(0.0001), "below a millisecond"),
            (Value::Integer(i64::MAX), "longer than a year"),
            (text_value("366d"), "longer than a year"),
            (text_value("-3s"), "is negative"),
            (text_value("3"), "not a length of time"),
            (text_value(""), "not a length of time"),
            (text_value("10us"), "below a millisecond"),
            (text_value("0s"), "too short"),
            (Value::Bool(true), "not a length of time"),
        ] {
            let bad = span(&value, Span::ms(1)).unwrap_err();
            assert!(bad.what.contains(part), "{value:?}: {bad:?}");
        }
    }

    #[test]
    fn addresses_belong_to_one_host() {
        for good in ["192.168.194.151", "127.0.0.1", "fd00::1", "::1"] {
            assert!(address(&text_value(good)).is_ok(), "{good}");
        }
        for bad in [
            "",
            "db1",
            "1.2.3",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::",
            "ff02::1",
            "::ffff:10.0.0.1",
            "10.0.0.1/24",
            "10.0.0.01",
        ] {
            assert!(address(&text_value(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn file_modes_are_octal() {
        assert_eq!(file_mode(&text_value("0660")), Ok(0o660));
        assert_eq!(file_mode(&text_value("666")), Ok(0o666));
        for bad in ["660s", "0880", "0060", "1777", "", "66", "+660"] {
            assert!(file_mode(&text_value(bad)).is_err(), "{bad}");
        }
    }
}
