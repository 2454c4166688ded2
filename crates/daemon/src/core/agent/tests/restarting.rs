//! What an agent takes up again when it is started anew, after a process that could not write down
//! all that it did.

use super::*;

/// The disk was full: what it wrote down is from before it let go.
#[test]
fn what_is_not_there_after_a_restart_is_not_taken_up_without_a_new_grant() {
    let holds = vec![hold(writer_vip(), Stance::Serve), hold(reader_vip(), Stance::Serve)];
    let both = want(holds);
    for there in [vec![reader_vip(), writer_vip()], vec![reader_vip()], Vec::new()] {
        let mut b = Bench::serving();
        b.grant(5, both.clone());
        b.wait(20);
        let echo = b.now;
        let mut b = Bench::start(b.kept.clone(), "boot", b.now + 100);
        assert_eq!(b.duty(), Duty::Serving);
        b.step(Input::Addresses { found: there.clone() });
        b.look(facts(false));
        let reads = there.contains(&reader_vip());
        let writes = there.contains(&writer_vip());
        assert_eq!(b.duty(), if writes { Duty::Serving } else { Duty::Fencing }, "{there:?}");
        let again = |b: &Bench, vip| {
            b.acts.iter().any(|(_, act)| matches!(act, Act::Hold { vip: of, .. } if *of == vip))
        };
        assert!(!again(&b, reader_vip()) || reads, "{:?}", b.acts);
        if !writes {
            b.fenced();
            b.step(Input::Addresses { found: there.clone() });
            b.look(facts(true));
            b.wait(300);
            assert_eq!(b.duty(), Duty::None, "it opens nothing by its memory: {:?}", b.acts);
        }
        // What was still on its way to the process before is no grant for this one.
        let (echo, heartbeat, want) = (Time(echo), Span::ZERO, both.clone().into());
        let late = Grant { stamp: stamp(5), echo, ttl: TTL, heartbeat, want };
        b.step(Input::Heard { link: LINK, message: ToAgent::Grant(late) });
        assert!(writes || !b.runs("Open"), "{:?}", b.acts);
        b.grant(5, both.clone());
        assert!(writes || b.runs("Open"), "{:?}", b.acts);
    }
}
