//! Streams that a client takes up again where they broke off: each event has an id.
//!
//! Spec: 2025-11-25 basic/transports, "Resumability and Redelivery".

use std::{io, ops::ControlFlow};

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, Stream, StreamExt, stream};
use tokio::task::yield_now;
use warp::reply::Response;

use crate::session::outbox::{Reader, Writer};

use super::{answering::Answering, encode::Encode, event_stream};

/// Messages that a stream may begin with: what came with the first one.
const FIRST_MAX: usize = 16;
/// Events that are there go out in one piece, which takes no further one when it holds so many bytes.
const PIECE_BYTES: usize = 16 * 1024;

/// Answers from a log, into which the answer goes on to be written whoever reads it. `first` is
/// the message that decided for a stream.
pub(super) async fn answer<E: Encode>(
    mut answering: Box<Answering<E>>,
    log: Writer,
    first: Option<Bytes>,
) -> Response {
    answering.collect();
    let reader = log.read();
    if first.is_some() && !answering.has_ended() {
        // A backend that has begun to speak may have more to say at once: whoever reads that from it has a turn before.
        yield_now().await;
    }
    let (first, is_whole) = at_hand(&mut answering, first).await;
    let mut first = first.into_iter().peekable();
    // What is there goes out with the beginning of the stream, as far as there is room for it.
    while let Some(message) = first.peek()
        && log.write(message.clone()).now_or_never().is_some()
    {
        first.next();
    }
    if is_whole && first.peek().is_none() {
        log.keep();
        return begin(reader, ());
    }
    let rest = stream::unfold(answering, async |mut answering| {
        let message = answering.message().await?;
        Some((message, answering))
    });
    tokio::spawn(write(stream::iter(first).chain(rest), log));
    begin(reader, ())
}

/// The messages that are there already, behind a first one, and whether they are all.
async fn at_hand<E: Encode>(
    answering: &mut Answering<E>,
    first: Option<Bytes>,
) -> (Vec<Bytes>, bool) {
    let mut messages = Vec::from_iter(first);
    while messages.len() < FIRST_MAX {
        match answering.message_at_hand().await {
            ControlFlow::Break(()) => break,
            ControlFlow::Continue(Some(message)) => messages.push(message),
            ControlFlow::Continue(None) => return (messages, true),
        }
    }
    (messages, false)
}

/// Writes messages into a log as they come, and keeps it for those who may have lost some of them.
///
/// A client that stays away for too long gets nothing any more.
pub(super) async fn write(messages: impl Stream<Item = Bytes> + Send, log: Writer) {
    let writing = messages.for_each(|message| log.write(message));
    tokio::select! {
        () = writing => log.keep(),
        () = log.left() => {}
    }
}

/// Answers with a stream from its beginning on. Its first event says how to take it up again. When it
/// is read no more, `held` is dropped.
pub(super) fn begin(reader: Reader, held: impl Send + 'static) -> Response {
    let first = event_stream::priming(&reader.id());
    event_stream::events(events(first, reader, held))
}

/// Answers with the rest of a stream. When it is read no more, `held` is dropped.
pub(super) fn resume(reader: Reader, held: impl Send + 'static) -> Response {
    // A first comment shows what is in between that the stream lives.
    event_stream::events(events(event_stream::KEEP_ALIVE, reader, held))
}

