//! Somebody else says that it has our VIP.

use super::*;

const MAC: &str = "02:00:00:00:00:07";

impl Bench {
    /// Whether it was answered in that very step.
    fn claimed(&mut self, vip: IpAddr, last: u8) -> bool {
        self.now += 1;
        let neighbours = vec![vip, IpAddr::from([10, 0, 0, last])];
        self.step(Input::Conflict { vip, mac: MAC.to_owned(), neighbours });
        self.answers()
    }

    fn answers(&self) -> bool {
        self.last.iter().any(|effect| matches!(effect, Effect::Announce { .. }))
    }

    fn troubled(&self) -> Option<String> {
        let troubles = self.agent.report().troubles;
        troubles.into_iter().find(|trouble| trouble.contains("is claimed"))
    }

    /// Time goes on, with a grant each 500 ms; the answers given.
    fn serve_for(&mut self, ms: u64) -> usize {
        let mut answers = 0;
        for _ in 0..ms / 500 {
            self.grant(5, serve());
            for _ in 0..499 {
                self.wait(1);
                answers += usize::from(self.answers());
            }
            while let Some((id, _)) = self.acts.iter().find(|(_, act)| is(act, "Hold")).cloned() {
                self.end(id, ActResult::Done);
            }
        }
        answers
    }
}

#[test]
fn a_claim_is_told_with_its_host_and_answered_once_a_second() {
    let mut b = Bench::serving();
    assert!(b.claimed(writer_vip(), 12));
    let trouble = b.troubled().unwrap();
    assert!(trouble.contains(MAC) && trouble.contains("db2, 10.0.0.12"), "{trouble}");
    assert!(trouble.contains("ip address del 10.0.0.100"), "{trouble}");
    assert!(b.told("answers a claim"));
    let news = b.said.len();
    // However often it says so: one more answer, at the end of the second.
    for _ in 0..20 {
        assert!(!b.claimed(writer_vip(), 12));
    }
    assert_eq!(b.serve_for(2_000), 1);
    let told = |m: &FromAgent| matches!(m, FromAgent::News { .. });
    assert!(!b.said[news..].iter().any(told), "once is enough");
    assert!(b.claimed(writer_vip(), 99), "a new claim is answered at once");
    assert!(b.troubled().unwrap().contains("the neighbour 10.0.0.99"));
}

#[test]
fn the_trouble_ends_when_nobody_says_so_any_more() {
    let mut b = Bench::serving();
    b.claimed(writer_vip(), 12);
    b.serve_for(24_000);
    assert!(b.troubled().is_some());
    b.serve_for(2_000);
    assert_eq!(b.troubled(), None);
    assert!(b.told("for itself again"));
}

#[test]
fn a_host_that_does_not_serve_is_silent() {
    let mut b = Bench::idle();
    assert!(!b.claimed(writer_vip(), 12));
    assert_eq!(b.troubled(), None);
    // The old writer of a planned move: the claim is the new one's.
    let mut b = Bench::frozen();
    b.grant(6, want(vec![hold(writer_vip(), Stance::Frozen)]));
    assert!(!b.claimed(writer_vip(), 12));
    assert_eq!(b.troubled(), None);
    // Nor when the claim came before the freeze.
    let mut b = Bench::serving();
    b.claimed(writer_vip(), 12);
    b.claimed(writer_vip(), 12);
    b.order(6, freeze());
    for _ in 0..1_500 {
        b.wait(1);
        assert!(!b.answers(), "at {}", b.now);
    }
    assert_eq!(b.troubled(), None);
}

#[test]
fn reader_vips_are_defended_while_they_are_held() {
    let mut b = Bench::idle();
    b.grant(5, want(vec![hold(reader_vip(), Stance::Serve)]));
    assert!(!b.claimed(reader_vip(), 12), "not there yet");
    let id = b.running("Hold");
    b.end(id, ActResult::Done);
    assert!(b.claimed(reader_vip(), 12));
    b.grant(6, want(Vec::new()));
    assert_eq!(b.troubled(), None);
    assert!(!b.claimed(reader_vip(), 12));
}
