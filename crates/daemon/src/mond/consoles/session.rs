//! One console: its requests in, pictures, events, beats and answers out. Its own task; when it is
//! slow, it is slow alone.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mmm_proto::Event;
use mmm_proto::console::{Answer, FromMonitor, Refusal, RefusalCode, ToMonitor};
use mmm_proto::line::{LineError, encode};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::pace::Pace;
use super::ring::Place;
use super::{ConsoleEvent, Out, Picture, Shared};
use crate::clock::Clock;
use crate::net::{
    Conn, FAREWELL, NetError, Outbox, Reader, Urgency, WRITE_LIMIT, Who, Writer, hang_up,
};

/// How often a console hears that the monitor lives.
const BEAT: Duration = Duration::from_secs(1);

/// With so many answers unread, a console's further requests are not read.
const UNREAD_MAX: usize = 16;

pub(super) struct Session {
    pub(super) id: u64,
    pub(super) who: Who,
    pub(super) out: Arc<Outbox<Out>>,
    pub(super) shared: Arc<Shared>,
}

enum End {
    Gone(String),
    Malformed(String),
}

impl Session {
    /// Serves the console until it goes; says why it went.
    pub(super) async fn run(&self, conn: Conn) -> String {
        let (mut reader, mut writer) = conn.split();
        writer.limit(WRITE_LIMIT);
        let (why, told) = {
            let mut write = pin!(self.write(&mut writer));
            let read = pin!(self.read(&mut reader));
            tokio::select! {
                why = &mut write => (why, true),
                full = self.out.overflow() => (full.to_string(), false),
                end = read => match end {
                    End::Gone(why) => (why, false),
                    End::Malformed(why) => {
                        let _ = self.put(FromMonitor::Error { why: why.clone() });
                        self.out.finish(&why);
                        (why, timeout(FAREWELL.into(), write).await.is_ok())
                    }
                },
            }
        };
        if told {
            hang_up(reader, writer).await;
        }
        why
    }

    fn put(&self, message: FromMonitor) -> Result<(), String> {
        let put = self.out.put(Urgency::Each, Out::Message(message));
        put.map_err(|closed| closed.to_string())
    }

    async fn read(&self, reader: &mut Reader) -> End {
        loop {
            self.out.room(UNREAD_MAX).await;
            let done = match reader.recv::<ToMonitor>().await {
                Ok(Some(request)) => self.take(request).await,
                Ok(None) => Err("it closed the connection".to_owned()),
                Err(NetError::Line(LineError::UnknownKind(kind, known))) => {
                    let why = LineError::UnknownKind(kind, known).to_string();
                    self.put(FromMonitor::Error { why })
                }
                Err(NetError::Line(bad)) => return End::Malformed(bad.to_string()),
                Err(gone) => Err(gone.to_string()),
            };
            if let Err(why) = done {
                return End::Gone(why);
            }
        }
    }

    async fn take(&self, request: ToMonitor) -> Result<(), String> {
        let direct = match &request {
            ToMonitor::Subscribe { events_since } => Out::Subscribe(*events_since),
            ToMonitor::Snapshot { id } => Out::Snapshot(*id),
            ToMonitor::Run { id, verb } if verb.acts() && !self.who.may_act => self.forbid(*id),
            ToMonitor::Apply { id, .. } | ToMonitor::Stop { id, .. } if !self.who.may_act => {
                self.forbid(*id)
            }
            ToMonitor::Demo { id, demo } if demo.acts() && !self.who.may_act => self.forbid(*id),
            _ => {
                let (console, who) = (self.id, self.who.clone());
                let asked = ConsoleEvent::Asked { console, who, request };
                let sent = self.shared.tx.send(asked).await;
                return sent.map_err(|_| "the monitor ends".to_owned());
            }
        };
        let put = self.out.put(Urgency::Each, direct);
        put.map_err(|closed| closed.to_string())
    }

    fn forbid(&self, id: u64) -> Out {
        let (code, reason) = (RefusalCode::Forbidden, self.who.why_not.clone());
        let answer = Answer::Refused { refusal: Refusal { code, reason } };
        Out::Message(FromMonitor::Answer { id, answer })
    }

