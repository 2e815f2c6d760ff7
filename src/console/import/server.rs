//! One server of a client's file: what the registry would say of it, or why it cannot.

use std::fmt;

use serde_json::Value;
use url::Url;

/// What speaks with a server elsewhere for a client that cannot.
const BRIDGE: &str = "mcp-remote";
/// Parts of a header's or a parameter's name by which it carries a secret.
const SECRET_WORDS: [&str; 7] = [
    "key",
    "token",
    "secret",
    "auth",
    "password",
    "credential",
    "signature",
];
/// Characters from which on a value without spaces may be a secret by its look.
const SECRET_CHARS_MIN: usize = 20;

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
                write!(formatter, "{{ type: api_key, header: {header}")?;
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
enum Held<'a> {
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
pub(super) fn read(name: &str, server: &Value) -> Result<Imported, String> {
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
        url: checked(address)?,
        auth: Auth::Nothing,
        headers: Vec::new(),
        to_do: Vec::new(),
    };
    for (header, value) in headers {
        imported.take(&header, &value)?;
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

/// An address that the registry may hold in the clear.
fn checked(address: &str) -> Result<String, String> {
    if address.contains("${") {
        return Err(
            "its address has a variable in it; write the address into the registry".to_owned(),
        );
    }
    let url = Url::parse(address).map_err(|_| "its address is no URL".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("its address holds a user name or a password".to_owned());
    }
    let secret = url
        .query_pairs()
        .find(|(name, value)| is_secret(name, value));
    if let Some((name, _)) = secret {
        return Err(format!(
            "its address holds what looks like a credential, in {name}; if the server takes it in a header, \
             write an entry with auth"
        ));
    }
    Ok(address.to_owned())
}

impl Imported {
    /// Takes a header: as the credential, as it is, or not at all.
    fn take(&mut self, header: &str, value: &str) -> Result<(), String> {
        let lower = header.to_ascii_lowercase();
        if lower == "authorization" {
            let Some(token) = bearer(value) else {
                return Err(
                    "its Authorization is no Bearer; the gateway sends bearer tokens and API keys only".to_owned(),
                );
            };
            let variable = self.variable(token, header, "TOKEN");
            self.auth = Auth::Bearer(variable);
            return Ok(());
        }
        let held_value = held(value);
        let is_literal = held_value == Held::Literal;
        if is_literal && !is_secret(&lower, value) {
            if is_of_the_protocol(&lower) {
                self.to_do.push(format!(
                    "its header {header} is left out: the gateway writes it itself"
                ));
            } else {
                self.headers.push((lower, value.to_owned()));
            }
            return Ok(());
        }
        if self.auth != Auth::Nothing {
            return Err(format!(
                "it takes two credentials, one of them in {header}; the gateway sends one"
            ));
        }
        let variable = self.variable(value, header, "API_KEY");
        self.auth = Auth::ApiKey(lower, variable);
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
fn held(value: &str) -> Held<'_> {
    let braced = value
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    let Some(name) = braced.or_else(|| value.strip_prefix('$')) else {
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

/// Rather once too often: the registry is a file that people show each other.
fn is_secret(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let has = |test: fn(&char) -> bool| value.chars().any(|character| test(&character));
    SECRET_WORDS.iter().any(|word| name.contains(word))
        || value.len() >= SECRET_CHARS_MIN
            && !value.contains([' ', '/'])
            && has(char::is_ascii_digit)
            && has(char::is_ascii_alphabetic)
}

fn is_of_the_protocol(header: &str) -> bool {
    header.starts_with("mcp-")
        || header.starts_with("content-")
        || ["accept", "host", "cookie", "connection"].contains(&header)
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
