//! Streams that a client takes up again where they broke off: each event has an id.
//!
//! Spec: 2025-11-25 basic/transports, "Resumability and Redelivery".

use std::{future::ready, io};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use warp::reply::Response;

use crate::session::outbox::{Reader, Writer};

use super::{answering::Answering, encode::Encode, event_stream};

/// Answers from a log, into which the answer goes on to be written whoever reads it. `first` is
/// the message that decided for a stream.
pub(super) fn answer<E: Encode>(
    mut answering: Answering<E>,
    log: Writer,
    first: Option<Bytes>,
) -> Response {
    answering.collect();
    let reader = log.read();
    let rest = stream::unfold(answering, async |mut answering| {
        let message = answering.message().await?;
        Some((message, answering))
    });
    tokio::spawn(write(stream::iter(first).chain(rest), log));
    begin(reader)
}

/// Writes messages into a log as they come, and keeps it for those who may have lost some of them.
///
/// A client that stays away for too long gets nothing any more.
pub(super) async fn write(messages: impl Stream<Item = Bytes> + Send, log: Writer) {
    let writing = messages.for_each(|message| log.write(message));
    tokio::select! {
        () = writing => log.close(),
        () = log.left() => return,
    }
    log.kept().await;
}

/// Answers with a stream from its beginning on. Its first event says how to take it up again.
pub(super) fn begin(reader: Reader) -> Response {
    let first = event_stream::priming(&reader.id());
    event_stream::events(stream::once(ready(Ok(first))).chain(events(reader)))
}

/// Answers with the rest of a stream.
pub(super) fn resume(reader: Reader) -> Response {
    // A first comment shows what is in between that the stream lives.
    let opened = stream::once(ready(Ok(event_stream::KEEP_ALIVE)));
    event_stream::events(opened.chain(events(reader)))
}

fn events(reader: Reader) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    let events = stream::unfold(reader, async |mut reader| {
        let (id, message) = reader.next().await?;
        Some((event_stream::event_with_id(&id, &message), reader))
    });
    event_stream::kept_alive(events)
}