    async fn write(&self, writer: &mut Writer) -> String {
        let mut pictures = self.shared.pictures.subscribe();
        let mut rung = self.shared.rung.subscribe();
        let mut mute = self.shared.mute.subscribe();
        let mut beat = interval_at(Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pace = Pace::default();
        let mut place: Option<Place> = None;
        let mut new_events = false;
        loop {
            let speaks = !*mute.borrow_and_update();
            let sent = tokio::select! {
                biased;
                Ok(()) = mute.changed() => Ok(()),
                () = sleep_until(pace.due().unwrap_or_else(Instant::now)),
                    if pace.due().is_some() && speaks =>
                {
                    send_picture(writer, &mut pictures, &mut pace).await
                }
                _ = beat.tick(), if speaks => beat_with(writer, &mut pictures, &mut pace).await,
                out = self.out.take() => match out {
                    Ok(Out::Message(message)) => writer.send(&message).await,
                    // Whoever watches sees by the silence that nobody is there.
                    Ok(Out::Snapshot(_)) if !speaks && place.is_some() => Ok(()),
                    Ok(Out::Snapshot(id)) if !speaks => writer.send(&muted(id)).await,
                    Ok(Out::Snapshot(id)) => writer.send(&snapshot(id, &pictures)).await,
                    Ok(Out::Subscribe(since)) => {
                        place = Some(self.shared.ring().place(since));
                        new_events = true;
                        if pictures.borrow().is_some() {
                            pace.asked(Instant::now());
                        }
                        Ok(())
                    }
                    Err(closed) => return closed.to_string(),
                },
                () = std::future::ready(()), if new_events && speaks => {
                    let next = place.and_then(|place| self.shared.ring().after(place));
                    match next {
                        Some((events, skipped, next)) => {
                            place = Some(next);
                            send_events(writer, events, skipped).await
                        }
                        None => {
                            new_events = false;
                            Ok(())
                        }
                    }
                }
                Ok(()) = pictures.changed(), if place.is_some() => {
                    let picture = pictures.borrow_and_update();
                    let essence = picture.as_deref().map_or(0, Picture::essence);
                    pace.published(Instant::now(), essence);
                    Ok(())
                }
                Ok(()) = rung.changed(), if place.is_some() && !new_events => {
                    new_events = true;
                    Ok(())
                }
            };
            if let Err(error) = sent {
                return error.to_string();
            }
        }
    }
}

type Pictures = watch::Receiver<Option<Arc<Picture>>>;

fn beat_of(pictures: &Pictures) -> FromMonitor {
    let generation = pictures.borrow().as_ref().map_or(0, |picture| picture.view.generation);
    FromMonitor::Beat { generation, now: Clock.wall() }
}

/// A sign of life; a picture of which nobody waits goes before it, so that both wake the console
/// once.
async fn beat_with(
    writer: &mut Writer,
    pictures: &mut Pictures,
    pace: &mut Pace,
) -> Result<(), NetError> {
    if pace.calm() {
        send_picture(writer, pictures, pace).await?;
    }
    writer.send(&beat_of(pictures)).await
}

fn muted(id: u64) -> FromMonitor {
    let reason = "the monitor is dead or stands still; `demo fault start all` sets it going";
    let refusal = Refusal { code: RefusalCode::State, reason: reason.to_owned() };
    FromMonitor::Answer { id, answer: Answer::Refused { refusal } }
}

fn snapshot(id: u64, pictures: &Pictures) -> FromMonitor {
    let picture = pictures.borrow().clone();
    let answer = match picture {
        Some(picture) => Answer::Snapshot { view: Box::new(picture.view.as_ref().clone()) },
        None => Answer::Refused {
            refusal: Refusal {
                code: RefusalCode::State,
                reason: "the monitor has just started and has no picture yet; ask again".to_owned(),
            },
        },
    };
    FromMonitor::Answer { id, answer }
}

async fn send_picture(
    writer: &mut Writer,
    pictures: &mut Pictures,
    pace: &mut Pace,
) -> Result<(), NetError> {
    let picture = pictures.borrow_and_update().clone();
    pace.sent(Instant::now(), picture.as_deref().map_or(0, Picture::essence));
    match picture.as_deref().map(Picture::line) {
        None => Ok(()),
        Some(Ok(line)) => writer.send_line(line).await,
        Some(Err(why)) => writer.send(&FromMonitor::Error { why: why.clone() }).await,
    }
}

/// Sends events in one line, or in several when they are too long for one; an event that no line
/// can hold is counted as skipped.
async fn send_events(
    writer: &mut Writer,
    events: Vec<Event>,
    mut skipped: u64,
) -> Result<(), NetError> {
    let mut parts = vec![events];
    while let Some(mut events) = parts.pop() {
        let message = FromMonitor::Events { events: events.clone(), skipped };
        match encode(&message) {
            Ok(line) => {
                writer.send_line(&line).await?;
                skipped = 0;
            }
            Err(_) if events.len() > 1 => {
                let rest = events.split_off(events.len() / 2);
                parts.push(rest);
                parts.push(events);
            }
            Err(_) => skipped += 1,
        }
    }
    if skipped > 0 {
        let events = Vec::new();
        writer.send(&FromMonitor::Events { events, skipped }).await?;
    }
    Ok(())
}
