//! Reading a request's body within bounds of size and of time.
//!
//! Shared by the REST API and the MCP endpoint: neither reads a body any other way.

use std::{pin::pin, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};
use tokio::time::timeout_at;

use crate::lanes;

use super::problem::Problem;

/// How much of a refused body is still read, as a multiple of its bound: a client that is cut off
/// while it writes sees a broken connection instead of its answer.
const DISCARD_FACTOR: usize = 4;

/// How large a body may be, and how long it may take to arrive.
#[derive(Debug, Clone, Copy)]
pub struct BodyBounds {
    /// The most bytes of a body.
    pub size_bytes_max: usize,
    /// The time from the end of the headers to the last byte.
    pub within: Duration,
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than allowed.
    #[error("the body is larger than {size_bytes_max} bytes")]
    TooLarge {
        /// The bound.
        size_bytes_max: usize,
    },
    /// Not complete in time.
    #[error("the body did not arrive within {}", humantime::format_duration(*within))]
    TooSlow {
        /// The bound.
        within: Duration,
    },
    /// The connection ended in the middle of it, or its framing is wrong.
    #[error("the body ended early")]
    Broken(#[source] warp::Error),
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let (status, remedy) = match error {
            BodyError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "send less"),
            BodyError::TooSlow { .. } => (StatusCode::REQUEST_TIMEOUT, "send it faster"),
            BodyError::Broken(_) => (StatusCode::BAD_REQUEST, "send it whole"),
        };
        Self::new(status, format!("{error}; {remedy}"))
    }
}

/// Says whether the headers announce a body that can be read: JSON, not compressed.
///
/// # Errors
///
/// 415 tells what to send instead.
pub fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    // A form or plain text is what a foreign page can post without asking first.
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let essence = types
        .next()
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or_default().trim());
    let is_json = essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    if !is_json || types.next().is_some() {
        return Err(Problem::unsupported_media_type(
            "the body must be JSON; send it with Content-Type: application/json",
        ));
    }
    let encoded = |value: &http::HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().any(encoded) {
        return Err(Problem::unsupported_media_type(
            "the body must not be compressed; send it without Content-Encoding",
        ));
    }
    Ok(())
}

/// Collects a body.
///
/// # Errors
///
/// [`BodyError`]; after `TooLarge` the client may still be writing.
pub async fn collect<S, B>(
    headers: &HeaderMap,
    body: S,
    bounds: BodyBounds,
) -> Result<Bytes, BodyError>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    let deadline = lanes::now() + bounds.within;
    match timeout_at(deadline, read(body, announced, bounds.size_bytes_max)).await {
        Ok(read) => read,
        Err(_) => Err(BodyError::TooSlow {
            within: bounds.within,
        }),
    }
}

async fn read<S, B>(
    body: S,
    announced: Option<usize>,
    size_bytes_max: usize,
) -> Result<Bytes, BodyError>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut seen = 0_usize;
    let discard_max = size_bytes_max.saturating_mul(DISCARD_FACTOR);
    let mut too_large = announced.is_some_and(|size_bytes| size_bytes > size_bytes_max);
    if announced.is_some_and(|size_bytes| size_bytes > discard_max) {
        return Err(BodyError::TooLarge { size_bytes_max });
    }
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.map_err(BodyError::Broken)?;
        seen = seen.saturating_add(chunk.remaining());
        too_large |= seen > size_bytes_max;
        if seen > discard_max {
            break;
        }
        if too_large {
            continue;
        }
        // Most bodies come in one piece, which is passed on without a copy.
        if first.is_empty() && rest.is_empty() {
            first = chunk.copy_to_bytes(chunk.remaining());
        } else {
            rest.extend_from_slice(&std::mem::take(&mut first));
            rest.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining()));
        }
    }
    match too_large {
        true => Err(BodyError::TooLarge { size_bytes_max }),
        false if rest.is_empty() => Ok(first),
        false => Ok(rest.freeze()),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http::HeaderValue;

    use super::*;

    const BOUNDS: BodyBounds = BodyBounds {
        size_bytes_max: 8,
        within: Duration::from_secs(5),
    };

    async fn collected(
        chunks: &[&'static str],
        announced: Option<u64>,
    ) -> Result<Bytes, BodyError> {
        let mut headers = HeaderMap::new();
        if let Some(announced) = announced {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(announced));
        }
        let chunks: Vec<_> = chunks
            .iter()
            .map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())))
            .collect();
        collect(&headers, stream::iter(chunks), BOUNDS).await
    }

    #[tokio::test]
    async fn a_body_is_put_together_from_its_pieces() {
        assert_eq!(collected(&[], None).await.unwrap(), "");
        assert_eq!(collected(&["12345678"], Some(8)).await.unwrap(), "12345678");
        assert_eq!(
            collected(&["1", "", "234", "5678"], None).await.unwrap(),
            "12345678"
        );
    }

    #[tokio::test]
    async fn a_body_over_the_bound_is_refused_announced_or_not() {
        for (chunks, announced) in [
            (&["123456789"][..], None),
            (&["12345", "6789"][..], None),
            (&["123456789"][..], Some(9)),
            // Announced beyond what would still be discarded: not even read.
            (&[][..], Some(1 << 40)),
        ] {
            let error = collected(chunks, announced).await.unwrap_err();
            assert!(
                matches!(error, BodyError::TooLarge { size_bytes_max: 8 }),
                "{error}"
            );
            assert_eq!(Problem::from(error).status(), StatusCode::PAYLOAD_TOO_LARGE);
        }
    }

    #[tokio::test]
    async fn an_endless_body_is_not_read_to_its_end() {
        let endless = stream::repeat_with(|| Ok(Bytes::from_static(b"12345678")));
        let error = collect(&HeaderMap::new(), endless, BOUNDS)
            .await
            .unwrap_err();
        assert!(matches!(error, BodyError::TooLarge { .. }), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up() {
        let trickle = stream::pending::<Result<Bytes, warp::Error>>();
        let error = collect(&HeaderMap::new(), trickle, BOUNDS)
            .await
            .unwrap_err();
        assert!(matches!(error, BodyError::TooSlow { .. }), "{error}");
        assert_eq!(Problem::from(error).status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[test]
    fn only_plain_json_is_read() {
        let verdict = |pairs: &[(http::HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name, HeaderValue::from_static(value));
            }
            require_json(&headers).map_err(|problem| problem.status().as_u16())
        };
        assert_eq!(verdict(&[(CONTENT_TYPE, "application/json")]), Ok(()));
        assert_eq!(
            verdict(&[(CONTENT_TYPE, "Application/JSON; charset=utf-8")]),
            Ok(())
        );
        assert_eq!(
            verdict(&[
                (CONTENT_TYPE, "application/json"),
                (CONTENT_ENCODING, "identity")
            ]),
            Ok(())
        );
        for refused in [
            &[][..],
            &[(CONTENT_TYPE, "text/plain")][..],
            &[(CONTENT_TYPE, "application/jsonp")][..],
            &[
                (CONTENT_TYPE, "application/json"),
                (CONTENT_TYPE, "text/plain"),
            ][..],
            &[
                (CONTENT_TYPE, "application/json"),
                (CONTENT_ENCODING, "gzip"),
            ][..],
            // A coding behind one that is none.
            &[
                (CONTENT_TYPE, "application/json"),
                (CONTENT_ENCODING, "identity"),
                (CONTENT_ENCODING, "gzip"),
            ][..],
        ] {
            assert_eq!(verdict(refused), Err(415), "{refused:?}");
        }
    }
}
