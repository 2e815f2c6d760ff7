//! What a person pastes into an MCP client so that it uses a session: one entry a client, in that client's own format.
//!
//! Pure text. A caller's key is never part of an entry: it stands in an environment variable, or the client asks for it.

mod entries;
mod text;

/// The environment variable that entries take a caller's key from.
pub const KEY_VARIABLE: &str = "MCP_GATEWAY_KEY";

/// What an entry's server is called when its session has no name that could be one.
const SERVER: &str = "gateway";
/// Characters of a server's name: clients put it before the name of each tool, and bound both together.
const SERVER_CHARS_MAX: usize = 24;

/// A session's MCP endpoint, as clients reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its whole URL.
    pub url: String,
    /// What clients call it.
    pub server: String,
    /// How they are let in.
    pub entrance: Entrance,
}

/// How a client is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// Nobody is asked who they are.
    Open,
    /// With a caller's API key.
    Key,
    /// By logging in at an authorization server, which clients do by themselves.
    Login,
}

/// What the text of an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON to merge into a file.
    Json,
    /// TOML to append to a file.
    Toml,
    /// A command for a shell.
    Shell,
}

/// How one client is made to use a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The client, for programs.
    pub id: &'static str,
    /// The client, for people.
    pub title: &'static str,
    /// The file or the place that the text belongs to, on each system.
    pub place: &'static str,
    /// What the text is.
    pub format: Format,
    /// The text.
    pub text: String,
    /// A link that does the same, where the client knows one.
    pub install_link: Option<String>,
    /// What to do, in order.
    pub steps: Vec<String>,
}

impl Endpoint {
    /// An endpoint whose server is called by the session's name, as far as that can be a name in every client.
    #[must_use]
    pub fn new(url: String, session_name: Option<&str>, entrance: Entrance) -> Self {
        let server = session_name.map(server_name).unwrap_or_default();
        Self {
            url,
            server: if server.is_empty() {
                SERVER.to_owned()
            } else {
                server
            },
            entrance,
        }
    }

    /// The entry of every client, in the order in which people are shown them.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        entries::all(self)
    }
}

impl Format {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Toml => "toml",
            Self::Shell => "shell",
        }
    }
}

/// Letters, digits and hyphens of a name: what every client takes, and TOML without quotes.
fn server_name(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        if slug.len() == SERVER_CHARS_MAX {
            break;
        }
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

#[cfg(test)]
mod tests;
