//! `mcp-gateway import`: servers from the file of a client, as entries of the registry.
//!
//! Nothing secret is copied: a credential in that file becomes the name of an environment variable, and the person is
//! told what to put there.

mod harmless;
mod registry_file;
mod server;

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use self::{registry_file::RegistryFile, server::Imported};
use super::{
    Failure,
    printing::{note, print, print_json},
};
use crate::{
    limits::IMPORT_BYTES_MAX,
    registry::{Defaults, Lookup},
};

/// What is brought from where to where.
#[derive(Debug)]
pub struct Import<'a> {
    /// The client's file.
    pub from: &'a Path,
    /// The registry.
    pub registry: &'a Path,
    /// Whether the registry is changed; else its new entries are printed.
    pub write: bool,
    /// Headers whose values may be copied.
    pub keep_headers: &'a [String],
    /// Whether what is printed is for programs.
    pub json: bool,
}

/// Prints the entries for the servers of a client's file, or writes them into the registry behind what is there.
///
/// # Errors
///
/// Why nothing was brought, with the remedy.
pub fn run(
    import: &Import<'_>,
    defaults: &Defaults,
    environment: Lookup<'_>,
) -> Result<(), Failure> {
    let file = read(import.from)?;
    let found = servers(&file);
    if found.is_empty() {
        return Err(Failure::Usage(format!(
            "{} lists no MCP servers; name a file that has them under mcpServers or servers, such as \
             claude_desktop_config.json, .mcp.json, ~/.claude.json, .cursor/mcp.json or .vscode/mcp.json",
            import.from.display()
        )));
    }
    let mut registry = RegistryFile::read(import.registry, defaults, environment)
        .or_else(|failure| without_registry(import, defaults, failure))?;
    let outcomes: Vec<(&str, Outcome)> = found
        .into_iter()
        .map(|(name, server)| {
            (
                name,
                bring(name, server, import.keep_headers, &mut registry),
            )
        })
        .collect();
    let brought = || {
        outcomes
            .iter()
            .filter_map(|(_, outcome)| outcome.as_ref().ok())
    };
    let text: String = brought().map(|brought| brought.entry.as_str()).collect();
    let writes = import.write && !text.is_empty();
    if import.json {
        if writes {
            registry.append(&text, environment)?;
        }
        return print_json(&report(import, writes, &outcomes));
    }
    tell(&outcomes);
    if text.is_empty() {
        note("nothing to bring");
        return Ok(());
    }
    if !writes {
        return print(&format!("providers:\n{text}"));
    }
    registry.append(&text, environment)?;
    let count = brought().count();
    let servers = if count == 1 { "server" } else { "servers" };
    note(&format!(
        "wrote {count} {servers} into {}; a gateway that runs takes them up by itself",
        import.registry.display()
    ));
    Ok(())
}

/// What a server became, or why it was left out.
type Outcome = Result<Brought, String>;

/// An entry of the registry, as it was brought.
struct Brought {
    name: String,
    url: String,
    /// The text of it.
    entry: String,
    to_do: Vec<String>,
}

/// Tells people what there is to do, and what was left out.
fn tell(outcomes: &[(&str, Outcome)]) {
    for (from, outcome) in outcomes {
        match outcome {
            Err(reason) => note(&format!("left out {from}: {reason}")),
            Ok(Brought { name, to_do, .. }) => {
                for what in to_do {
                    note(&format!("{name}: {what}"));
                }
            }
        }
    }
}

/// The same for programs.
fn report(import: &Import<'_>, written: bool, outcomes: &[(&str, Outcome)]) -> Value {
    let brought = outcomes.iter().filter_map(|(from, outcome)| {
        let brought = outcome.as_ref().ok()?;
        Some(json!({
            "from": from,
            "name": brought.name,
            "url": brought.url,
            "entry": brought.entry,
            "to_do": brought.to_do,
        }))
    });
    let left_out = outcomes.iter().filter_map(|(from, outcome)| {
        let reason = outcome.as_ref().err()?;
        Some(json!({ "from": from, "reason": reason }))
    });
    json!({
        "registry": import.registry.display().to_string(),
        "written": written,
        "brought": brought.collect::<Value>(),
        "left_out": left_out.collect::<Value>(),
    })
}

