//! The commands that speak with a gateway that runs: `session` and `config`.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help, where backticks would stand as they are"
)]

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::config::values;

/// Which gateway a command speaks with, and for whom its output is.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "The gateway")]
pub struct GatewayFlags {
    /// Address of the gateway
    #[arg(long, global = true, env = "MCP_GATEWAY_URL", value_name = "URL")]
    #[arg(default_value = "http://127.0.0.1:8000", value_parser = values::public_url)]
    pub url: String,

    /// File that holds your key, where callers are authenticated; else it is taken from the variable MCP_GATEWAY_KEY
    #[arg(long, global = true, value_name = "PATH")]
    pub api_key_file: Option<PathBuf>,

    /// Show your key to a gateway elsewhere although its address is http, so that everybody on the way can read it
    #[arg(long, global = true)]
    pub insecure_http: bool,

    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

/// The `session` command.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct SessionFlags {
    /// Which gateway.
    #[command(flatten)]
    pub gateway: GatewayFlags,
    /// What to do.
    #[command(subcommand)]
    pub verb: SessionVerb,
}

/// What to do with sessions.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum SessionVerb {
    /// Make a session of servers from the registry, and print its id
    Create {
        /// Servers, in the order of the tool list
        #[arg(required = true, value_name = "SERVER")]
        servers: Vec<String>,
        /// Name for people, and for the entries of clients
        #[arg(long)]
        name: Option<String>,
        /// Where the credential of a server is: SERVER=env:NAME or SERVER=file:PATH; SERVER alone asks for it. What a
        /// server must have and is not given here is asked for on a terminal
        #[arg(long, value_name = "SERVER[=WHERE]")]
        credential: Vec<String>,
        /// Which tools it offers, and for how long it lives.
        #[command(flatten)]
        choice: Choice,
    },
    /// List your sessions; an operator's list is everybody's
    List,
    /// Show a session and the state of its connections
    Show {
        /// Id or name of the session, or how its id begins
        session: String,
    },
    /// Change a session that clients use
    Edit(Edit),
    /// Delete sessions, with their credentials
    Delete {
        /// Id or name of a session, or how its id begins
        #[arg(required = true, value_name = "SESSION")]
        sessions: Vec<String>,
    },
}

/// What a session offers, and for how long it lives.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Choice {
    /// Offer only the tools of a server whose own names fit a pattern, in which * stands for anything; repeat it for
    /// several
    #[arg(long, value_name = "SERVER=PATTERN")]
    pub allow: Vec<String>,
    /// Offer no tool of a server whose own name fits a pattern, whatever --allow says; repeat it for several
    #[arg(long, value_name = "SERVER=PATTERN")]
    pub deny: Vec<String>,
    /// How public tool names are spelled
    #[arg(long, value_enum)]
    pub naming: Option<NamingWord>,
    /// For how long the session lives that nobody uses, such as 30m or 7days
    #[arg(long, value_name = "DURATION")]
    pub idle_expiry: Option<String>,
}

/// What is to be another.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Edit {
    /// Id or name of the session, or how its id begins
    pub session: String,
    /// Another name
    #[arg(long, conflicts_with = "no_name")]
    pub name: Option<String>,
    /// Take its name away
    #[arg(long)]
    pub no_name: bool,
    /// Have one server more; repeat it for several
    #[arg(long, value_name = "SERVER")]
    pub add: Vec<String>,
    /// Have one server less; repeat it for several
    #[arg(long, value_name = "SERVER")]
    pub remove: Vec<String>,
    /// Where a server's new credential is: SERVER=env:NAME or SERVER=file:PATH; SERVER alone asks for it
    #[arg(long, value_name = "SERVER[=WHERE]")]
    pub credential: Vec<String>,
    /// Take away the session's own credential for a server
    #[arg(long, value_name = "SERVER")]
    pub no_credential: Vec<String>,
    /// Which tools it offers, and for how long it lives.
    #[command(flatten)]
    pub choice: Choice,
    /// Offer all tools of a server again
    #[arg(long, value_name = "SERVER")]
    pub all_tools: Vec<String>,
    /// Let it live as long as the gateway's other sessions again
    #[arg(long, conflicts_with = "idle_expiry")]
    pub no_idle_expiry: bool,
}

/// The `config` command.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct EntryFlags {
    /// Which gateway.
    #[command(flatten)]
    pub gateway: GatewayFlags,
    /// The client: claude-desktop, claude-code, cursor, vs-code, codex, gemini-cli, windsurf, inspector or curl
    pub client: String,
    /// Id or name of the session, or how its id begins
    #[arg(long)]
    pub session: String,
}

/// How public tool names are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NamingWord {
    /// As its client takes them
    Auto,
    /// provider.tool
    Dot,
    /// provider__tool
    Underscores,
    /// The tool's own name, in a session of one server
    None,
}

impl NamingWord {
    /// The word, as the API has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Dot => "dot",
            Self::Underscores => "underscores",
            Self::None => "none",
        }
    }
}
