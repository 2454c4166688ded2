//! The supervisor's rules one by one, on a clock in the test's hands.

use mmm_proto::{Span, Time};

use super::{Effect, Input, Standing, Supervisor, beat_every, silence};

const TTL: Span = Span::secs(3);

/// A writer whose grant began at `echo`.
fn serving(echo: u64) -> Standing {
    let echo = Time(echo);
    let fence_at = Some(echo + Span::secs(2));
    Standing { exclusive: true, ttl: TTL, fence_at, ends: Some(echo + TTL) }
}

fn bystander() -> Standing {
    Standing { ttl: TTL, ..Standing::default() }
}

fn ended(code: Option<u8>) -> Input {
    Input::Ended { code, how: "test".to_owned() }
}

/// What is to be done, without the words for people.
fn step(core: &mut Supervisor, at: u64, input: Input) -> Vec<Effect> {
    let told = |effect: &Effect| matches!(effect, Effect::Tell { .. });
    core.step(Time(at), input).into_iter().filter(|effect| !told(effect)).collect()
}

/// A supervisor whose worker has just beaten, at 1000.
fn beating(standing: Standing) -> Supervisor {
    let mut core = Supervisor::new(Standing::default(), Time(900));
    assert_eq!(step(&mut core, 900, Input::Tick), [Effect::Start]);
    let first = step(&mut core, 1000, Input::Beat(standing));
    assert_eq!(first, [Effect::Ready, Effect::Alive]);
    core
}

/// Lets time pass as the shell does, waking only when asked to, until something is to be done.
fn until_something(core: &mut Supervisor, limit: u64) -> (u64, Vec<Effect>) {
    loop {
        let at = core.next_wakeup().0;
        assert!(at <= limit, "nothing happens until {limit}");
        let effects = step(core, at, Input::Tick);
        if !effects.is_empty() {
            return (at, effects);
        }
    }
}

#[test]
fn silence_and_beats_come_from_the_grant() {
    assert_eq!((silence(TTL), beat_every(TTL)), (Span::ms(750), Span::ms(187)));
    assert_eq!(silence(Span::ZERO), Span::secs(3));
    assert_eq!(silence(Span::ms(400)), Span::ms(300));
    assert_eq!(silence(Span::secs(60)), Span::secs(5));
}

#[test]
fn a_worker_that_dies_within_its_grant_is_replaced_at_once_and_nothing_is_fenced() {
    let mut core = beating(serving(800));
    assert_eq!(step(&mut core, 1100, ended(None)), [Effect::Start]);
    assert_eq!(step(&mut core, 1200, Input::Beat(serving(800))), [Effect::Alive]);
}

#[test]
fn with_too_little_left_the_host_is_fenced_first() {
    let mut core = beating(serving(800));
    // The grant wants a fence at 2800.
    for at in (1250..=2500).step_by(250) {
        step(&mut core, at, Input::Beat(serving(800)));
    }
    let limit = Span::ms(1250);
    assert_eq!(step(&mut core, 2550, ended(None)), [Effect::Fence { limit }]);
    let fenced = Input::FenceEnded { done: true, how: String::new() };
    assert_eq!(step(&mut core, 2700, fenced), [Effect::Start]);
    // The new one may take its time: there is nothing to be in time for any more.
    assert_eq!(step(&mut core, 5000, Input::Tick), []);
    assert_eq!(step(&mut core, 5100, Input::Beat(bystander())), [Effect::Alive]);
}

#[test]
fn a_silent_worker_is_killed_and_replaced_in_time_to_go_on() {
    let mut core = beating(serving(950));
    let (at, effects) = until_something(&mut core, 10_000);
    assert_eq!((at, effects), (1750, vec![Effect::Kill]));
    // What it said before it was killed does not bring it back.
    assert_eq!(step(&mut core, 2001, Input::Beat(serving(1900))), []);
    assert_eq!(step(&mut core, 2005, ended(None)), [Effect::Start]);
}

#[test]
fn a_killed_worker_that_hangs_in_the_kernel_holds_up_no_fence() {
    let mut core = beating(serving(200));
    let (at, effects) = until_something(&mut core, 10_000);
    assert_eq!((at, effects), (1750, vec![Effect::Kill]));
    // 250 ms are left before the grant wants a fence: not enough once it has hung for a while.
    let (at, effects) = until_something(&mut core, 10_000);
    assert_eq!((at, effects), (1950, vec![Effect::Fence { limit: Span::ms(1250) }]));
    let fenced = Input::FenceEnded { done: true, how: String::new() };
    assert_eq!(step(&mut core, 2300, fenced), [], "it is not replaced before it is gone");
    assert_eq!(step(&mut core, 9000, ended(None)), [Effect::Start]);
    // With more left it is waited for as long as the next one could still go on.
    let mut core = beating(serving(400));
    assert_eq!(until_something(&mut core, 10_000).0, 1750);
    let (at, effects) = until_something(&mut core, 10_000);
    assert_eq!((at, effects), (2100, vec![Effect::Fence { limit: Span::ms(1300) }]));
}

