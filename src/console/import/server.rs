//! One server of a client's file: what the registry would say of it, or why it cannot.

use std::fmt;

use http::HeaderValue;
use serde_json::Value;

use super::{
    harmless::{self, Kind, looks_secret},
    scalar,
};

/// What speaks with a server elsewhere for a client that cannot.
const BRIDGE: &str = "mcp-remote";
/// A server as the registry would have it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Imported {
    /// Its name in the client's file, as far as it can name a provider.
    pub(super) name: String,
    /// Its address.
    pub(super) url: String,
    /// The credential it takes.
    pub(super) auth: Auth,
    /// What else goes with each request; nothing secret.
    pub(super) headers: Vec<(String, String)>,
    /// What the person has to do.
    pub(super) to_do: Vec<String>,
}

/// The credential a server takes, and the variable that holds it; without one, sessions bring theirs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Auth {
    /// None.
    Nothing,
    /// In `Authorization`.
    Bearer(Option<String>),
    /// In a header of its own.
    ApiKey(String, Option<String>),
}

impl fmt::Display for Auth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = match self {
            Self::Nothing => return formatter.write_str("{ type: none }"),
            Self::Bearer(default) => {
                formatter.write_str("{ type: bearer")?;
                default
            }
            Self::ApiKey(header, default) => {
                write!(formatter, "{{ type: api_key, header: {}", scalar(header))?;
                default
            }
        };
        if let Some(variable) = default {
            write!(formatter, ", default: env:{variable}")?;
        }
        formatter.write_str(" }")
    }
}

/// Headers by name.
type Headers = Vec<(String, String)>;

/// What a value in the file is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Held<'a> {
    /// Itself.
    Literal,
    /// The name of a variable.
    Variable(&'a str),
    /// What the client asks for.
    Input,
}

/// Reads one.
///
/// # Errors
///
/// Why the registry cannot have it, for people. No value of the file is repeated.
pub(super) fn read(name: &str, server: &Value, keep: &[String]) -> Result<Imported, String> {
    if server["disabled"] == true || server["enabled"] == false {
        return Err("it is switched off there".to_owned());
    }
    let (address, headers) = if server["command"].is_string() {
        bridged(server)?
    } else {
        let members = ["url", "httpUrl", "serverUrl"];
        let address = members.iter().find_map(|member| server[*member].as_str());
        let address = address.ok_or("it has neither an address nor a command")?;
        (address, pairs(&server["headers"]))
    };
    let is_sse = server["type"] == "sse" || server["transport"] == "sse";
    if is_sse || address.trim_end_matches('/').ends_with("/sse") {
        return Err(
            "it speaks HTTP+SSE, which the gateway does not; many such servers have another address \
             for Streamable HTTP, often /mcp"
                .to_owned(),
        );
    }
    let mut imported = Imported {
        name: provider_name(name),
        url: harmless::address(address)?,
        auth: Auth::Nothing,
        headers: Vec::new(),
        to_do: Vec::new(),
    };
    if address.contains('#') {
        let left = "what stands behind # in its address is left out";
        imported.to_do.push(left.to_owned());
    }
    let mut judged = Vec::new();
    for (header, value) in headers {
        judged.push((harmless::kind(&header, &value, keep)?, header, value));
    }
    // What is surely the credential is it, whatever stands before it.
    judged.sort_by_key(|(kind, ..)| *kind);
    for (kind, header, value) in judged {
        imported.take(kind, &header, &value)?;
    }
    Ok(imported)
}

/// The address and the headers that a bridge is told; any other command is a server that the gateway cannot start.
fn bridged(server: &Value) -> Result<(&str, Headers), String> {
    let arguments = server["args"].as_array().into_iter().flatten();
    let arguments: Vec<&str> = arguments.filter_map(Value::as_str).collect();
    let is_bridge = |argument: &&str| {
        argument
            .strip_prefix(BRIDGE)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
    };
    let Some(at) = arguments.iter().position(is_bridge) else {
        return Err(
            "it is started by a command and speaks over stdio, which the gateway does not yet; start it \
             behind a bridge to Streamable HTTP, and give the registry that address"
                .to_owned(),
        );
    };
    let told = &arguments[at + 1..];
    let is_address =
        |argument: &&&str| argument.starts_with("http://") || argument.starts_with("https://");
    let address = told.iter().find(is_address);
    let address = address.ok_or("its bridge is told no address")?;
    let variables = pairs(&server["env"]);
    let headers = told.windows(2).filter(|pair| pair[0] == "--header");
    let headers = headers.filter_map(|pair| pair[1].split_once(':'));
    let headers = headers.map(|(name, value)| {
        let value = value.trim();
        // What the bridge would look up in the variables that the client hands to it.
        let looked_up = match held(value) {
            Held::Variable(variable) => variables.iter().find(|(name, _)| name == variable),
            _ => None,
        };
        let value = looked_up.map_or(value, |(_, value)| value);
        (name.trim().to_owned(), value.to_owned())
    });
    Ok((address, headers.collect()))
}

