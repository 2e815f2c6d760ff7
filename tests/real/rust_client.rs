//! A client made with the Rust SDK, in this process.

use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt as _, RoleClient, ServiceError,
    model::{
        CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation,
        ProgressNotificationParam, ProtocolVersion,
    },
    service::{NotificationContext, RunningService},
    transport::StreamableHttpClientTransport,
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};

use crate::client::Client;

/// A connected client.
pub(crate) struct RustClient {
    service: RunningService<RoleClient, Watch>,
    /// When progress came. The SDK asks for it with every call.
    pub(crate) progress: mpsc::UnboundedReceiver<Instant>,
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
        let (sender, progress) = mpsc::unbounded_channel();
        let transport = StreamableHttpClientTransport::from_uri(endpoint);
        let service = Watch(sender)
            .serve_with_lifecycle(transport, lifecycle)
            .await
            .unwrap();
        Self { service, progress }
    }

    /// What the server said at the opening.
    pub(crate) fn opened(&self) -> Value {
        serde_json::to_value(&*self.service.peer_info().unwrap()).unwrap()
    }
}

impl Client for RustClient {
    async fn tools(&mut self) -> Vec<String> {
        let tools = self.service.list_all_tools().await.unwrap();
        tools
            .into_iter()
            .map(|tool| tool.name.into_owned())
            .collect()
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, Value> {
        let Value::Object(arguments) = arguments else {
            panic!("arguments are an object")
        };
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        match self.service.call_tool(params).await {
            Ok(result) => Ok(serde_json::to_value(result).unwrap()),
            Err(ServiceError::McpError(error)) => Err(serde_json::to_value(error).unwrap()),
            Err(error) => Err(json!({ "message": error.to_string() })),
        }
    }
}

/// Notes when progress comes.
struct Watch(mpsc::UnboundedSender<Instant>);

impl ClientHandler for Watch {
    async fn on_progress(
        &self,
        _progress: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        // Nobody may be listening any more.
        self.0.send(Instant::now()).ok();
    }

    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(
            ClientCapabilities::default(),
            Implementation::new("acceptance", "1.0.0"),
        )
    }
}
