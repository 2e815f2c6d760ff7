//! A gateway that runs, as its REST API shows it.

use std::{error::Error as _, fs};

use http::{Method, StatusCode};
use reqwest::{Client, Response, redirect::Policy};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use serde_json::Value;
use uuid::Uuid;

use super::Failure;
use crate::{
    callers::is_loopback,
    config::GatewayFlags,
    limits::{CONSOLE_ANSWER_BYTES_MAX, CONSOLE_CONNECT_WITHIN, CONSOLE_WITHIN},
};

/// Sessions asked for at a time.
const PAGE: usize = 500;
/// Characters from which on the beginning of an id is enough.
const BEGINNING_CHARS_MIN: usize = 4;

/// A gateway to speak with.
pub(super) struct Gateway {
    url: String,
    key: Option<SecretString>,
    http: Client,
}

impl Gateway {
    /// The gateway that the flags name; `key` is used where no flag names a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub(super) fn new(flags: &GatewayFlags, key: Option<SecretString>) -> Result<Self, Failure> {
        let key = match &flags.api_key_file {
            None => key,
            Some(path) => {
                let text = fs::read_to_string(path).map_err(|source| Failure::Unreadable {
                    path: path.clone(),
                    source,
                })?;
                let text = Zeroizing::new(text);
                Some(SecretString::from(text.trim()))
            }
        };
        // A redirect would lead the key elsewhere.
        let http = Client::builder()
            .redirect(Policy::none())
            .timeout(CONSOLE_WITHIN)
            .connect_timeout(CONSOLE_CONNECT_WITHIN);
        // A proxy for the way out has no way back in.
        let http = if is_loopback(&flags.url) {
            http.no_proxy()
        } else {
            http
        };
        Ok(Self {
            url: flags.url.clone(),
            key,
            http: http.build().map_err(Failure::Http)?,
        })
    }

    /// A URL of it.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// What a `GET` of that path is answered.
    ///
    /// # Errors
    ///
    /// When it cannot be reached, or refuses.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None).await
    }

    /// What a request is answered; null for an answer without a body.
    ///
    /// # Errors
    ///
    /// When it cannot be reached, or refuses.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut request = self.http.request(method, self.url(path));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose_secret());
        }
        if let Some(body) = body {
            let body = body.to_string();
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let read: Option<Value> = match self.collect(response).await? {
            body if body.is_empty() => Some(Value::Null),
            body => serde_json::from_slice(&body).ok(),
        };
        match (status.is_success(), read) {
            (true, Some(answer)) => Ok(answer),
            (false, Some(problem)) if problem["detail"].is_string() => {
                Err(refusal(status, &problem))
            }
            _ => Err(Failure::Foreign {
                url: self.url.clone(),
                status: status.as_u16(),
            }),
        }
    }

    async fn collect(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(part) = response
            .chunk()
            .await
            .map_err(|error| self.unreachable(&error))?
        {
            if body.len() + part.len() > CONSOLE_ANSWER_BYTES_MAX {
                return Err(Failure::Foreign {
                    url: self.url.clone(),
                    status: response.status().as_u16(),
                });
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        // The innermost cause is what a person can do something about.
        let mut cause = error.source();
        let mut reason = error.to_string();
        while let Some(source) = cause {
            reason = source.to_string();
            cause = source.source();
        }
        Failure::Unreachable {
            url: self.url.clone(),
            reason: reason.to_lowercase(),
        }
    }

    /// Every session of the list.
    ///
    /// # Errors
    ///
    /// When it cannot be reached, or refuses.
    pub(super) async fn sessions(&self) -> Result<Vec<Value>, Failure> {
        let mut sessions = Vec::new();
        let mut after = String::new();
        loop {
            let mut page = self.get(&format!("/sessions?limit={PAGE}{after}")).await?;
            if let Value::Array(listed) = page["sessions"].take() {
                sessions.extend(listed);
            }
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(sessions),
            }
        }
    }

    /// The id of the session that a person means: by its id, by its name, or by how its id begins.
    ///
    /// # Errors
    ///
    /// When there is none, or more than one.
    pub(super) async fn session_id(&self, meant: &str) -> Result<String, Failure> {
        if let Ok(id) = Uuid::try_parse(meant) {
            return Ok(id.to_string());
        }
        let sessions = self.sessions().await?;
        let is_named = |session: &&Value| session["name"].as_str() == Some(meant);
        let begins = |session: &&Value| {
            let id = session["session_id"].as_str().unwrap_or_default();
            meant.len() >= BEGINNING_CHARS_MIN && id.starts_with(meant)
        };
        let mut fitting: Vec<&Value> = sessions.iter().filter(is_named).collect();
        if fitting.is_empty() {
            fitting = sessions.iter().filter(begins).collect();
        }
        let ids: Vec<&str> = fitting
            .iter()
            .filter_map(|session| session["session_id"].as_str())
            .collect();
        match ids[..] {
            [] => Err(Failure::NoSession {
                session: meant.to_owned(),
            }),
            [id] => Ok(id.to_owned()),
            _ => Err(Failure::Usage(format!(
                "{meant:?} stands for {} sessions; name one by its id: {}",
                ids.len(),
                ids.join(", ")
            ))),
        }
    }
}

fn refusal(status: StatusCode, problem: &Value) -> Failure {
    let detail = problem["detail"].as_str().unwrap_or_default().to_owned();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::NotLetIn { detail },
        _ => Failure::Refused(detail),
    }
}
