//! The document walked against the running gateway: what it lists is what is answered.

#![expect(
    clippy::panic,
    reason = "what the document lacks ends the test, and says where"
)]

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY,
    world::{Client, FakeBackend, Gateway, within},
};

/// Every method that OpenAPI knows, except HEAD: that goes wherever GET does.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "patch", "trace"];

/// What stands for a session in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// An id of no session.
    Unknown,
    /// A session, to which a request brings what must be brought and no more.
    Known,
    /// A session and an MCP session of it: every header that the document names comes along.
    Open,
}

/// One answer, without the body: some never end.
#[derive(Debug)]
struct Head {
    status: u16,
    content_type: Option<String>,
    allow: Option<String>,
}

/// A gateway, and the document it gave.
struct Walk {
    gateway: Gateway,
    document: Value,
}

impl Walk {
    async fn begin(backend: &FakeBackend) -> Self {
        let gateway = Gateway::setup()
            .provider("open", backend)
            .provider_with("maybe", backend, "auth: { type: bearer, required: false }")
            .provider_with("bearer", backend, "auth: { type: bearer }")
            .start();
        let document = gateway.get("/openapi.json").await.json();
        Self { gateway, document }
    }

    fn templates(&self) -> Vec<String> {
        let paths = self.document["paths"].as_object().unwrap();
        paths.keys().cloned().collect()
    }

    fn operation(&self, template: &str, method: &str) -> Option<&Value> {
        self.document["paths"][template].get(method)
    }

    /// What a `$ref` leads to, or the value itself.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.document.pointer(&reference[1..]).unwrap(),
            None => value,
        }
    }

    /// Sends the least that the document asks of a request; a session is made for this one alone.
    async fn send(&self, template: &str, method: &str, standing: Standing) -> Head {
        // HEAD asks for what GET does.
        let described = if method == "head" { "get" } else { method };
        let nothing = Value::Null;
        let operation = self.operation(template, described).unwrap_or(&nothing);
        let (session, mcp_session) = self.stand(standing).await;
        let mut path = template.replace("{session_id}", &session);
        let mut headers = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            match (parameter["in"].as_str().unwrap(), name, &mcp_session) {
                ("header", "Mcp-Session-Id", Some(id)) => headers.push((name, id.as_str())),
                ("header", "MCP-Protocol-Version", Some(_)) => headers.push((name, LATEST_LEGACY)),
                ("path", name, _) if name != "session_id" => {
                    let example = parameter["example"].as_str().unwrap();
                    path = path.replace(&format!("{{{name}}}"), example);
                }
                // In the path already, or of no use to this request.
                _ => {}
            }
        }
        let method: Method = method.to_uppercase().parse().unwrap();
        let mut request = self.gateway.request(method, &path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let contents = operation["requestBody"]["content"].as_object();
        if let Some((media_type, content)) = contents.and_then(|it| it.iter().next()) {
            let body = body(&self.resolve(&content["schema"])["example"]);
            request = request.header("content-type", media_type).body(body);
        }
        let response = within("the head of an answer", request.send())
            .await
            .unwrap();
        let header = |name| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
        Head {
            status: response.status().as_u16(),
            content_type: header("content-type"),
            allow: header("allow"),
        }
    }

    /// The id of a session, and of an MCP session of it if one is to be there.
    async fn stand(&self, standing: Standing) -> (String, Option<String>) {
        if standing == Standing::Unknown {
            return (uuid::Uuid::new_v4().to_string(), None);
        }
        let session = self.gateway.session(&["open"]).await;
        if standing == Standing::Known {
            return (session.id, None);
        }
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        (session.id, client.mcp_session().map(str::to_owned))
    }

    /// Holds an answer to what the document says of it.
    fn hold(&self, operation: &Value, head: &Head, told: &str) {
        let response = operation["responses"].get(head.status.to_string());
        let response = response.unwrap_or_else(|| panic!("{told}: undocumented {head:?}"));
        let contents = self.resolve(response)["content"].as_object();
        let listed: BTreeSet<&str> = contents
            .into_iter()
            .flat_map(|contents| contents.keys().map(String::as_str))
            .collect();
        match head.content_type.as_deref() {
            Some(found) => {
                let essence = found.split(';').next().unwrap_or_default().trim();
                assert!(
                    listed.contains(essence),
                    "{told}: {head:?}, listed {listed:?}"
                );
            }
            None => assert!(listed.is_empty(), "{told}: {head:?}, listed {listed:?}"),
        }
    }
}

