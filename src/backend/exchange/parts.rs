//! Passes a large result on while it arrives.

use bytes::Bytes;
use memchr::memmem;

use super::{Answer, read_body};
use crate::{
    backend::{
        audience::Audience, error::BackendError, scanner::Scanner, transport::streamable_http::Body,
    },
    limits::ANSWER_BYTES_MAX,
    mcp::message::RequestId,
};

/// What only results hold that do not end their request.
const WANTING: [&str; 4] = [
    "\"inputRequests\"",
    "\"requestState\"",
    "input_required",
    "\"taskId\"",
];
/// What only results hold that do.
const COMPLETE: [&str; 6] = [
    "\"resultType\":\"complete\"",
    "\"resultType\": \"complete\"",
    "\"content\"",
    "\"contents\"",
    "\"messages\"",
    "\"structuredContent\"",
];

/// Whether the beginning of a response shows that its result ends the request. Where it does not,
/// the response is read whole first.
pub(super) fn shows_complete(head: &[u8]) -> bool {
    let holds = |word: &&str| memmem::find(head, word.as_bytes()).is_some();
    let holds_any = |words: &[&str]| words.iter().any(holds);
    !holds_any(&WANTING) && holds_any(&COMPLETE)
}

/// Passes a large result on while it arrives; what is returned is its last part.
///
/// Anything else is read whole, as long as nothing was passed on.
pub(super) async fn pass_on(
    head: Bytes,
    mut body: Body,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Answer, BackendError> {
    let mut scanner = Scanner::default();
    let mut unpassed = vec![head.clone()];
    let mut parts = Vec::new();
    let mut next = Some(head);
    let mut received_bytes = 0;
    while let Some(chunk) = next {
        received_bytes += chunk.len();
        let step = if received_bytes > ANSWER_BYTES_MAX {
            Err(too_large())
        } else {
            scanner
                .feed(&chunk, &mut parts)
                .map_err(|_| garbled_result())
        };
        match step {
            Ok(()) => {}
            Err(error) if unpassed.is_empty() => return Err(cut_off(error)),
            Err(_) => return read_whole(unpassed, body, id, audience).await,
        }
        if !parts.is_empty() {
            unpassed.clear();
        }
        for part in parts.drain(..) {
            audience.give(part).await;
        }
        next = match body.next().await {
            Ok(next) => next,
            Err(error) if unpassed.is_empty() => return Err(cut_off(error)),
            Err(error) => return Err(error),
        };
        if !unpassed.is_empty() {
            unpassed.extend(next.clone());
        }
    }
    match scanner.end() {
        Ok(answered) if answered == id.as_json() => Ok(Answer::Result(Bytes::new())),
        Err(_) if !unpassed.is_empty() => read_whole(unpassed, body, id, audience).await,
        Ok(_) | Err(_) => Err(cut_off(garbled_result())),
    }
}

/// Reads a body to its end whose beginning was read already.
pub(super) async fn read_whole(
    beginning: Vec<Bytes>,
    mut body: Body,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Answer, BackendError> {
    let mut bytes = beginning.concat();
    while bytes.len() <= ANSWER_BYTES_MAX {
        match body.next().await? {
            Some(chunk) => bytes.extend_from_slice(&chunk),
            None => return read_body(&bytes.into(), id, audience).await,
        }
    }
    Err(too_large())
}

/// What goes wrong once a part was passed on ends the answer in its middle.
fn cut_off(error: BackendError) -> BackendError {
    BackendError::CutOff {
        cause: Box::new(error),
    }
}

const fn garbled_result() -> BackendError {
    BackendError::Garbled {
        what: "a large JSON body that is no response to the request",
    }
}

pub(super) const fn too_large() -> BackendError {
    BackendError::Garbled {
        what: "more bytes than the gateway takes in one answer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_shows_its_end_goes_on_in_parts() {
        for (head, complete) in [
            (r#"{"result":{"resultType":"complete","x":"#, true),
            (r#"{"result":{"content":[{"type":"text","#, true),
            (r#"{"result":{"x":[{"type":"text","#, false),
            (r#"{"result":{"resultType":"input_required","#, false),
            (
                r#"{"result":{"inputRequests":{"a":{"params":{"messages":["#,
                false,
            ),
            (r#"{"result":{"content":[],"requestState":"#, false),
            (r#"{"result":{"content":[],"task":{"taskId":"#, false),
        ] {
            assert_eq!(shows_complete(head.as_bytes()), complete, "{head}");
        }
        let mut cut = "{\"content\":\"ü".as_bytes().to_vec();
        cut.pop();
        assert!(shows_complete(&cut));
    }
}