/// What is only printed needs no registry that is right.
fn without_registry<'a>(
    import: &Import<'_>,
    defaults: &'a Defaults,
    failure: Failure,
) -> Result<RegistryFile<'a>, Failure> {
    if import.write {
        return Err(failure);
    }
    note(&format!(
        "what is in the registry is not looked at, since it has mistakes: {failure}"
    ));
    Ok(RegistryFile::none(import.registry, defaults))
}

/// Makes an entry of a server.
///
/// # Errors
///
/// Why there is none.
fn bring(name: &str, server: &Value, keep: &[String], registry: &mut RegistryFile<'_>) -> Outcome {
    let imported = server::read(name, server, keep)?;
    if registry.has_url(&imported.url) {
        return Err("the registry has its address already".to_owned());
    }
    registry
        .accepts(&entry(&imported.name, &imported, 2))
        .map_err(|failure| format!("the registry does not take it: {failure}"))?;
    let name = registry.take_name(&imported);
    Ok(Brought {
        entry: entry(&name, &imported, registry.indent()),
        name,
        url: imported.url,
        to_do: imported.to_do,
    })
}

/// Reads JSON in which comments and commas too many are no mistakes, as editors have it.
fn read(path: &Path) -> Result<Value, Failure> {
    let unreadable = |source| Failure::Unreadable {
        path: PathBuf::from(path),
        source,
    };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(IMPORT_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    let read = jsonc_parser::parse_to_serde_value(&text, &jsonc_parser::ParseOptions::default());
    read.map_err(|error| Failure::Usage(format!("{} is not JSON: {error}", path.display())))
}

/// Every server of the file, by its name: of Claude Desktop, Cursor, Windsurf and Gemini CLI under `mcpServers`, of VS
/// Code under `servers`, of Claude Code also in each project.
fn servers(file: &Value) -> Vec<(&str, &Value)> {
    let mut found: Vec<(&str, &Value)> = Vec::new();
    let projects = file["projects"].as_object();
    let of_projects = projects.into_iter().flat_map(Map::values);
    let of_projects = of_projects.map(|project| &project["mcpServers"]);
    let maps = [
        &file["mcpServers"],
        &file["servers"],
        &file["mcp"]["servers"],
    ];
    for map in maps.into_iter().chain(of_projects) {
        for (name, server) in map.as_object().into_iter().flatten() {
            let entry = (name.as_str(), server);
            if !found.contains(&entry) {
                found.push(entry);
            }
        }
    }
    found
}

/// An entry of the registry.
fn entry(name: &str, imported: &Imported, indent: usize) -> String {
    let outer = " ".repeat(indent);
    let inner = " ".repeat(indent * 2);
    let Imported { url, auth, .. } = imported;
    let mut text = format!(
        "{outer}{name}:\n{inner}url: {}\n{inner}auth: {auth}\n",
        scalar(url)
    );
    if !imported.headers.is_empty() {
        let pairs = imported.headers.iter();
        let pairs =
            pairs.map(|(name, value)| format!("{}: {}", scalar(name), Value::from(value.as_str())));
        let pairs: Vec<String> = pairs.collect();
        text = format!("{text}{inner}headers: {{ {} }}\n", pairs.join(", "));
    }
    text
}

/// A text of YAML: as it is where nothing in it means anything there, else as JSON has it.
fn scalar(text: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./:?=&%~+@".contains(character);
    let is_word = !["true", "false", "null"].contains(&text.to_ascii_lowercase().as_str());
    let is_led = text.starts_with(|first: char| first.is_ascii_alphabetic());
    if is_led && is_word && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests;