/// The document's example of a body; its tool is of a provider that is not here.
fn body(example: &Value) -> String {
    assert!(example.is_object(), "a body has no example");
    let mut body = example.clone();
    if body["method"] == "tools/call" {
        body["params"] = json!({"name": "open.echo", "arguments": {}});
    }
    body.to_string()
}

#[tokio::test]
async fn every_answer_is_one_that_the_document_lists() {
    let backend = FakeBackend::legacy().start();
    let walk = Walk::begin(&backend).await;
    let mut answered = BTreeSet::new();
    for template in walk.templates() {
        for method in METHODS {
            let Some(operation) = walk.operation(&template, method) else {
                continue;
            };
            for standing in [Standing::Unknown, Standing::Known, Standing::Open] {
                let head = walk.send(&template, method, standing).await;
                let told = format!("{method} {template}, session {standing:?}");
                walk.hold(operation, &head, &told);
                if template.contains("{session_id}") && standing == Standing::Unknown {
                    assert_eq!(head.status, 404, "{told}");
                }
                if head.status < 400 {
                    answered.insert((template.clone(), method));
                }
            }
        }
    }
    // Refusals alone would show nothing: each operation did what it is for.
    let operations: BTreeSet<(String, &str)> = walk
        .templates()
        .into_iter()
        .flat_map(|template| METHODS.map(|method| (template.clone(), method)))
        .filter(|(template, method)| walk.operation(template, method).is_some())
        .filter(|(template, _)| !tells_of_login(template))
        .collect();
    assert_eq!(answered, operations);
}

#[tokio::test]
async fn a_method_that_the_document_lacks_is_told_which_there_are() {
    let backend = FakeBackend::legacy().start();
    let walk = Walk::begin(&backend).await;
    for template in walk.templates() {
        let listed: BTreeSet<String> = METHODS
            .into_iter()
            .filter(|method| walk.operation(&template, method).is_some())
            .map(str::to_uppercase)
            .collect();
        for method in METHODS {
            if walk.operation(&template, method).is_some() {
                continue;
            }
            let told = format!("{method} {template}");
            let head = walk.send(&template, method, Standing::Known).await;
            assert_eq!(head.status, 405, "{told}: {head:?}");
            assert_eq!(
                head.content_type.as_deref(),
                Some("application/problem+json"),
                "{told}"
            );
            let allow = head.allow.unwrap_or_else(|| panic!("{told}: no Allow"));
            let allowed: BTreeSet<String> = allow
                .split(", ")
                .filter(|method| *method != "HEAD")
                .map(str::to_owned)
                .collect();
            assert_eq!(allowed, listed, "{told}");
        }
    }
}

#[tokio::test]
async fn head_goes_wherever_a_page_is() {
    let backend = FakeBackend::legacy().start();
    let walk = Walk::begin(&backend).await;
    for template in walk.templates() {
        let streams = [
            "/session/{session_id}/mcp",
            "/session/{session_id}/activity",
        ]
        .contains(&template.as_str());
        let Some(get) = walk.operation(&template, "get").filter(|_| !streams) else {
            let head = walk.send(&template, "head", Standing::Known).await;
            assert_eq!(head.status, 405, "HEAD {template}: {head:?}");
            continue;
        };
        let head = walk.send(&template, "head", Standing::Known).await;
        walk.hold(get, &head, &format!("HEAD {template}"));
        let is_there = !tells_of_login(&template);
        assert_eq!(head.status < 400, is_there, "HEAD {template}: {head:?}");
    }
}

/// Whether there is something only with an authorization server, which this gateway has not.
fn tells_of_login(template: &str) -> bool {
    template.starts_with("/.well-known/")
}

#[tokio::test]
async fn what_nobody_in_particular_is_answered_is_listed_too() {
    let backend = FakeBackend::legacy().start();
    let setup = Gateway::setup().provider("open", &backend).caller("ada");
    let gateway = setup.start();
    let document = gateway.get("/openapi.json").await.json();
    let walk = Walk { gateway, document };
    for template in walk.templates() {
        for method in METHODS {
            let Some(operation) = walk.operation(&template, method) else {
                continue;
            };
            let told = format!("{method} {template}");
            let head = walk.send(&template, method, Standing::Unknown).await;
            walk.hold(operation, &head, &told);
            let is_guarded = operation["security"].is_array();
            assert_eq!(head.status == 401, is_guarded, "{told}: {head:?}");
        }
    }
}