#[test]
fn a_worker_that_does_not_come_up_in_time_is_killed_and_the_host_fenced() {
    let mut core = beating(serving(900));
    assert_eq!(step(&mut core, 1100, ended(None)), [Effect::Start]);
    // Fence at 2900; a worker that comes late is given a moment to do it by itself.
    let (at, effects) = until_something(&mut core, 10_000);
    assert_eq!((at, effects), (3150, vec![Effect::Kill]));
    let limit = Span::secs(1);
    assert_eq!(step(&mut core, 3160, ended(None)), [Effect::Fence { limit }]);
    let fenced = Input::FenceEnded { done: false, how: String::new() };
    assert_eq!(step(&mut core, 4000, fenced), [Effect::Start], "the worker fences first then");
    let (at, effects) = until_something(&mut core, 20_000);
    assert_eq!((at, effects), (14_000, vec![Effect::Kill]));
}

#[test]
fn a_fence_that_hangs_is_given_up() {
    let mut core = beating(Standing { fence_at: None, ..serving(1000) });
    let fence = step(&mut core, 1100, ended(None));
    assert_eq!(fence, [Effect::Fence { limit: Span::ms(2900) }]);
    let (at, effects) = until_something(&mut core, 10_000);
    assert_eq!((at, effects), (1100 + 4900, vec![Effect::KillFence, Effect::Start]));
}

#[test]
fn workers_that_end_soon_are_started_ever_more_slowly() {
    let mut core = beating(bystander());
    let mut at = 1000;
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let effects = step(&mut core, at + 10, ended(Some(1)));
        let started =
            if effects.is_empty() { until_something(&mut core, u64::MAX).0 } else { at + 10 };
        pauses.push(started - at - 10);
        at = started + 50;
        step(&mut core, at, Input::Beat(bystander()));
    }
    assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    for _ in 0..60 {
        at += 200;
        step(&mut core, at, Input::Beat(bystander()));
    }
    assert_eq!(step(&mut core, at, ended(Some(1))), [Effect::Start], "it lived long enough");
}

#[test]
fn a_first_worker_that_never_gets_to_work_ends_the_program_and_fences_nothing() {
    // Another agent may run here, and hold what the disk tells of.
    let mut core = Supervisor::new(serving(0), Time(900));
    assert_eq!(step(&mut core, 900, Input::Tick), [Effect::Start]);
    assert_eq!(step(&mut core, 1000, ended(Some(2))), [Effect::Exit(2)]);
    let mut core = Supervisor::new(Standing::default(), Time(900));
    step(&mut core, 900, Input::Tick);
    let why = "no memory".to_owned();
    assert_eq!(step(&mut core, 1000, Input::NotStarted { why }), [Effect::Exit(1)]);
}

#[test]
fn what_an_earlier_agent_left_is_the_first_workers_matter_until_it_hangs() {
    let mut core = Supervisor::new(Standing { fence_at: None, ..serving(0) }, Time(900));
    assert_eq!(step(&mut core, 900, Input::Tick), [Effect::Start]);
    let (at, effects) = until_something(&mut core, 20_000);
    assert_eq!((at, effects), (10_900, vec![Effect::Kill]));
    let fence = step(&mut core, 10_910, ended(None));
    assert_eq!(fence, [Effect::Fence { limit: Span::secs(1) }]);
}

#[test]
fn told_to_end_it_ends_the_worker_and_leaves_what_is_held() {
    let stop = || Input::Stop { signal: "SIGTERM" };
    let mut core = beating(serving(900));
    assert_eq!(step(&mut core, 1100, stop()), [Effect::Terminate]);
    assert_eq!(step(&mut core, 1110, stop()), [], "once is enough");
    assert_eq!(step(&mut core, 1150, ended(Some(0))), [Effect::Exit(0)]);

    let mut core = beating(serving(900));
    step(&mut core, 1100, stop());
    for at in (1200..6100).step_by(100) {
        assert_eq!(step(&mut core, at, Input::Beat(serving(900))), [Effect::Alive]);
    }
    assert_eq!(step(&mut core, 6100, Input::Tick), [Effect::Kill]);
    assert_eq!(step(&mut core, 6110, ended(None)), [Effect::Exit(1)]);

    // Within a fence: that comes first.
    let mut core = beating(Standing { fence_at: None, ..serving(900) });
    step(&mut core, 1100, ended(None));
    assert_eq!(step(&mut core, 1200, stop()), []);
    let fenced = Input::FenceEnded { done: true, how: String::new() };
    assert_eq!(step(&mut core, 1300, fenced), [Effect::Exit(0)]);
}

#[test]
fn who_stood_still_blames_nobody_for_what_it_did_not_hear() {
    let mut core = beating(serving(900));
    // Both were stopped for a minute; the worker is given half of its limit to be heard.
    assert_eq!(step(&mut core, 61_000, Input::Tick), []);
    assert_eq!(step(&mut core, 61_300, Input::Beat(serving(61_200))), [Effect::Alive]);
    assert_eq!(step(&mut core, 121_000, Input::Tick), []);
    let (at, effects) = until_something(&mut core, 200_000);
    assert_eq!((at, effects), (121_375, vec![Effect::Kill]));
    assert!(matches!(step(&mut core, 121_380, ended(None))[..], [Effect::Fence { .. }]));
}
