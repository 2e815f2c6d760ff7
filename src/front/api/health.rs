//! `GET /healthz` and `GET /readyz`, for whoever supervises the process.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use warp::reply::Response;

use super::answer;
use crate::{
    front::{FrontState, problem::Problem},
    limits::within,
};

/// How long the store may take to answer: a probe commonly gives up after a few seconds.
const READY_WITHIN: Duration = Duration::from_secs(2);
/// When to ask again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The process is well.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Says that the process lives; asks nobody else.
#[utoipa::path(
    get, path = "/healthz", operation_id = "health", tag = "health",
    responses((status = 200, description = "The process lives.", body = Health))
)]
pub(super) fn alive() -> Result<Response, Problem> {
    answer(StatusCode::OK, &Health { status: "ok" })
}

/// Says whether the gateway can work: its store answers.
#[utoipa::path(
    get, path = "/readyz", operation_id = "ready", tag = "health",
    responses(
        (status = 200, description = "The store answers.", body = Health),
        (status = 503, description = "The store does not answer, or the gateway is stopping."),
    )
)]
pub(super) async fn ready(state: FrontState) -> Result<Response, Problem> {
    match within(READY_WITHIN, state.sessions.ready()).await {
        Ok(Ok(())) => alive(),
        Ok(Err(error)) => Err(super::failure(&error)),
        Err(_) => Err(Problem::unavailable(
            "the store does not answer in time; look at the gateway's log",
            RETRY_AFTER,
        )),
    }
}
