//! A conversation of two daemons: reads and writes at once, notices silence, answers what it does
//! not understand.

use std::pin::pin;

use mmm_proto::Span;
use mmm_proto::line::Message;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Conn, FAREWELL, NetError, Outbox, Reader, Urgency, Writer, hang_up};

/// Carries messages both ways until the connection ends, and returns why it did.
///
/// Every message that came goes to `inbox` as `event` makes of it; while that is full, nothing is
/// read, so a busy receiver slows its sender down. `silence` is how long nothing may come. `error`
/// makes the message that answers an unknown kind, and that is sent before a malformed line ends
/// the connection.
pub async fn pump<I, O, E>(
    conn: Conn,
    out: &Outbox<O>,
    silence: Span,
    error: fn(String) -> O,
    inbox: &mpsc::Sender<E>,
    event: impl FnMut(I) -> E,
) -> String
where
    I: Message,
    O: Message,
{
    let (mut reader, mut writer) = conn.split();
    let (why, told) = {
        let mut write = pin!(write_all(&mut writer, out));
        let read = pin!(read_all(&mut reader, out, silence, error, inbox, event));
        tokio::select! {
            why = &mut write => (why, false),
            full = out.overflow() => (full.to_string(), false),
            end = read => match end {
                End::Gone(why) => (why, false),
                End::Malformed(why) => {
                    // Through the outbox, because half of another line may have left already.
                    let told = out.put(Urgency::Each, error(why.clone())).is_ok();
                    out.finish(&why);
                    (why, told && timeout(FAREWELL.into(), write).await.is_ok())
                }
            },
        }
    };
    if told {
        hang_up(reader, writer).await;
    }
    why
}

enum End {
    Gone(String),
    Malformed(String),
}

async fn read_all<I, O, E>(
    reader: &mut Reader,
    out: &Outbox<O>,
    silence: Span,
    error: fn(String) -> O,
    inbox: &mpsc::Sender<E>,
    mut event: impl FnMut(I) -> E,
) -> End
where
    I: Message,
{
    loop {
        match reader.recv_within(silence).await {
            Ok(Some(message)) => {
                if inbox.send(event(message)).await.is_err() {
                    return End::Gone("this program ends".to_owned());
                }
            }
            Ok(None) => return End::Gone("the other side closed the connection".to_owned()),
            Err(unknown) if !unknown.closes() => {
                if let Err(closed) = out.put(Urgency::Each, error(unknown.to_string())) {
                    return End::Gone(closed.to_string());
                }
            }
            Err(NetError::Line(bad)) => return End::Malformed(bad.to_string()),
            Err(gone) => return End::Gone(gone.to_string()),
        }
    }
}

async fn write_all<O: Message>(writer: &mut Writer, out: &Outbox<O>) -> String {
    loop {
        match out.take().await {
            Ok(message) => {
                if let Err(error) = writer.send(&message).await {
                    return error.to_string();
                }
            }
            Err(closed) => return closed.to_string(),
        }
    }
}
