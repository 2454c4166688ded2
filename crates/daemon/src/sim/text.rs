//! The words that scripts are written in: spans, hosts, addresses. Reading and printing, nothing
//! else.

use std::net::IpAddr;

use mmm_proto::Span;

/// The most hosts that a simulated cluster may have.
pub const HOSTS_MAX: usize = 7;

/// `db1` for the first host.
pub fn host_word(host: usize) -> &'static str {
    ["db1", "db2", "db3", "db4", "db5", "db6", "db7"][host.min(HOSTS_MAX - 1)]
}

/// The number of a host by its name.
///
/// # Errors
/// When it is no host of a simulated cluster.
pub fn host(word: &str) -> Result<usize, String> {
    let known = (0..HOSTS_MAX).find(|host| host_word(*host) == word);
    known.ok_or_else(|| format!("{word:?} is no host; hosts are db1 to db{HOSTS_MAX}"))
}

/// A span as scripts write it: `250ms`, `12.5s`, `2m`, `1h`.
pub fn span_word(span: Span) -> String {
    let ms = span.as_ms();
    if ms == 0 {
        "0s".to_owned()
    } else if ms.is_multiple_of(3_600_000) {
        format!("{}h", ms / 3_600_000)
    } else if ms.is_multiple_of(60_000) {
        format!("{}m", ms / 60_000)
    } else if ms.is_multiple_of(1000) {
        format!("{}s", ms / 1000)
    } else if ms < 1000 {
        format!("{ms}ms")
    } else {
        let text = format!("{}.{:03}", ms / 1000, ms % 1000);
        format!("{}s", text.trim_end_matches('0'))
    }
}

/// Reads what [`span_word`] writes; `1.5s` and the like as well.
///
/// # Errors
/// When it is no span.
pub fn span(word: &str) -> Result<Span, String> {
    let bad = || format!("{word:?} is no span; write 250ms, 12.5s, 2m or 1h");
    let digits = word.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
    let unit: u64 = match &word[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(bad()),
    };
    let (whole, part) = word[..digits].split_once('.').unwrap_or((&word[..digits], ""));
    let whole: u64 = whole.parse().map_err(|_| bad())?;
    let mut ms = whole.checked_mul(unit).ok_or_else(bad)?;
    if !part.is_empty() {
        let scale = 10_u64.checked_pow(part.len() as u32).ok_or_else(bad)?;
        let part: u64 = part.parse().map_err(|_| bad())?;
        ms += part * unit / scale;
    }
    Ok(Span(ms))
}

/// An address.
///
/// # Errors
/// When it is none.
pub fn ip(word: &str) -> Result<IpAddr, String> {
    word.parse().map_err(|_| format!("{word:?} is no address"))
}

/// A number.
///
/// # Errors
/// When it is none.
pub fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_survive_their_text() {
        for ms in [0, 1, 250, 999, 1_000, 1_500, 12_345, 60_000, 61_000, 3_600_000, 90_500] {
            assert_eq!(span(&span_word(Span(ms))), Ok(Span(ms)), "{ms}");
        }
        assert_eq!(span("0.25s"), Ok(Span(250)));
        for bad in ["", "5", "s", "1.x", "5 s", "1.2.3s", "99999999999999999999s"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_have_names() {
        assert_eq!(host("db7"), Ok(6));
        assert!(host("db8").is_err() && host("db0").is_err());
    }
}
