//! `mcp-gateway keys`: makes, lists and takes back what lets callers in.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{
    callers::{Keys, ListedKey},
    config::{Config, KeysCommand},
    console::{Table, print, print_json},
};

use super::{AppError, rotation};

/// Does what the command says. A key goes to standard output, alone and this once; words go to standard error.
///
/// # Errors
///
/// Why it was not done, with the remedy.
pub(super) async fn run(config: &Config, command: KeysCommand) -> Result<ExitCode, AppError> {
    let path = config.callers.path();
    let keys = Keys::of(path);
    match command {
        KeysCommand::Create {
            name,
            caller,
            operator,
        } => {
            let told = format!("{name} is in {}; it is shown this once\n", path.display());
            let key = keys.create(name, caller, operator)?;
            let mut out = io::stdout();
            // A key that nobody read is of no use to anybody: say so, so that it is revoked.
            writeln!(out, "{}", key.expose_secret())
                .and_then(|()| out.flush())
                .map_err(AppError::UnseenKey)?;
            note(&told);
        }
        KeysCommand::List { json: true } => print_json(&listed(&keys.list()?))?,
        KeysCommand::List { json: false } => print(&table(&keys.list()?))?,
        KeysCommand::Revoke { name } => {
            keys.revoke(&name)?;
            note(&format!("{name} lets nobody in any more\n"));
        }
        KeysCommand::Rotate => return rotation::run(config).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells people; with standard error gone there is nobody to tell.
fn note(text: &str) {
    let _nobody_left = io::stderr().write_all(text.as_bytes());
}

fn table(keys: &[ListedKey]) -> String {
    let mut table = Table::new(&["name", "caller", "role", "created"]);
    for key in keys {
        table.row(vec![
            key.name.to_string(),
            key.caller.to_string(),
            if key.operator { "operator" } else { "caller" }.to_owned(),
            key.created.clone(),
        ]);
    }
    table.text()
}

/// The same for programs, called as in the file.
fn listed(keys: &[ListedKey]) -> Value {
    let listed = |key: &ListedKey| {
        json!({
            "name": key.name.as_str(),
            "caller": key.caller.as_str(),
            "operator": key.operator,
            "created": key.created,
        })
    };
    json!({ "keys": keys.iter().map(listed).collect::<Value>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lines_up_and_shows_no_hash() {
        console::set_colors_enabled(false);
        let key = |name: &str, caller: &str, operator| ListedKey {
            name: name.parse().unwrap(),
            caller: caller.parse().unwrap(),
            operator,
            created: "2026-07-28T00:00:00Z".to_owned(),
        };
        let keys = [key("ada-laptop", "ada", false), key("ops", "ops", true)];
        assert_eq!(
            table(&keys),
            "name        caller  role      created\n\
             ada-laptop  ada     caller    2026-07-28T00:00:00Z\n\
             ops         ops     operator  2026-07-28T00:00:00Z\n"
        );
    }
}
