//! What a refused REST request is told: `application/problem+json`.
//!
//! A problem says what is wrong and what to do about it. It never repeats a credential, nor any
//! value that could be one.
//!
//! Spec: RFC 9457.

use std::{borrow::Cow, time::Duration};

use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};
use serde::Serialize;
use utoipa::ToSchema;
use warp::reply::{Reply, Response};

use crate::{limits::KEY_SET_PAUSE, mcp::failure::Failure};

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A refusal, ready to be sent.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    field: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of that status; `detail` ends with what to do.
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            detail: detail.into(),
            field: None,
            headers: Vec::new(),
        }
    }

    /// 400: one field of the request cannot be taken.
    pub fn at(field: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, detail);
        problem.field = Some(field.into());
        problem
    }

    /// 404: nothing is served at that path.
    #[must_use]
    pub fn no_such_path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "nothing is served at this path; /docs lists what is",
        )
    }

    /// 404: the same for an id that was never given out, that was deleted, or that is no id at
    /// all, so that an answer tells nothing about ids.
    #[must_use]
    pub fn no_such_session() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "there is no such session; make one with POST /create-session",
        )
    }

    /// 405: the path takes the methods of `allow` only.
    #[must_use]
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("this path takes {allow}"),
        )
        .with(ALLOW, HeaderValue::from_static(allow))
    }

    /// 415: only uncompressed JSON is read here.
    pub fn unsupported_media_type(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
            .with(ACCEPT, HeaderValue::from_static("application/json"))
    }

    /// 503: worth trying again after that time.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            .with(RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)))
    }

    /// 429: the caller's own cap; worth trying again after that time.
    pub fn too_many(detail: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
            .with(RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)))
    }

    /// The status it is sent with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The body it is sent with.
    #[must_use]
    pub fn text(&self) -> String {
        // Text and a number always serialize; an empty body would still carry the status.
        serde_json::to_string(&self.document()).unwrap_or_default()
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn document(&self) -> ProblemDocument<'_> {
        ProblemDocument {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            field: self.field.as_deref(),
        }
    }
}

/// What keeps a request out, for a client that reads no JSON-RPC.
impl From<&Failure> for Problem {
    fn from(failure: &Failure) -> Self {
        let detail = failure.to_string();
        match failure {
            Failure::Unauthenticated { .. } => Self::new(StatusCode::UNAUTHORIZED, detail),
            Failure::Unauthorized { .. } => Self::new(StatusCode::FORBIDDEN, detail),
            _ => Self::unavailable(detail, KEY_SET_PAUSE),
        }
    }
}

impl Reply for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.text().into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        response
    }
}

/// Why a request was refused, and what to do about it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDocument<'a> {
    /// Always `about:blank`: the status says which class of problem it is.
    r#type: &'a str,
    /// The status in words.
    title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, and what to do about it.
    detail: &'a str,
    /// The field of the request that is wrong, such as `credentials.github.token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_the_field_only_where_there_is_one() {
        let text = |problem: Problem| serde_json::to_string(&problem.document()).unwrap();
        assert_eq!(
            text(Problem::at("servers", "name one")),
            r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"name one","field":"servers"}"#
        );
        assert!(!text(Problem::no_such_session()).contains("field"));
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_as_none() {
        let response = Problem::unavailable("busy", Duration::from_millis(10)).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
    }

    #[test]
    fn a_refusal_is_kept_by_no_cache() {
        let response = Problem::no_such_session().into_response();
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    }
}
