//! The edge towards clients: who may come in, the REST API, and the documentation.
//!
//! [`service`] is what [`server`] runs: the gate first, then the admission, then [`routes`]. No SQL, no backend and no
//! actor's state is known here.

pub mod admission;
pub mod api;
pub mod body;
mod counting;
pub mod mcp;
pub mod origin;
mod page;
pub mod problem;
pub mod server;
pub mod tls;
pub mod via;

#[cfg(test)]
mod fixture;

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use http::{
    HeaderValue, Request, StatusCode,
    header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
};
use hyper::{body::Body, service::Service};
use hyper_util::service::TowerToHyperService;
use tokio::task::yield_now;
use uuid::{Uuid, fmt::Hyphenated};
use warp::{
    Filter, Rejection,
    reply::{Reply, Response},
};

use self::{
    admission::Admission, counting::Counting, mcp::Addressed, origin::Gate, problem::Problem,
    server::Steer,
};
use crate::{
    audit::AuditLog,
    callers::{Caller, Callers},
    metrics::{Metrics, Readers},
    registry::{CurrentRegistry, Registry},
    session::{Sessions, SessionsView},
};

/// For answers that are no page: whatever a browser makes of one, it loads and runs nothing.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// Bytes of an answer that may wait until others had their turn.
const SMALL_BYTES_MAX: u64 = 16 * 1024;

/// What the routes work with.
#[derive(Clone)]
pub struct FrontState {
    /// The sessions.
    pub sessions: Sessions,
    /// The providers that a session may name.
    pub registry: CurrentRegistry,
    /// Who may call, for whoever asks where to log in.
    pub callers: Callers,
    /// Where clients reach the gateway, if not where they say they do.
    pub public_url: Option<Arc<str>>,
    /// Who changed what.
    pub audit: AuditLog,
    /// How long the body of a request may take to arrive.
    pub body_within: Duration,
    /// Who may read the metrics.
    pub metrics: Readers,
}

impl FrontState {
    /// What one caller's requests work with.
    fn of(&self, caller: &Caller) -> CallersState {
        CallersState {
            sessions: self.sessions.seen_by(caller),
            registry: self.registry.now(),
            body_within: self.body_within,
        }
    }
}

/// What the requests of one caller work with.
struct CallersState {
    sessions: SessionsView,
    /// As it was when the request came.
    registry: Arc<Registry>,
    body_within: Duration,
}

/// Every route of the gateway: the MCP endpoint's, the REST API's, and a 404 for the rest.
///
/// `mcp` serves [`api::MCP`] and rejects every other path as not found. No rejection leaves as
/// text.
pub fn routes<M>(
    state: FrontState,
    mcp: M,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static
where
    M: Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static,
{
    mcp.or(api::routes(state)).unify().recover(refusal).unify()
}

/// What every request goes through.
struct Inside<R> {
    gate: Gate,
    admission: Admission,
    routes: R,
    counting: Counting,
}

/// Puts the gate and the admission before the routes, and the headers that every answer carries behind them; counts
/// what they answer.
pub fn service<F, B>(
    gate: Gate,
    admission: Admission,
    routes: F,
    metrics: &Metrics,
) -> impl Service<
    Request<B>,
    Response = Response,
    Error = Infallible,
    Future = impl Future<Output = Result<Response, Infallible>> + Send + use<F, B>,
> + Clone
+ Send
+ use<F, B>
where
    F: Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
    B: Body + Send + Sync + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let routes = TowerToHyperService::new(warp::service(routes));
    let counting = Counting::new(metrics);
    // Each request has them: one count of those who do, not one of each.
    let inside = Arc::new(Inside {
        gate,
        admission,
        routes,
        counting,
    });
    hyper::service::service_fn(move |mut request: Request<B>| {
        let inside = Arc::clone(&inside);
        let begun = Counting::begin(&request);
        // Boxed: hardly any request needs room for it.
        let refused = inside.gate.check(&request).err();
        let refused = refused.map(|problem| Box::new(problem.into_response()));
        async move {
            let admitted = match refused {
                None => inside.admission.admit(&mut request).await,
                Some(refusal) => Err(*refusal),
            };
            let mut addressed = None;
            let mut response: Response = match admitted {
                Ok(admitted) => {
                    match admitted {
                        Some(admitted) if begun.is_mcp() => {
                            addressed = Some(Addressed::take(&mut request, admitted));
                        }
                        Some(admitted) => drop(request.extensions_mut().insert(admitted)),
                        None => {}
                    }
                    inside.routes.call(request).await?
                }
                Err(refusal) => refusal,
            };
            if let Some(addressed) = addressed {
                addressed.give_memory(&mut response);
            }
            inside.counting.answered(&begun, &response);
            let headers = response.headers_mut();
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            headers
                .entry(CONTENT_SECURITY_POLICY)
                .or_insert(HeaderValue::from_static(POLICY));
            if begun.is_mcp() {
                behind_others(&response).await;
            }
            Ok(response)
        }
    })
}

