//! The machine's watchdog, where one is configured: when it is armed, fed and disarmed. It resets
//! the machine when nobody feeds it, so it is the last thing that ends a grant: both processes of
//! the agent stand still, or a fence cannot be completed in time. The device is the shell's
//! (`agentd::watchdog`).

use mmm_proto::{Span, Time};

use super::Standing;

/// Something to be done with the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Open it, and have it reset the machine that long after it was fed last.
    Arm {
        timeout: Span,
    },
    Feed,
    /// Close it so that it does nothing any more.
    Disarm,
}

/// Its state, as far as orders went out.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    /// There is one to be used.
    pub configured: bool,
    /// How long it waits, and when it was fed last.
    armed: Option<(Span, Time)>,
}

impl Watchdog {
    /// What is to be done with it now. Armed only while the host has to do with the writer role: a
    /// machine that is not the writer is never reset.
    pub(super) fn mind(&mut self, standing: Standing, leaving: bool, now: Time) -> Option<Watch> {
        if !self.configured {
            return None;
        }
        match self.armed {
            // On the way out what is held stays for the rest of its time, and is minded by whoever
            // comes next.
            Some(_) if leaving || !standing.exclusive => {
                self.armed = None;
                Some(Watch::Disarm)
            }
            Some((timeout, fed)) => {
                let due = now.since(fed) >= every(timeout);
                (due && covers(standing, timeout, now)).then(|| {
                    self.armed = Some((timeout, now));
                    Watch::Feed
                })
            }
            None => {
                let timeout = timeout(standing.ttl);
                // A grant that is over already is a fence's business.
                let arms = standing.exclusive && !leaving && covers(standing, timeout, now);
                arms.then(|| {
                    self.armed = Some((timeout, now));
                    Watch::Arm { timeout }
                })
            }
        }
    }

    /// When it wants to be fed next.
    pub(super) fn due(&self) -> Option<Time> {
        self.armed.map(|(timeout, fed)| fed + every(timeout))
    }
}

/// Whole seconds, for more the device does not know: two thirds of the grant.
fn timeout(ttl: Span) -> Span {
    Span::secs((ttl.as_ms() * 2 / 3 / 1000).max(1))
}

fn every(timeout: Span) -> Span {
    Span::ms(timeout.as_ms() / 4)
}

/// Whether a machine that is fed now, and never again, is reset before its permission ends.
fn covers(standing: Standing, timeout: Span, now: Time) -> bool {
    standing.ends.is_some_and(|ends| now + timeout <= ends)
}

#[cfg(test)]
mod tests {
    use super::super::{Effect, Input, Supervisor};
    use super::*;

    const TTL: Span = Span::secs(3);
    const TIMEOUT: u64 = 2_000;

    fn serving(echo: u64) -> Standing {
        let fence_at = Some(Time(echo) + Span::secs(2));
        Standing { exclusive: true, ttl: TTL, fence_at, ends: Some(Time(echo) + TTL) }
    }

    fn watches(effects: Vec<Effect>) -> Vec<Watch> {
        let watch = |effect| if let Effect::Watchdog(watch) = effect { Some(watch) } else { None };
        effects.into_iter().filter_map(watch).collect()
    }

    /// A supervisor with a watchdog, whose worker is at work and not the writer.
    fn at_work() -> Supervisor {
        let mut core = Supervisor::new(Standing::default(), Time(900)).with_watchdog();
        core.step(Time(900), Input::Tick);
        let idle = Standing { ttl: TTL, ..Standing::default() };
        assert_eq!(watches(core.step(Time(1_000), Input::Beat(idle))), []);
        core
    }

    /// Lets time pass as the shell does: what is done with the device, and when.
    fn run(core: &mut Supervisor, until: u64) -> Vec<(u64, Watch)> {
        let mut all = Vec::new();
        while core.next_wakeup().0 <= until {
            let at = core.next_wakeup().0;
            all.extend(
                watches(core.step(Time(at), Input::Tick)).into_iter().map(|what| (at, what)),
            );
        }
        all
    }

    #[test]
    fn it_counts_only_while_the_host_has_to_do_with_the_role() {
        let mut core = at_work();
        assert_eq!(run(&mut core, 1_700), [], "a bystander is never reset");
        let mut fed = 0;
        for at in (1_720..8_000).step_by(180) {
            let watches = watches(core.step(Time(at), Input::Beat(serving(at))));
            match watches[..] {
                [Watch::Arm { timeout }] if at == 1_720 => assert_eq!(timeout.as_ms(), TIMEOUT),
                [Watch::Feed] => fed += 1,
                [] => {}
                _ => panic!("{at}: {watches:?}"),
            }
        }
        assert!((10..=13).contains(&fed), "{fed}: each half second");
        let gone = Standing { ttl: TTL, ..Standing::default() };
        assert_eq!(watches(core.step(Time(8_000), Input::Beat(gone))), [Watch::Disarm]);
    }

    #[test]
    fn without_renewals_it_is_fed_no_longer_than_that_a_reset_comes_before_the_end() {
        let mut core = at_work();
        core.step(Time(1_100), Input::Beat(serving(1_100)));
        let ends = 1_100 + TTL.as_ms();
        let mut last = 1_100;
        // The worker beats on with the old grant, as one that cannot complete its fence.
        for at in (1_280..ends + 2_000).step_by(180) {
            for watch in watches(core.step(Time(at), Input::Beat(serving(1_100)))) {
                assert_eq!(watch, Watch::Feed, "{at}: armed while the role is not let go");
                last = at;
            }
        }
        assert!(last + TIMEOUT <= ends, "fed at {last}: reset after the grant ended");
        assert!(last + TIMEOUT + 600 > ends, "fed at {last}: a fence has its time");
        let gone = Standing { ttl: TTL, ..Standing::default() };
        assert_eq!(watches(core.step(Time(ends + 2_000), Input::Beat(gone))), [Watch::Disarm]);
    }

    #[test]
    fn it_is_fed_between_two_workers_and_stopped_at_an_orderly_end() {
        let mut core = at_work();
        core.step(Time(1_100), Input::Beat(serving(1_100)));
        let how = "by SIGKILL".to_owned();
        core.step(Time(1_200), Input::Ended { code: None, how });
        assert!(run(&mut core, 1_900).contains(&(1_600, Watch::Feed)), "half a second later");
        core.step(Time(1_950), Input::Beat(serving(1_900)));
        core.step(Time(2_000), Input::Stop { signal: "SIGTERM" });
        let ended = Input::Ended { code: Some(0), how: "exit code 0".to_owned() };
        let effects = core.step(Time(2_050), ended);
        assert!(effects.contains(&Effect::Exit(0)), "{effects:?}");
        assert_eq!(watches(effects), [Watch::Disarm]);
    }

    #[test]
    fn a_machine_without_one_is_told_nothing() {
        let mut core = Supervisor::new(Standing::default(), Time(900));
        core.step(Time(900), Input::Tick);
        assert_eq!(watches(core.step(Time(1_000), Input::Beat(serving(1_000)))), []);
        assert_eq!(run(&mut core, 6_000), []);
    }
}
