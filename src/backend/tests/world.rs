//! A server made of mocks, and one connection to it.

use std::sync::atomic::{AtomicUsize, Ordering};

use mockito::{Matcher, Mock, Server, ServerGuard};
use serde_json::{Value, json};

use super::{
    asking::{Heard, call, connect, describe, entry, learn_tools, start, tool, tools_page},
    mocked::{Answers, DISCOVERED, initialized},
};
use crate::{
    backend::{Backend, Description, LinkKey, Memory, State},
    mcp::{discovery::Discovery, failure::Failure},
};

/// A server made of mocks, and one connection to it.
pub(super) struct World {
    mocks: ServerGuard,
    path: String,
    pub(super) backend: Backend,
}

impl World {
    /// For an entry of nothing but an address, and a session without a credential.
    pub(super) async fn new() -> Self {
        Self::with(&[], None).await
    }

    /// For an entry with these fields, and a session with this credential.
    pub(super) async fn with(fields: &[&str], credential: Option<&str>) -> Self {
        Self::remembering(fields, credential, Vec::new()).await
    }

    /// As after a restart of the gateway.
    pub(super) async fn remembering(
        fields: &[&str],
        credential: Option<&str>,
        remembered: Vec<(LinkKey, Memory)>,
    ) -> Self {
        // Mockito hands its servers on from test to test: what a finished test still had on its
        // way must meet no mock of the next.
        static WORLDS: AtomicUsize = AtomicUsize::new(0);
        let mocks = Server::new_async().await;
        let path = format!("/mcp/{}", WORLDS.fetch_add(1, Ordering::Relaxed));
        let entry = entry(&format!("{}{path}", mocks.url()), fields);
        let backend = start(entry, credential, remembered);
        Self {
            mocks,
            path,
            backend,
        }
    }

    /// The server's address.
    pub(super) fn url(&self) -> String {
        format!("{}{}", self.mocks.url(), self.path)
    }

    /// Mocks what the server does with messages of one method.
    pub(super) fn on(&mut self, method: &str) -> Mock {
        self.on_message(json!({ "method": method }))
    }

    /// Mocks what the server does with messages that have these members.
    pub(super) fn on_message(&mut self, members: Value) -> Mock {
        self.on_http("POST")
            .match_body(Matcher::PartialJson(members))
    }

    /// Mocks what the server does with requests of one HTTP method.
    pub(super) fn on_http(&mut self, http_method: &str) -> Mock {
        self.mocks.mock(http_method, self.path.as_str())
    }

    /// Mocks a page of the tool list that only [`World::list_page`] asks for: the connection lists
    /// tools in the background too, from the first page on.
    pub(super) fn on_list_page(&mut self) -> Mock {
        self.on_message(json!({ "method": "tools/list", "params": { "cursor": "7" } }))
    }

    /// Mocks a handshake of the legacy era that opens an MCP session.
    pub(super) fn opens(&mut self, session: &str) -> Mock {
        self.on("initialize")
            .with_header("mcp-session-id", session)
            .result(&initialized("2025-11-25"))
    }

    /// Makes it a server of the legacy era whose MCP session is `first`.
    pub(super) fn is_legacy(&mut self) {
        self.opens("first").create();
        self.is_legacy_but_for_initialize();
    }

    /// The same for a test that mocks `initialize` itself.
    pub(super) fn is_legacy_but_for_initialize(&mut self) {
        self.on("server/discover").with_status(404).create();
        self.confirms();
    }

    /// Mocks the end of a handshake.
    pub(super) fn confirms(&mut self) {
        self.on("notifications/initialized")
            .with_status(202)
            .create();
    }

    /// Makes it a server of the modern era.
    pub(super) fn is_modern(&mut self) {
        self.on("server/discover").result(DISCOVERED).create();
    }

    /// Opens the connection's own conversation.
    pub(super) async fn connect(&self) -> Result<Discovery, Failure> {
        connect(&self.backend, LinkKey::Default).await
    }

    /// Calls a tool that may not run twice.
    pub(super) async fn pay(&self) -> Heard {
        call(&self.backend, LinkKey::Default, tool("pay")).await
    }

    /// Reads the page of the tool list that [`World::on_list_page`] mocks.
    pub(super) async fn list_page(&self) -> Heard {
        call(&self.backend, LinkKey::Default, tools_page("7")).await
    }

    /// Lists the tools and passes on what the list shows, as a session does.
    pub(super) async fn learn_tools(&self) {
        learn_tools(&self.backend).await;
    }

    /// How the connection stands.
    pub(super) async fn describe(&self) -> Description {
        describe(&self.backend).await
    }

    /// Its state alone.
    pub(super) async fn state(&self) -> State {
        self.describe().await.state
    }
}