/// Lets all that can go on do so before a small answer of the MCP endpoint, what has just come included: answers that go out
/// one behind the other wake who reads them once, and requests that are under way meanwhile keep their backends at work. A
/// large one would have left the caches meanwhile, and what is a stream goes out as it comes.
async fn behind_others(response: &Response) {
    let bytes = response.body().size_hint().exact();
    if bytes.is_some_and(|bytes| bytes <= SMALL_BYTES_MAX) {
        yield_now().await;
    }
}

/// Tells on which lane the session lives that a connection's first request is for.
#[must_use]
pub fn steer(sessions: Sessions) -> Steer {
    Arc::new(move |begin| {
        let mut words = begin.split(|byte| *byte == b' ');
        let path = str::from_utf8(words.nth(1)?).ok()?;
        let id = path.strip_prefix("/session/")?.split('/').next()?;
        sessions.lane(session_id(id)?)
    })
}

/// Reads a session's id as the gateway writes it; any other spelling is no id.
#[must_use]
pub fn session_id(text: &str) -> Option<Uuid> {
    // Of this length there is one form, which may be in capitals.
    let is_ours =
        text.len() == Hyphenated::LENGTH && !text.bytes().any(|it| it.is_ascii_uppercase());
    is_ours.then(|| Uuid::try_parse(text).ok()).flatten()
}

async fn refusal(rejection: Rejection) -> Result<Response, Infallible> {
    let problem = if rejection.is_not_found() {
        Problem::no_such_path()
    } else if rejection.find::<warp::reject::InvalidQuery>().is_some() {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "the query cannot be read; write it as name=value, joined by &",
        )
    } else {
        tracing::error!(
            ?rejection,
            "a filter refused a request that no route answers for"
        );
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the request could not be routed; look at the gateway's log",
        )
    };
    Ok(problem.into_response())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::{lanes, mcp::name::Naming, session::NewSession};

    #[tokio::test]
    async fn a_connection_is_steered_by_the_session_that_its_first_request_names() {
        let (state, _directory) = fixture::state().await;
        let new = NewSession {
            name: None,
            naming: Naming::Auto,
            idle_expiry: None,
            servers: Vec::new(),
        };
        let everybody = state.sessions.seen_by(&Caller::anonymous());
        let id = everybody.create(new).await.unwrap();
        // It is stored, and started as soon as there is time.
        everybody.find(id).await.unwrap().unwrap();
        let steer = steer(state.sessions.clone());
        let here = Some(lanes::current());
        for begin in [
            format!("POST /session/{id}/mcp HTTP/1.1\r\nhost: a"),
            format!("GET /session/{id}/mcp HTTP/1.1\r\n"),
            format!("DELETE /session/{id}"),
        ] {
            assert_eq!(steer(begin.as_bytes()), here, "{begin}");
        }
        let other = Uuid::new_v4();
        for begin in [
            format!("POST /session/{other}/mcp HTTP/1.1\r\n"),
            format!("POST /session/{}", &id.to_string()[..30]),
            format!("POST /sessions/{id}/mcp HTTP/1.1\r\n"),
            "POST /create-session HTTP/1.1\r\n".to_owned(),
            "PRI * HTTP/2.0\r\n".to_owned(),
            "\u{16}\u{3}\u{1}".to_owned(),
            String::new(),
        ] {
            assert_eq!(steer(begin.as_bytes()), None, "{begin}");
        }
        assert_eq!(steer(b"POST /session/\xff\xff/mcp HTTP/1.1"), None);
    }

    #[test]
    fn small_answers_let_others_go_first_and_no_others_wait() {
        let sized = |bytes: u64| {
            let bytes = usize::try_from(bytes).unwrap();
            "x".repeat(bytes).into_response()
        };
        let streamed = || Ok::<_, Infallible>("x");
        let streamed =
            warp::reply::stream(futures_util::stream::iter([streamed()])).into_response();
        for (response, waits) in [
            (StatusCode::ACCEPTED.into_response(), true),
            (sized(SMALL_BYTES_MAX), true),
            (sized(SMALL_BYTES_MAX + 1), false),
            (streamed, false),
        ] {
            let is_there = behind_others(&response).now_or_never().is_some();
            assert_eq!(is_there, !waits, "{response:?}");
        }
    }

    #[test]
    fn a_session_id_has_one_spelling() {
        let id = "3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11";
        assert_eq!(session_id(id).unwrap().to_string(), id);
        for other in [
            "",
            "x",
            "3F1C2B9E-7F0A-4A57-9D55-0D3F6A1F0C11",
            "3f1c2b9e7f0a4a579d550d3f6a1f0c11",
            "{3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11}",
            "urn:uuid:3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11",
        ] {
            assert_eq!(session_id(other), None, "{other}");
        }
    }
}
