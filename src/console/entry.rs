//! `mcp-gateway config`: what to paste into a client.

use secrecy::SecretString;
use serde_json::Value;

use super::{
    Failure,
    credentials::nearest,
    gateway::Gateway,
    printing::{note, print, print_json},
};
use crate::config::EntryFlags;

/// Prints a client's entry alone, so that it can go into a file; what to do with it goes to standard error.
///
/// # Errors
///
/// Why there is none, with the remedy.
pub async fn run(flags: &EntryFlags, key: Option<SecretString>) -> Result<(), Failure> {
    let gateway = Gateway::new(&flags.gateway, key)?;
    let id = gateway.session_id(&flags.session).await?;
    let told = super::session::of(&gateway, &id, "/clients").await?;
    let entries = told["clients"].as_array().map_or(&[][..], Vec::as_slice);
    let wanted = flags.client.replace('-', "_").to_lowercase();
    let Some(entry) = entries.iter().find(|entry| entry["id"] == wanted.as_str()) else {
        let known: Vec<&str> = entries
            .iter()
            .filter_map(|entry| entry["id"].as_str())
            .collect();
        let remedy = match nearest(&wanted, &known) {
            Some(near) => format!("did you mean {}?", near.replace('_', "-")),
            None => format!("there are {}", known.join(", ").replace('_', "-")),
        };
        return Err(Failure::Usage(format!(
            "there is no entry for a client {:?}; {remedy}",
            flags.client
        )));
    };
    if flags.gateway.json {
        return print_json(entry);
    }
    let text = |member: &str| entry[member].as_str().unwrap_or_default();
    note(&format!("{}: {}", text("title"), text("where")));
    for (number, step) in entry["steps"].as_array().into_iter().flatten().enumerate() {
        note(&format!(
            "{}. {}",
            number + 1,
            step.as_str().unwrap_or_default()
        ));
    }
    if let Value::String(link) = &entry["install_link"] {
        note(&format!("Or open {link}"));
    }
    print(&format!("{}\n", text("entry").trim_end()))
}
