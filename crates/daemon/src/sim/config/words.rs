//! A cluster as one line of text: `hosts=3 ttl=3s semi_sync=on`.

use std::fmt;

use mmm_proto::{MonitorMode, Span};

use super::{Hook, WorldConfig};
use crate::sim::text::{HOSTS_MAX, host, host_word, number, span, span_word};

macro_rules! spans {
    ($($name:ident)*) => {
        const SPANS: &[SpanField] = &[$(SpanField {
            name: stringify!($name),
            get: |config| config.$name,
            set: |config, span| config.$name = span,
        }),*];
    };
}

struct SpanField {
    name: &'static str,
    get: fn(&WorldConfig) -> Span,
    set: fn(&mut WorldConfig, Span),
}

spans! {
    heartbeat ttl check_period check_timeout trap rep_trap max_backlog auto_set_online
    wait_for_other_master flap_duration drain_timeout drain_lag freeze_grace catch_up_timeout
    step_timeout max_transaction delay write_every
}

macro_rules! switches {
    ($($name:ident)*) => {
        const SWITCHES: &[SwitchField] = &[$(SwitchField {
            name: stringify!($name),
            get: |config| config.$name,
            set: |config, on| config.$name = on,
        }),*];
    };
}

struct SwitchField {
    name: &'static str,
    get: fn(&WorldConfig) -> bool,
    set: fn(&mut WorldConfig, bool),
}

switches! {
    report semi_sync durable escalate boots_writable careful_startup in_service jitter
    holds_alone
}

impl WorldConfig {
    /// Reads `hosts=3 ttl=3s semi_sync=on`; what is not named is as by default.
    ///
    /// # Errors
    /// Says which word is wrong and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut config = Self::default();
        for word in text.split_whitespace() {
            let (name, value) =
                word.split_once('=').ok_or_else(|| format!("{word:?}: write name=value"))?;
            config.set(name, value).map_err(|why| format!("{name}: {why}"))?;
        }
        if !(2..=HOSTS_MAX).contains(&config.hosts) {
            return Err(format!("hosts: 2 to {HOSTS_MAX}"));
        }
        if !(1..=config.hosts).contains(&config.masters) {
            return Err("masters: 1 to the number of hosts".to_owned());
        }
        if config.ttl < config.heartbeat * 4 {
            return Err("ttl: at least four heartbeats".to_owned());
        }
        Ok(config)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        if let Some(field) = SPANS.iter().find(|field| field.name == name) {
            (field.set)(self, span(value)?);
            return Ok(());
        }
        if let Some(field) = SWITCHES.iter().find(|field| field.name == name) {
            let on = match value {
                "on" => true,
                "off" => false,
                _ => return Err("on or off".to_owned()),
            };
            (field.set)(self, on);
            return Ok(());
        }
        match name {
            "hosts" => self.hosts = number(value)?,
            "masters" => self.masters = number(value)?,
            "readers" => self.readers = number(value)?,
            "flap_count" => self.flap_count = number(value)?,
            "kill_host" => {
                let known = Hook::ALL.iter().find(|(_, word)| *word == value);
                self.kill_host = known.ok_or("off, on or fails")?.0;
            }
            "prefer" => self.prefer = Some(host(value)?),
            "mode" => {
                use MonitorMode::{Active, Manual, Passive, Wait};
                let known = [Active, Manual, Passive, Wait].into_iter();
                let found = known.into_iter().find(|mode| mode.word() == value);
                self.mode = found.ok_or("ACTIVE, MANUAL, PASSIVE or WAIT")?;
            }
            _ => {
                let known: Vec<&str> = SPANS.iter().map(|field| field.name).collect();
                return Err(format!("no such setting; spans are {}", known.join(", ")));
            }
        }
        Ok(())
    }
}

/// What differs from the default, as [`WorldConfig::parse`] reads it.
impl fmt::Display for WorldConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = Self::default();
        write!(f, "hosts={}", self.hosts)?;
        for (name, mine, theirs) in [
            ("masters", self.masters, usual.masters),
            ("readers", self.readers, usual.readers),
            ("flap_count", self.flap_count as usize, usual.flap_count as usize),
        ] {
            if mine != theirs {
                write!(f, " {name}={mine}")?;
            }
        }
        if let Some(prefer) = self.prefer {
            write!(f, " prefer={}", host_word(prefer))?;
        }
        if self.mode != usual.mode {
            write!(f, " mode={}", self.mode)?;
        }
        if self.kill_host != usual.kill_host {
            write!(f, " kill_host={}", Hook::ALL[self.kill_host as usize].1)?;
        }
        for field in SPANS {
            let span = (field.get)(self);
            if span != (field.get)(&usual) {
                write!(f, " {}={}", field.name, span_word(span))?;
            }
        }
        for field in SWITCHES {
            let on = (field.get)(self);
            if on != (field.get)(&usual) {
                write!(f, " {}={}", field.name, if on { "on" } else { "off" })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_survives_its_text() {
        let text = "hosts=5 masters=3 readers=4 prefer=db2 mode=MANUAL ttl=10s report=on";
        let config = WorldConfig::parse(text).unwrap();
        assert_eq!(config.to_string(), text);
        assert_eq!(WorldConfig::parse(&config.to_string()).unwrap(), config);
        assert_eq!(WorldConfig::parse("").unwrap(), WorldConfig::default());
        for (bad, why) in [
            ("hosts=9", "2 to 7"),
            ("hosts", "name=value"),
            ("ttl=1s", "four heartbeats"),
            ("semi_sync=maybe", "on or off"),
            ("tll=3s", "no such setting"),
            ("hosts=2 masters=3", "number of hosts"),
        ] {
            let error = WorldConfig::parse(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
