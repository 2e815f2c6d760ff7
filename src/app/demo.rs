//! `mcp-gateway demo`: the gateway with an example server and a session, of which nothing is left when it ends.

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
};

use tempfile::TempDir;

use crate::{
    callers::Caller,
    config::{CallersFile, Config, SealingKey},
    example,
    mcp::name::Naming,
    registry::Registry,
    session::{NewServer, NewSession, Sessions},
};

use super::{AppError, announcement::reachable};

/// What the session is called.
const NAME: &str = "demo";

/// A demo's settings, and the folder that they lead to, which goes with it.
pub(super) struct Demo {
    pub(super) config: Config,
    folder: TempDir,
}

impl Demo {
    /// Starts the example server, and has the gateway keep all that it writes in a folder that goes.
    ///
    /// # Errors
    ///
    /// When the system gives no port or no folder.
    pub(super) async fn start(mut config: Config) -> Result<Self, AppError> {
        let url = example::start().await.map_err(AppError::Runtime)?;
        let folder = private_folder().map_err(AppError::Runtime)?;
        let place = |name: &str| folder.path().join(name);
        let registry = format!(
            "providers:\n  example:\n    url: {url}\n    description: An example server, built in\n"
        );
        config.registry_path = place("registry.yaml");
        fs::write(&config.registry_path, registry).map_err(AppError::Runtime)?;
        config.database_url = format!("sqlite://{}?mode=rwc", place("demo.db").display()).into();
        config.sealing_key = SealingKey::File(place("demo.key"));
        config.old_sealing_keys = None;
        config.callers = CallersFile::Usual(place("callers.yaml"));
        config.tokens = None;
        Ok(Self { config, folder })
    }

    /// Takes the folder away where the program ends without an end of its own.
    pub(super) fn remover(&self) -> impl FnOnce() + Send + 'static {
        let folder = self.folder.path().to_owned();
        move || {
            // Once more, if the database wrote a file meanwhile.
            if fs::remove_dir_all(&folder).is_err() {
                let _gone_or_not_ours = fs::remove_dir_all(&folder);
            }
        }
    }
}

/// A folder that nobody else can look into: the sealing key is in it.
fn private_folder() -> io::Result<TempDir> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("mcp-gateway-demo-");
    #[cfg(unix)]
    folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    folder.tempdir()
}

/// Makes the session, and tells where everything is and what to try.
///
/// # Errors
///
/// When the session cannot be made.
pub(super) async fn welcome(
    sessions: &Sessions,
    registry: &Registry,
    encrypted: bool,
    address: SocketAddr,
) -> Result<(), AppError> {
    let scheme = if encrypted { "https" } else { "http" };
    let servers = registry.names().map(|name| NewServer {
        backend: name.clone(),
        credential: None,
        tools: None,
    });
    let wanted = NewSession {
        name: Some(NAME.to_owned()),
        naming: Naming::default(),
        idle_expiry: None,
        servers: servers.collect(),
    };
    let id = sessions
        .seen_by(&Caller::anonymous())
        .create(wanted)
        .await?;
    let base = format!("{scheme}://{}", reachable(address));
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"example.add","arguments":{"a":2,"b":3}}}"#;
    let text = format!(
        "mcp-gateway {version} listening on {scheme}://{address}\n\
         A demo: one example server, built in, and a session called {NAME}; nothing of it is kept\n\
         Look around in a browser:\n  {base}/\n\
         Call a tool:\n  curl {base}/session/{id}/mcp -H 'content-type: application/json' -d '{call}'\n\
         See the session, and what to paste into a client (claude-code, cursor, vs-code, ..):\n  \
         mcp-gateway session show {NAME} --url {base}\n  \
         mcp-gateway config claude-desktop --session {NAME} --url {base}\n\
         Stop it with Ctrl-C\n",
        version = env!("CARGO_PKG_VERSION"),
    );
    // A closed standard output is no reason not to serve.
    let _closed = io::stdout().write_all(text.as_bytes());
    Ok(())
}
