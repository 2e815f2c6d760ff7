//! Answers that a test writes itself, to the last header.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};

use super::{fault::Fault, record::Recorded, reply::Body};

/// What a fault answers.
#[derive(Debug, Clone)]
pub struct Says {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    runs: bool,
}

impl Says {
    /// A status and a body of JSON, in which `{id}` stands for the request's id. Nothing is carried out.
    pub fn json(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
            runs: false,
        }
        .with("content-type", "application/json")
    }

    /// The same after the request was carried out.
    pub fn behind(self) -> Self {
        Self { runs: true, ..self }
    }

    /// With another body.
    pub fn body(self, body: Vec<u8>) -> Self {
        Self { body, ..self }
    }

    /// With a header, instead of one of this name.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).unwrap();
        self.headers.insert(name, value);
        self
    }

    /// With so many further headers.
    pub fn flooded(mut self, headers: usize) -> Self {
        for number in 0..headers {
            let name = HeaderName::try_from(format!("x-flood-{number}")).unwrap();
            self.headers.insert(name, HeaderValue::from_static("x"));
        }
        self
    }

    /// Whether the request is carried out first.
    pub(super) fn runs(&self) -> bool {
        self.runs
    }

    pub(super) fn response(&self, heard: &Recorded) -> Response<Body> {
        let id = heard.id().unwrap_or("null");
        let body = match std::str::from_utf8(&self.body) {
            Ok(text) => text.replace("{id}", id).into(),
            Err(_) => self.body.clone(),
        };
        let mut response = Response::new(Full::from(body).boxed_unsync());
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        *response.headers_mut() = self.headers.clone();
        response
    }
}

impl From<Says> for Fault {
    fn from(says: Says) -> Self {
        Self::Says(Box::new(says))
    }
}