/// The members of an object that are texts.
fn pairs(object: &Value) -> Vec<(String, String)> {
    let members = object.as_object().into_iter().flatten();
    let texts =
        members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    texts.collect()
}

impl Imported {
    /// Takes a header: as the credential, as it is, or not at all.
    fn take(&mut self, kind: Kind, header: &str, value: &str) -> Result<(), String> {
        let lower = header.to_ascii_lowercase();
        let only = format!("if it is no secret, say --keep-header {header}");
        match kind {
            Kind::OfTheProtocol => self.to_do.push(format!(
                "its header {header} is left out: the gateway writes it itself"
            )),
            Kind::Harmless if self.headers.iter().any(|(name, _)| *name == lower) => {
                return Err(format!("it has its header {header} twice"));
            }
            Kind::Harmless if HeaderValue::from_str(value).is_err() => {
                return Err(format!("what its header {header} holds cannot be sent"));
            }
            Kind::Harmless => self.headers.push((lower, value.to_owned())),
            Kind::Unknown if self.auth != Auth::Nothing => self
                .to_do
                .push(format!("its header {header} is left out; {only}")),
            _ if self.auth != Auth::Nothing => {
                return Err(format!(
                    "it takes two credentials, one of them in {header}; the gateway sends one"
                ));
            }
            Kind::Authorization => {
                let token = bearer(value).ok_or(
                    "its Authorization is no Bearer; the gateway sends bearer tokens and API keys only",
                )?;
                self.auth = Auth::Bearer(self.variable(token, header, "TOKEN"));
            }
            Kind::Secret | Kind::Unknown => {
                let variable = self.variable(value, header, "API_KEY");
                self.auth = Auth::ApiKey(lower, variable);
                if kind == Kind::Unknown || !looks_secret(value) {
                    self.to_do.push(only);
                }
            }
        }
        Ok(())
    }

    /// The variable that is to hold a credential, after telling what to put there; none where sessions bring it.
    fn variable(&mut self, value: &str, header: &str, kind: &str) -> Option<String> {
        let (variable, to_do) = match held(value) {
            Held::Variable(variable) => (
                variable.to_owned(),
                format!("set {variable} where the gateway is started, as for the client"),
            ),
            Held::Literal => {
                let variable = variable_name(&self.name, kind);
                let to_do = format!(
                    "put its credential, which stands in that file under {header}, into {variable} where the gateway \
                     is started"
                );
                (variable, to_do)
            }
            Held::Input => {
                self.to_do.push("sessions bring its credential".to_owned());
                return None;
            }
        };
        self.to_do.push(to_do);
        Some(variable)
    }
}

/// What stands behind `Bearer`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// `${NAME}`, `${env:NAME}` and `$NAME` are variables, `${input:id}` is asked for.
pub(super) fn held(value: &str) -> Held<'_> {
    let braced = value
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    // Without braces, small letters behind a dollar are rather a password.
    let bare = || {
        value
            .strip_prefix('$')
            .filter(|name| !name.contains(|c: char| c.is_ascii_lowercase()))
    };
    let Some(name) = braced.or_else(bare) else {
        return Held::Literal;
    };
    if name.starts_with("input:") {
        return Held::Input;
    }
    let name = name.strip_prefix("env:").unwrap_or(name);
    let name = name.split(":-").next().unwrap_or(name);
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name {
        Held::Variable(name)
    } else {
        Held::Literal
    }
}

/// A name as the registry takes it.
fn provider_name(name: &str) -> String {
    let mut kept = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() || character == '-' {
            kept.push(character);
        } else if !kept.ends_with('_') {
            kept.push('_');
        }
    }
    kept.truncate(40);
    let kept = kept.trim_matches('_');
    if kept.is_empty() { "server" } else { kept }.to_owned()
}

fn variable_name(provider: &str, kind: &str) -> String {
    let name = provider.replace('-', "_").to_uppercase();
    let digit = name.starts_with(|first: char| first.is_ascii_digit());
    let before = if digit { "MCP_" } else { "" };
    format!("{before}{name}_{kind}")
}
