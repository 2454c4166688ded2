//! The clusters of bad weather: shapes, times and qualities as they are met, drawn from a seed.

use mmm_proto::Span;

use crate::sim::config::{Hook, WorldConfig};
use crate::sim::draw::Draw;

pub(super) fn cluster(draw: &mut Draw) -> WorldConfig {
    let hosts = draw.pick(&[2, 3, 3, 3, 3, 4, 5, 7]);
    let masters = if hosts > 2 && draw.chance(1, 8) { 3 } else { 2 };
    let mut config = WorldConfig { hosts, masters, ..WorldConfig::default() };
    config.readers = draw.below(hosts as u64 + 1) as usize;
    config.report = draw.chance(1, 5);
    config.prefer = draw.chance(1, 6).then(|| draw.below(masters as u64) as usize);
    let (heartbeat, ttl, period, trap) = draw.pick(&[
        (500, 3_000, 1_000, 3_000),
        (500, 3_000, 1_000, 3_000),
        (500, 3_000, 5_000, 10_000),
        (1_000, 6_000, 2_000, 5_000),
        (2_000, 10_000, 5_000, 10_000),
        (500, 10_000, 500, 1_000),
        (500, 10_000, 500, 1_000),
        (1_000, 8_000, 1_000, 2_000),
        (300, 2_000, 500, 2_000),
    ]);
    config.heartbeat = Span::ms(heartbeat);
    config.ttl = Span::ms(ttl);
    config.check_period = Span::ms(period);
    config.trap = Span::ms(trap);
    config.auto_set_online = Span::secs(draw.pick(&[0, 10, 60, 60]));
    config.wait_for_other_master = Span::secs(draw.pick(&[0, 20, 120]));
    config.flap_count = draw.pick(&[3, 3, 0, 10]);
    config.drain_timeout = Span::secs(draw.pick(&[2, 10]));
    config.catch_up_timeout = Span::secs(draw.pick(&[2, 5]));
    config.step_timeout = Span::secs(draw.pick(&[3, 5]));
    config.delay = Span::ms(draw.pick(&[1, 1, 1, 5, 20]));
    config.write_every = Span::ms(draw.pick(&[100, 500, 1_000, 1_000]));
    config.semi_sync = draw.chance(1, 3);
    config.durable = draw.chance(7, 8);
    config.escalate = draw.chance(7, 8);
    config.boots_writable = draw.chance(1, 8);
    config.kill_host = draw.pick(&[Hook::Off, Hook::Off, Hook::Off, Hook::On, Hook::Fails]);
    config.careful_startup = draw.chance(1, 2);
    config
}
