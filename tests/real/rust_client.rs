//! A client made with the Rust SDK, in this process.
#![expect(deprecated, reason = "what 2026-07-28 deprecates is still there")]

use std::time::Duration;

use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt as _, ErrorData, RoleClient, ServiceError,
    model::{
        CallToolRequest, ClientConfig, ClientRequest, CreateMessageRequestParams,
        CreateMessageResult, ElicitRequestParams, ElicitResult, Implementation, ListRootsResult,
        LoggingMessageNotificationParam, ProgressNotificationParam, ProtocolVersion,
        ResourceUpdatedNotificationParam, SubscriptionFilter,
    },
    service::{
        NotificationContext, PeerRequestOptions, RequestContext, RunningService, Subscription,
    },
    transport::StreamableHttpClientTransport,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{self, Instant},
};

use crate::client::{Client, answer_to, capabilities};

/// Only ends a test that hangs.
const DEADLINE: Duration = Duration::from_mins(3);
const PROGRESS: &str = "notifications/progress";

/// A connected client.
pub(crate) struct RustClient {
    service: RunningService<RoleClient, Workspace>,
    is_modern: bool,
    /// The level of log messages that each call asks for.
    level: Option<Value>,
    hears: mpsc::UnboundedReceiver<Notification>,
    heard: Vec<Notification>,
    sender: mpsc::UnboundedSender<Notification>,
}

struct Notification {
    method: String,
    params: Value,
    at: Instant,
}

impl RustClient {
    /// Connects with the handshake of the legacy era. It asks for 2026-07-28 there, as this SDK does by default.
    pub(crate) async fn legacy(endpoint: &str) -> Self {
        Self::connect(endpoint, ClientLifecycleMode::Initialize).await
    }

    /// Connects with `server/discover`, or fails.
    pub(crate) async fn modern(endpoint: &str) -> Self {
        let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
        Self::connect(
            endpoint,
            ClientLifecycleMode::Discover { preferred_versions },
        )
        .await
    }

    async fn connect(endpoint: &str, lifecycle: ClientLifecycleMode) -> Self {
        let is_modern = matches!(lifecycle, ClientLifecycleMode::Discover { .. });
        let (sender, hears) = mpsc::unbounded_channel();
        let transport = StreamableHttpClientTransport::from_uri(endpoint);
        let service = Workspace(sender.clone())
            .serve_with_lifecycle(transport, lifecycle)
            .await
            .unwrap();
        Self {
            service,
            is_modern,
            level: None,
            hears,
            heard: Vec::new(),
            sender,
        }
    }

    /// What the server said at the opening.
    pub(crate) fn opened(&self) -> Value {
        serde_json::to_value(&*self.service.peer_info().unwrap()).unwrap()
    }

    async fn call_tool(&mut self, step: &Value) -> Result<Value, Value> {
        let mut params = json!({"name": step["tool"], "arguments": step["arguments"]});
        if let Some(level) = &self.level {
            params["_meta"] = json!({"io.modelcontextprotocol/logLevel": level});
        }
        let begun = Instant::now();
        if step["cancelAtProgress"] == true {
            let request = ClientRequest::CallToolRequest(CallToolRequest::new(read(params)));
            let options = PeerRequestOptions::no_options();
            let call = self.service.send_cancellable_request(request, options);
            let call = call.await.unwrap();
            self.next(PROGRESS).await;
            call.cancel(Some("no longer wanted".to_owned()))
                .await
                .unwrap();
            return Ok(json!({"cancelled": true}));
        }
        let result = seen(self.service.call_tool(read(params)).await)?;
        let mut progress = Vec::new();
        // The SDK asks for it with every call, and may tell of it after the result.
        while step["watch"] == true && progress.last().is_none_or(is_incomplete) {
            let Notification { mut params, at, .. } = self.next(PROGRESS).await;
            let at_ms = at.duration_since(begun).as_millis();
            params["atMs"] = json!(u64::try_from(at_ms).unwrap());
            progress.push(params);
        }
        Ok(json!({"result": result, "progress": progress}))
    }

    async fn resources(&self) -> Value {
        let resources = self.service.list_all_resources().await.unwrap();
        let templates = self.service.list_all_resource_templates().await.unwrap();
        let uris: Vec<String> = resources.into_iter().map(|one| one.uri).collect();
        let templates: Vec<String> = templates.into_iter().map(|one| one.uri_template).collect();
        json!({"resources": uris, "templates": templates})
    }

    /// Hears what `filter` names on a subscription of its own.
    async fn follow(&self, filter: Value) -> Result<Value, Value> {
        let filter: SubscriptionFilter = read(filter);
        let mut subscription: Subscription = self.service.listen(filter).await.map_err(error)?;
        let sender = self.sender.clone();
        tokio::spawn(async move {
            while let Ok(Some(notification)) = subscription.next().await {
                let notification = serde_json::to_value(notification).unwrap();
                let method = notification["method"].as_str().unwrap();
                note(&sender, method, &notification["params"]);
            }
        });
        Ok(json!({}))
    }

