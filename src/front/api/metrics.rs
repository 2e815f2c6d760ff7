//! `GET /metrics`, for whoever watches the gateway from outside. It is asked every few seconds for ever, and not logged.

use http::{
    HeaderValue, Method, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use warp::{
    Filter, Rejection,
    reply::{Reply, Response},
};

use super::{METRICS, with};
use crate::{
    callers::Admitted,
    front::{FrontState, problem::Problem},
    metrics::{MEDIA_TYPE, Readers},
};

pub(super) fn route(
    state: FrontState,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    warp::path!("metrics")
        .and(warp::method())
        .and(with(state))
        .and(warp::ext::optional::<Admitted>())
        .map(|method: Method, state: FrontState, admitted| {
            let response = match method {
                Method::GET | Method::HEAD => read(&state, admitted),
                _ => Err(METRICS.method_not_allowed()),
            };
            response.unwrap_or_else(Problem::into_response)
        })
}

/// Tells what was counted, and how things stand, in Prometheus' text format.
///
/// Operators may read it; everybody with `--metrics open`. It names providers and methods, never a session, a caller or
/// a tool.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "metrics",
    responses(
        (status = 200, description = "All metrics.", content_type = "text/plain", body = String),
        (status = 403, description = "The caller is no operator."),
        (status = 404, description = "The gateway shows nobody its metrics."),
    )
)]
pub(super) fn read(state: &FrontState, admitted: Option<Admitted>) -> Result<Response, Problem> {
    let may = match state.metrics {
        Readers::Nobody => return Err(Problem::no_such_path()),
        Readers::Operators => admitted.is_some_and(|it| it.caller.is_operator()),
        Readers::Everybody => true,
    };
    if !may {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "only operators may read the metrics; show an operator's key (mcp-gateway keys create --operator), or have \
             the gateway started with --metrics open",
        ));
    }
    let text = state.sessions.measured().map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics could not be written; look at the gateway's log",
        )
    })?;
    let mut response = Response::new(text.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
