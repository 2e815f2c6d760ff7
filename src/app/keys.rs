//! `mcp-gateway keys`: makes, lists and takes back what lets callers in.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
};

use secrecy::ExposeSecret as _;

use crate::{
    callers::{Keys, ListedKey},
    config::{Config, KeysCommand},
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
        KeysCommand::List => {
            let table = table(&keys.list()?);
            io::stdout()
                .write_all(table.as_bytes())
                .map_err(AppError::Output)?;
        }
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
    let width = |title: &str, of: fn(&ListedKey) -> usize| {
        keys.iter().map(of).chain([title.len()]).max().unwrap_or(0)
    };
    let names = width("name", |key| key.name.as_str().len());
    let callers = width("caller", |key| key.caller.as_str().len());
    let mut table = format!(
        "{:names$}  {:callers$}  {:8}  created\n",
        "name", "caller", "role"
    );
    for ListedKey {
        name,
        caller,
        operator,
        created,
    } in keys
    {
        let role = if *operator { "operator" } else { "caller" };
        // Writing to a text cannot fail.
        let _infallible = writeln!(
            table,
            "{name:names$}  {caller:callers$}  {role:8}  {created}"
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lines_up_and_shows_no_hash() {
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