    /// Takes the first notification that has this method, now or later.
    async fn next(&mut self, method: &str) -> Notification {
        loop {
            let mut heard = self.heard.iter();
            if let Some(index) = heard.position(|notification| notification.method == method) {
                return self.heard.remove(index);
            }
            let next = time::timeout(DEADLINE, self.hears.recv()).await;
            let next = next.unwrap_or_else(|_| panic!("no {method} after {DEADLINE:?}"));
            self.heard.push(next.unwrap());
        }
    }
}

impl Client for RustClient {
    async fn step(&mut self, step: Value) -> Result<Value, Value> {
        let service = &self.service;
        match step["step"].as_str().unwrap() {
            "list" => {
                let tools = service.list_all_tools().await.map_err(error)?;
                let names: Vec<_> = tools.into_iter().map(|tool| tool.name).collect();
                Ok(json!({"tools": names}))
            }
            "call" => self.call_tool(&step).await,
            "prompts" => {
                let prompts = service.list_all_prompts().await.map_err(error)?;
                let names: Vec<_> = prompts.into_iter().map(|prompt| prompt.name).collect();
                Ok(json!({"prompts": names}))
            }
            "prompt" => seen(service.get_prompt(read(step)).await),
            "resources" => Ok(self.resources().await),
            "read" => seen(service.read_resource(read(step)).await),
            "complete" => {
                let word = |member: &str| step[member].as_str().unwrap().to_owned();
                let (prompt, argument) = (word("prompt"), word("argument"));
                let values = service.complete_prompt_simple(prompt, argument, word("begun"));
                Ok(json!({"values": values.await.map_err(error)?}))
            }
            "setLevel" if self.is_modern => {
                self.level = Some(step["level"].clone());
                Ok(json!({}))
            }
            "setLevel" => seen(service.set_level(read(step)).await),
            "subscribe" if self.is_modern => {
                self.follow(json!({"resourceSubscriptions": [step["uri"]]}))
                    .await
            }
            "subscribe" => seen(service.subscribe(read(step)).await),
            "listen" if self.is_modern => {
                let lists = [
                    "toolsListChanged",
                    "promptsListChanged",
                    "resourcesListChanged",
                ];
                self.follow(
                    lists
                        .map(|list| (list.to_owned(), json!(true)))
                        .into_iter()
                        .collect(),
                )
                .await
            }
            // The SDK opened its stream when it connected.
            "listen" => Ok(json!({})),
            "heard" => {
                let method = step["method"].as_str().unwrap();
                Ok(json!({"params": self.next(method).await.params}))
            }
            other => panic!("no step {other}"),
        }
    }
}

fn is_incomplete(progress: &Value) -> bool {
    progress["progress"] != progress["total"]
}

/// A model of the SDK from what it is on the wire.
fn read<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

fn seen(answer: Result<impl Serialize, ServiceError>) -> Result<Value, Value> {
    let result = answer.map_err(error)?;
    Ok(serde_json::to_value(result).unwrap())
}

fn error(error: ServiceError) -> Value {
    match error {
        ServiceError::McpError(error) => serde_json::to_value(error).unwrap(),
        error => json!({ "message": error.to_string() }),
    }
}

fn note(sender: &mpsc::UnboundedSender<Notification>, method: &str, params: &impl Serialize) {
    let notification = Notification {
        method: method.to_owned(),
        params: serde_json::to_value(params).unwrap(),
        at: Instant::now(),
    };
    // Nobody may be listening any more.
    sender.send(notification).ok();
}

/// Answers what servers ask, and notes what they tell.
struct Workspace(mpsc::UnboundedSender<Notification>);

impl ClientHandler for Workspace {
    async fn create_elicitation(
        &self,
        _request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(read(answer_to("elicitation/create")))
    }

    async fn create_message(
        &self,
        _params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        Ok(read(answer_to("sampling/createMessage")))
    }

    async fn list_roots(
        &self,
        _context: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        Ok(read(answer_to("roots/list")))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        note(&self.0, PROGRESS, &params);
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        note(&self.0, "notifications/message", &params);
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        note(&self.0, "notifications/resources/updated", &params);
    }

    async fn on_resource_list_changed(&self, _context: NotificationContext<RoleClient>) {
        note(&self.0, "notifications/resources/list_changed", &());
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        note(&self.0, "notifications/tools/list_changed", &());
    }

    async fn on_prompt_list_changed(&self, _context: NotificationContext<RoleClient>) {
        note(&self.0, "notifications/prompts/list_changed", &());
    }

    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(
            read(capabilities()),
            Implementation::new("acceptance", "1.0.0"),
        )
    }
}
