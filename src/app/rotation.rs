//! `mcp-gateway keys rotate`: another sealing key, and what may be thrown away now.

use std::{fmt::Write as _, io::Write as _, process::ExitCode};

use secrecy::ExposeSecret as _;

use crate::{
    config::{Config, SealingKey},
    console::Progress,
    session::short,
    store::{KeyRing, Rotation},
};

use super::{AppError, counted};

/// Secrets that no key opens, named in the report.
const UNOPENED_SHOWN_MAX: usize = 20;

/// Changes the sealing key and prints what was done.
///
/// Ends with success only if everything is sealed with the present key.
pub(super) async fn run(config: &Config) -> Result<ExitCode, AppError> {
    let url = config.database_url.expose_secret();
    let old = config.old_sealing_keys.as_ref();
    let progress = Progress::spinning("sealing secrets anew");
    let (done, next) = match &config.sealing_key {
        SealingKey::File(path) => {
            let done = Rotation::of_file(url, path, old).await?;
            let next = match (done.dropped, old) {
                (0, _) => format!("{} keeps its old keys", path.display()),
                (_, None) => format!("{} holds the new key alone", path.display()),
                (_, Some(_)) => format!(
                    "{} holds the new key alone; GATEWAY_OLD_SECRET_KEYS may be removed",
                    path.display()
                ),
            };
            (done, next)
        }
        SealingKey::Given(key) => {
            let keys = KeyRing::given(key, old)?;
            let done = Rotation::of_given(url, &keys).await?;
            let next = match (done.unopened.is_empty(), keys.has_old()) {
                (false, _) => "keep GATEWAY_OLD_SECRET_KEYS as it is",
                (true, true) => "GATEWAY_OLD_SECRET_KEYS may be removed",
                (true, false) => {
                    "for another key, put this one into GATEWAY_OLD_SECRET_KEYS, a new one into \
                     GATEWAY_SECRET_KEY, and run this again"
                }
            };
            (done, next.to_owned())
        }
    };
    drop(progress);
    // A closed standard output has no reader; the exit code still tells.
    let _closed = std::io::stdout().write_all(report(&done, &next).as_bytes());
    Ok(if done.unopened.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn report(done: &Rotation, next: &str) -> String {
    let mut text = format!("sealed {} anew", counted(done.resealed, "secret"));
    // Writing to a text cannot fail; here and below.
    if done.current > 0 {
        let _ = write!(
            text,
            "; {} had the present key's seal already",
            done.current
        );
    }
    text.push('\n');
    for unopened in done.unopened.iter().take(UNOPENED_SHOWN_MAX) {
        let _ = writeln!(
            text,
            "not opened, left as it is: session {}.., server {}: {}",
            short(unopened.session),
            unopened.backend.escape_debug(),
            unopened.error
        );
    }
    let more = done.unopened.len().saturating_sub(UNOPENED_SHOWN_MAX);
    if more > 0 {
        let _ = writeln!(text, "and {more} more that could not be opened");
    }
    let _ = writeln!(text, "{next}");
    text
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::{Unopened, UnsealError};

    #[test]
    fn a_report_names_what_was_not_opened_by_half_an_id_only() {
        let id = Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0);
        let unopened = (0..22).map(|_| Unopened {
            session: id,
            backend: "docs\n".to_owned(),
            error: UnsealError::OtherKey,
        });
        let done = Rotation {
            resealed: 1,
            current: 2,
            unopened: unopened.collect(),
            dropped: 0,
        };
        let text = report(&done, "next");
        assert!(text.starts_with("sealed 1 secret anew; 2 had the present"));
        assert!(text.contains("session 12345678.., server docs\\n: the credential was sealed"));
        assert!(text.ends_with("and 2 more that could not be opened\nnext\n"));
        assert!(!text.contains(&id.to_string()) && !text.contains(&id.simple().to_string()));
    }
}
