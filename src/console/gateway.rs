//! A gateway that runs, as its REST API shows it.

use std::{error::Error as _, fs};

use http::{Method, StatusCode};
use reqwest::{Client, Response, redirect::Policy};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use serde_json::Value;
use uuid::Uuid;

use super::{Failure, progress::Progress};
use crate::{
    callers::is_loopback,
    config::GatewayFlags,
    limits::{CONSOLE_ANSWER_BYTES_MAX, CONSOLE_CONNECT_WITHIN, CONSOLE_WITHIN},
    registry::Lookup,
};

/// Sessions asked for at a time.
const PAGE: usize = 500;
/// Characters from which on the beginning of an id is enough.
const BEGINNING_CHARS_MIN: usize = 4;
/// Where a gateway is that nobody was told about.
const USUAL_URL: &str = "http://127.0.0.1:8000";
/// Where the address of another one is kept.
const URL_VARIABLE: &str = "MCP_GATEWAY_URL";

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
    /// When there is no key in the file, or it would be sent where others can read it.
    pub(super) fn new(flags: &GatewayFlags, key: Option<SecretString>) -> Result<Self, Failure> {
        let usable = key_of(flags, key.as_ref())?;
        drop(key);
        let key = usable;
        // A redirect would lead the key elsewhere.
        let http = Client::builder()
            .redirect(Policy::none())
            .timeout(CONSOLE_WITHIN)
            .connect_timeout(CONSOLE_CONNECT_WITHIN);
        let (is_here, is_clear) = (is_loopback(&flags.url), flags.url.starts_with("http://"));
        if key.is_some() && is_clear && !is_here && !flags.insecure_http {
            return Err(Failure::Usage(format!(
                "your key would go to {} unencrypted, where everybody on the way can read it; name an https address \
                 with --url, or say --insecure-http",
                flags.url
            )));
        }
        // A proxy for the way out has no way back in, and would read a key that is not encrypted.
        let http = if is_here || is_clear && key.is_some() {
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

    /// The flag that leads a further command here, where one needs it.
    pub(super) fn flag(&self, environment: Lookup<'_>) -> String {
        let is_kept =
            environment(URL_VARIABLE).is_some_and(|kept| kept.trim_end_matches('/') == self.url);
        if is_kept || self.url == USUAL_URL {
            String::new()
        } else {
            format!(" --url {}", self.url)
        }
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
        let waiting = Progress::spinning(format!("waiting for {}", self.url));
        let response = request.send().await;
        let response = response.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body = self.collect(response).await?;
        drop(waiting);
        let read: Option<Value> = match body {
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
        if error.is_timeout() && !error.is_connect() {
            return Failure::Silent {
                url: self.url.clone(),
                waited: humantime::format_duration(CONSOLE_WITHIN).to_string(),
            };
        }
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
        the_one(&sessions, meant)
    }
}

/// The id of the only session that a name or the beginning of an id stands for. A name counts no more than a beginning:
/// everybody may call a session like the beginning of another one's id.
fn the_one(sessions: &[Value], meant: &str) -> Result<String, Failure> {
    let id = |session: &'_ Value| session["session_id"].as_str().map(str::to_owned);
    let fits = |session: &&Value| {
        let id = session["session_id"].as_str().unwrap_or_default();
        let begins = meant.len() >= BEGINNING_CHARS_MIN && id.starts_with(meant);
        begins || session["name"].as_str() == Some(meant)
    };
    let ids: Vec<String> = sessions.iter().filter(fits).filter_map(id).collect();
    match &ids[..] {
        [] => Err(Failure::NoSession {
            session: meant.to_owned(),
        }),
        [id] => Ok(id.clone()),
        _ => Err(Failure::Usage(format!(
            "{meant:?} is ambiguous: it stands for {} sessions; name one by its whole id: {}",
            ids.len(),
            ids.join(", ")
        ))),
    }
}

/// The key to show, from the file that the flags name, or the one given.
fn key_of(
    flags: &GatewayFlags,
    given: Option<&SecretString>,
) -> Result<Option<SecretString>, Failure> {
    let (text, place) = match (&flags.api_key_file, given) {
        (Some(path), _) => {
            let text = fs::read_to_string(path).map_err(|source| Failure::Unreadable {
                path: path.clone(),
                source,
            })?;
            (Zeroizing::new(text), path.display().to_string())
        }
        (None, Some(key)) if !key.expose_secret().trim().is_empty() => {
            let text = Zeroizing::new(key.expose_secret().to_owned());
            (text, "MCP_GATEWAY_KEY".to_owned())
        }
        (None, _) => return Ok(None),
    };
    let key = text.trim();
    let is_one = key.chars().all(|character| character.is_ascii_graphic());
    if key.is_empty() || !is_one {
        return Err(Failure::Usage(format!(
            "what {place} holds is no key: it is empty, or has a line break or another character that no key has; put \
             the key there, alone"
        )));
    }
    Ok(Some(SecretString::from(key)))
}

fn refusal(status: StatusCode, problem: &Value) -> Failure {
    let detail = problem["detail"].as_str().unwrap_or_default().to_owned();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::NotLetIn { detail },
        _ => Failure::Refused(detail),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn flags(url: &str) -> GatewayFlags {
        GatewayFlags {
            url: url.to_owned(),
            api_key_file: None,
            insecure_http: false,
            json: false,
        }
    }

    /// What becomes of a gateway's address and a key.
    fn made(flags: &GatewayFlags, key: &str) -> Result<(), String> {
        let made = Gateway::new(flags, Some(key.into()));
        made.map(drop).map_err(|failure| {
            assert_eq!(failure.code(), 2);
            failure.to_string()
        })
    }

    #[test]
    fn a_name_takes_no_session_s_place_whose_id_begins_so() {
        let sessions = [
            json!({"session_id": "aaaa1111-0000", "name": null}),
            json!({"session_id": "bbbb2222-0000", "name": "aaaa1111"}),
            json!({"session_id": "cccc3333-0000", "name": "team"}),
        ];
        let Err(Failure::Usage(told)) = the_one(&sessions, "aaaa1111") else {
            panic!("one of them was taken");
        };
        assert!(told.contains("aaaa1111-0000, bbbb2222-0000"), "{told}");
        for meant in ["team", "cccc"] {
            assert_eq!(the_one(&sessions, meant).unwrap(), "cccc3333-0000");
        }
        assert_eq!(the_one(&sessions, "bb").unwrap_err().code(), 5);
    }

    #[test]
    fn what_is_no_key_is_told_before_anybody_is_asked() {
        let here = flags("http://127.0.0.1:8000");
        for key in ["mcpgw_a\nmcpgw_b", "mcpgw_ä", "a b"] {
            let told = made(&here, key).unwrap_err();
            assert!(
                told.contains("MCP_GATEWAY_KEY") && !told.contains(key),
                "{told}"
            );
        }
        assert_eq!(made(&here, " mcpgw_a\n"), Ok(()));
        assert_eq!(made(&here, ""), Ok(()), "as if it were not set");
    }

    #[test]
    fn a_key_goes_elsewhere_only_encrypted_or_as_told() {
        let away = flags("http://mcp.example.com");
        assert!(made(&away, "k").unwrap_err().contains("--insecure-http"));
        assert_eq!(made(&away, ""), Ok(()));
        assert_eq!(made(&flags("https://mcp.example.com"), "k"), Ok(()));
        assert_eq!(made(&flags("http://localhost:1"), "k"), Ok(()));
        let told = GatewayFlags {
            insecure_http: true,
            ..away
        };
        assert_eq!(made(&told, "k"), Ok(()));
    }

    #[tokio::test]
    async fn who_says_nothing_is_told_from_who_is_not_there() {
        let http = Client::builder().timeout(Duration::from_millis(50));
        let mut gateway = Gateway {
            url: String::new(),
            key: None,
            http: http.no_proxy().build().unwrap(),
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        gateway.url = format!("http://{}", listener.local_addr().unwrap());
        let silent = gateway.get("/sessions").await.unwrap_err();
        assert!(matches!(silent, Failure::Silent { .. }), "{silent}");
        // Bound and never listening: so that nobody else listens there.
        let held = tokio::net::TcpSocket::new_v4().unwrap();
        held.bind(([127, 0, 0, 1], 0).into()).unwrap();
        gateway.url = format!("http://{}", held.local_addr().unwrap());
        gateway.http = Client::builder().no_proxy().build().unwrap();
        let absent = gateway.get("/sessions").await.unwrap_err();
        assert!(matches!(absent, Failure::Unreachable { .. }), "{absent}");
    }

    #[test]
    fn what_to_do_next_leads_to_the_same_gateway() {
        let flag = |url: &str, kept: Option<&str>| {
            let gateway = Gateway::new(&flags(url), None).unwrap();
            gateway.flag(&|_| kept.map(str::to_owned))
        };
        assert_eq!(
            flag("http://localhost:1", None),
            " --url http://localhost:1"
        );
        assert_eq!(flag("http://localhost:1", Some("http://localhost:1/")), "");
        assert_eq!(flag(USUAL_URL, None), "");
    }
}
