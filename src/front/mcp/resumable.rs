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
/// Bytes of events that are there at once and go out in one piece; a larger event goes by itself.
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
    // A backend that has begun to speak may have more to say at once.
    yield_now().await;
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
    let mut messages = Vec::with_capacity(FIRST_MAX);
    messages.extend(first);
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
    let read = (reader, held);
    let begun = (BytesMut::from(opening), read);
    let events = stream::unfold(begun, async |(mut piece, mut read)| {
        if piece.is_empty() {
            let (id, message) = read.0.next().await?;
            event_stream::put_event_with_id(&mut piece, &id, &message);
        }
        while piece.len() < PIECE_BYTES
            && let Some(Some((id, message))) = read.0.next().now_or_never()
        {
            event_stream::put_event_with_id(&mut piece, &id, &message);
        }
        Some((piece.freeze(), (BytesMut::new(), read)))
    });
    event_stream::kept_alive(events)
}