/// The events of a stream, behind what it begins with. Those that are there go out in one piece.
fn events(
    opening: Bytes,
    reader: Reader,
    held: impl Send + 'static,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    // In this order: what is held tells of the end of the reading.
    let read = (BytesMut::from(opening), reader, held);
    let events = stream::unfold(read, async |(mut piece, mut reader, held)| {
        if piece.is_empty() {
            let (id, message) = reader.next().await?;
            event_stream::put_event_with_id(&mut piece, &id, &message);
        }
        while piece.len() < PIECE_BYTES
            && let Some(Some((id, message))) = reader.next().now_or_never()
        {
            event_stream::put_event_with_id(&mut piece, &id, &message);
        }
        Some((piece.freeze(), (BytesMut::new(), reader, held)))
    });
    event_stream::kept_alive(events)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt;
    use tokio::time::timeout;
    use uuid::Uuid;

    use super::*;
    use crate::session::{Outbox, outbox::Kind};

    /// Ends a test whose fact never comes.
    const NEVER: Duration = Duration::from_secs(30);

    /// A stream that nothing was written into yet.
    fn stream_of(outbox: &Outbox, mcp_session: Uuid) -> Writer {
        outbox.open(mcp_session, Kind::Answer).unwrap()
    }

    /// What goes out next in one piece; `None` at the end.
    async fn piece(response: &mut Response) -> Option<String> {
        let frame = timeout(NEVER, response.body_mut().frame()).await.unwrap()?;
        let bytes = frame.unwrap().into_data().unwrap();
        Some(String::from_utf8(bytes.into()).unwrap())
    }

    /// The messages of the events in a piece, and their ids.
    fn told(piece: &str) -> Vec<(&str, &str)> {
        let events = piece.split_terminator("\n\n");
        let told = events.filter_map(|event| {
            let (id, message) = event.split_once("\nevent: message\ndata: ")?;
            Some((id.strip_prefix("id: ")?, message))
        });
        told.collect()
    }

    #[tokio::test]
    async fn events_that_are_there_go_out_in_one_piece_behind_the_opening() {
        let writer = stream_of(&Outbox::default(), Uuid::new_v4());
        let reader = writer.read();
        let opening = reader.id();
        let name = opening.strip_suffix("-0").unwrap().to_owned();
        for message in ["1", "2", "3"] {
            writer.write(message.into()).await;
        }
        let mut response = begin(reader, ());
        let first = piece(&mut response).await.unwrap();
        assert!(first.starts_with(&format!("id: {opening}\nretry: ")));
        let ids: Vec<_> = (1..=5).map(|number| format!("{name}-{number}")).collect();
        assert_eq!(
            told(&first),
            [(&*ids[0], "1"), (&*ids[1], "2"), (&*ids[2], "3")]
        );
        for message in ["4", "5"] {
            writer.write(message.into()).await;
        }
        writer.keep();
        let last = piece(&mut response).await.unwrap();
        assert_eq!(told(&last), [(&*ids[3], "4"), (&*ids[4], "5")]);
        assert_eq!(piece(&mut response).await, None);
    }

    #[tokio::test]
    async fn a_stream_begins_before_its_first_event() {
        let writer = stream_of(&Outbox::default(), Uuid::new_v4());
        let mut response = begin(writer.read(), ());
        let first = piece(&mut response).await.unwrap();
        assert!(first.contains("retry: ") && told(&first).is_empty());
    }

    #[tokio::test]
    async fn more_than_a_piece_holds_goes_out_in_several_and_none_twice() {
        let writer = stream_of(&Outbox::default(), Uuid::new_v4());
        let reader = writer.read();
        let messages: Vec<_> = (0..10)
            .map(|number| format!("{number}{}", "x".repeat(PIECE_BYTES / 3)))
            .collect();
        for message in &messages {
            writer.write(message.clone().into()).await;
        }
        writer.keep();
        let mut response = begin(reader, ());
        let (mut read, mut pieces) = (Vec::new(), 0);
        while let Some(piece) = piece(&mut response).await {
            read.extend(
                told(&piece)
                    .iter()
                    .map(|(_, message)| (*message).to_owned()),
            );
            pieces += 1;
        }
        assert_eq!(read, messages);
        assert_eq!(pieces, 4, "three or a few more events each");
    }

    #[tokio::test]
    async fn who_takes_a_stream_up_gets_what_the_last_reader_may_have_lost() {
        let (outbox, mcp_session) = (Outbox::default(), Uuid::new_v4());
        let writer = stream_of(&outbox, mcp_session);
        let mut response = begin(writer.read(), ());
        for message in ["1", "2", "3"] {
            writer.write(message.into()).await;
        }
        let first = piece(&mut response).await.unwrap();
        let (id, _) = told(&first)[0];
        let mut resumed = resume(outbox.resume(mcp_session, id).unwrap(), ());
        let rest = piece(&mut resumed).await.unwrap();
        assert!(rest.starts_with(":\n\n"), "{rest}");
        let messages: Vec<_> = told(&rest).iter().map(|(_, message)| *message).collect();
        assert_eq!(messages, ["2", "3"]);
        assert_eq!(piece(&mut response).await, None, "it is read elsewhere");
    }
}
