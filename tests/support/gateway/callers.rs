//! A gateway that authenticates its callers: their keys, and requests of theirs.

use std::{
    path::Path,
    process::{Command, Output},
};

use http::Method;
use serde_json::{Value, json};

use super::{Gateway, HttpAnswer, Session, Setup};

/// A key to be made before the gateway starts.
pub(super) struct Wanted {
    name: String,
    operator: bool,
}

impl Setup {
    /// Makes an API key of this name, for a caller of the same name.
    pub fn caller(mut self, name: &str) -> Self {
        self.callers.push(Wanted {
            name: name.to_owned(),
            operator: false,
        });
        self
    }

    /// Makes an API key of this name for an operator of the same name.
    pub fn operator(mut self, name: &str) -> Self {
        self.callers.push(Wanted {
            name: name.to_owned(),
            operator: true,
        });
        self
    }
}

impl Gateway {
    pub(super) fn make_keys(&mut self) {
        for wanted in std::mem::take(&mut self.setup.callers) {
            let mut arguments = vec!["keys", "create", &wanted.name];
            if wanted.operator {
                arguments.push("--operator");
            }
            let key = printed(&self.ran(&arguments));
            self.keys.insert(wanted.name, key);
        }
    }

    /// What a command of the program says and does, run in this gateway's folder.
    pub fn ran(&self, arguments: &[&str]) -> Output {
        command(self.folder(), arguments)
    }

    /// The key of a caller.
    pub fn key(&self, name: &str) -> &str {
        &self.keys[name]
    }

    /// Makes a further key while the gateway runs, and knows it from now on.
    pub fn make_key(&mut self, arguments: &[&str]) {
        let key = printed(&self.ran(&[&["keys", "create"], arguments].concat()));
        self.keys.insert(arguments[0].to_owned(), key);
    }

    /// Sends a request as a caller of the setup.
    pub async fn send_as(
        &self,
        caller: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> HttpAnswer {
        let mut request = self.request(method, path).bearer_auth(self.key(caller));
        if let Some(body) = body {
            let text = body.to_string();
            request = request
                .header("content-type", "application/json")
                .body(text);
        }
        self.send(request).await
    }

    /// GETs a path as a caller of the setup.
    pub async fn get_as(&self, caller: &str, path: &str) -> HttpAnswer {
        self.send_as(caller, Method::GET, path, None).await
    }

    /// DELETEs a path as a caller of the setup.
    pub async fn delete_as(&self, caller: &str, path: &str) -> HttpAnswer {
        self.send_as(caller, Method::DELETE, path, None).await
    }

    /// Asks for a session of these servers as a caller of the setup.
    pub async fn try_session_of(&self, caller: &str, servers: &[&str]) -> HttpAnswer {
        let body = json!({ "servers": servers });
        self.send_as(caller, Method::POST, "/create-session", Some(&body))
            .await
    }

    /// Makes a session of these servers as a caller of the setup.
    pub async fn session_of(&self, caller: &str, servers: &[&str]) -> Session {
        let answer = self.try_session_of(caller, servers).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let body = answer.json();
        Session {
            id: body["session_id"].as_str().unwrap().to_owned(),
            endpoint: self.url(body["mcp_endpoint"].as_str().unwrap()),
        }
    }
}

/// Runs the program's commands in a folder, to their end, with nothing of the machine's settings.
pub fn command(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap()
}

/// The one line that a command printed.
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.trim_end().to_owned()
}
