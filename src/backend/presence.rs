//! Whether a provider answers as an MCP server, for people who choose: what every session met there, or else one look.
//!
//! A look is a handshake as connections make it, for nobody. However often somebody asks, a provider is looked at once in
//! a while, by one task, without a credential; nothing that this shows decides about a call.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{sync::Semaphore, time::Instant};

use super::{
    endpoint::Endpoint,
    error::BackendError,
    open::{look as open_for_nobody, say_goodbye},
    provider::Provider,
};
use crate::{
    limits::{PRESENCE_AWAY_KEPT, PRESENCE_KEPT},
    mcp::version::Revision,
    registry::{AuthSpec, ProviderSpec},
};

const START: &str = "nothing to do if it is only restarting; otherwise start it, or correct the url of its entry in \
                     registry.yaml; it is looked at again by itself";
const WAIT: &str = "ask whoever runs it if that lasts; it is looked at again by itself";
const SLOW: &str =
    "it may be busy, or speak no MCP; if it is only slow, raise timeouts.handshake in its entry";
const PATH: &str = "no MCP endpoint is there: correct the path of the url in its entry; those of many servers end in /mcp";
const PIN: &str = "if its entry pins a protocol, correct that; otherwise it is too old or too new for this gateway";
const AUTH: &str =
    "give its entry in registry.yaml an auth, so that sessions can bring a credential";
const LOG: &str = "it turned the handshake down: look at its own log";

/// What is known of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Nothing yet: it is being looked at.
    Unknown,
    /// It answers in this revision, or before it names one wants a credential, as its entry says.
    There(Option<Revision>),
    /// It answers, and is no MCP server to the gateway.
    Unfit(Trouble),
    /// It does not answer.
    Away(Trouble),
}

/// What is wrong with a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What happened.
    pub(crate) why: Arc<str>,
    /// What to do about it.
    pub(crate) remedy: &'static str,
}

/// What one provider's last look showed.
pub(super) struct Looked(Mutex<Seen>);

struct Seen {
    presence: Presence,
    at: Option<Instant>,
    under_way: bool,
}

/// The one look under way; another may begin when it is dropped.
struct Looking(Arc<Provider>);

impl Default for Looked {
    fn default() -> Self {
        Self(Mutex::new(Seen {
            presence: Presence::Unknown,
            at: None,
            under_way: false,
        }))
    }
}

impl Looked {
    /// What is known, and whether whoever asks is to look now.
    fn ask(&self) -> (Presence, bool) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = match seen.presence {
            Presence::There(_) => PRESENCE_KEPT,
            _ => PRESENCE_AWAY_KEPT,
        };
        let is_due = seen.at.is_none_or(|at| at.elapsed() >= kept);
        let looks = is_due && !seen.under_way;
        seen.under_way |= looks;
        (seen.presence.clone(), looks)
    }

    fn tell(&self, presence: Presence) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.presence = presence;
        seen.at = Some(Instant::now());
    }

    fn end(&self) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.under_way = false;
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.looked.end();
    }
}

/// Tells what is known of a provider now, and has it looked at if that is old.
pub(super) fn of(
    provider: &Arc<Provider>,
    looks: &Arc<Semaphore>,
    listeners: &Arc<Semaphore>,
) -> Presence {
    // What calls meet counts for more than a look, and costs none.
    if let Some(error) = provider.gone() {
        return judged(&error, is_bare(&provider.spec));
    }
    let (presence, is_due) = provider.looked.ask();
    if is_due {
        let endpoint = Endpoint::bare(Arc::clone(provider), Arc::clone(listeners));
        let looking = Looking(Arc::clone(provider));
        tokio::spawn(look(looking, endpoint, Arc::clone(looks)));
    }
    presence
}

async fn look(looking: Looking, endpoint: Endpoint, permits: Arc<Semaphore>) {
    // Never closed.
    let Ok(_permit) = permits.acquire_owned().await else {
        return;
    };
    match open_for_nobody(&endpoint).await {
        Ok((dialect, _)) => {
            let presence = Presence::There(Some(dialect.revision()));
            looking.0.looked.tell(presence);
            if let Some(headers) = dialect.farewell() {
                say_goodbye(&endpoint, headers).await;
            }
        }
        Err(error) => {
            let presence = judged(&error, is_bare(&looking.0.spec));
            looking.0.looked.tell(presence);
        }
    }
}

/// Whether a session brings no more to a provider than a look does.
pub(super) fn is_bare(spec: &ProviderSpec) -> bool {
    matches!(spec.auth, AuthSpec::None) && spec.headers.is_empty()
}

/// What a failure says of a provider, and what to do about it. Where sessions bring what a look does not, `is_bare` is not
/// so, and whoever refuses is there: some refuse strangers in odd words.
pub(super) fn judged(error: &BackendError, is_bare: bool) -> Presence {
    let told = |remedy| {
        let why = match error {
            BackendError::Gone { cause, .. } => Arc::clone(cause),
            BackendError::CredentialRefused { status, .. } => {
                format!("it serves nobody without a credential (HTTP {status})").into()
            }
            _ => error.to_string().into(),
        };
        Trouble { why, remedy }
    };
    match error {
        BackendError::CredentialRefused { .. }
        | BackendError::NotOpened { .. }
        | BackendError::Incompatible { .. }
            if !is_bare =>
        {
            Presence::There(None)
        }
        BackendError::Status { status } if !is_bare && !status.is_server_error() => {
            Presence::There(None)
        }
        BackendError::CredentialRefused { .. } => Presence::Unfit(told(AUTH)),
        BackendError::Unreachable { .. } | BackendError::Gone { .. } => Presence::Away(told(START)),
        BackendError::Silent { .. } => Presence::Away(told(SLOW)),
        BackendError::Status { status } if !status.is_server_error() => Presence::Unfit(told(PATH)),
        BackendError::Garbled { .. } => Presence::Unfit(told(PATH)),
        BackendError::Incompatible { .. } | BackendError::EraChanged => Presence::Unfit(told(PIN)),
        BackendError::NotOpened { .. } => Presence::Unfit(told(LOG)),
        _ => Presence::Away(told(WAIT)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_what_to_do_about_it() {
        let refused = BackendError::CredentialRefused {
            status: StatusCode::UNAUTHORIZED,
            credential: "to serve without a credential",
        };
        let status = |status| BackendError::Status { status };
        assert_eq!(judged(&refused, false), Presence::There(None));
        for words in [
            status(StatusCode::BAD_REQUEST),
            status(StatusCode::NOT_FOUND),
            BackendError::NotOpened { code: -32600 },
        ] {
            assert_eq!(judged(&words, false), Presence::There(None), "{words}");
        }
        let garbled = BackendError::Garbled { what: "a page" };
        let silent = BackendError::Silent {
            after: Duration::from_secs(5),
        };
        let gone = BackendError::Gone {
            cause: "it is gone".into(),
            retry_in: Duration::from_secs(1),
        };
        for (error, is_there, does) in [
            (refused, true, AUTH),
            (status(StatusCode::NOT_FOUND), true, PATH),
            (status(StatusCode::METHOD_NOT_ALLOWED), true, PATH),
            (status(StatusCode::INTERNAL_SERVER_ERROR), false, WAIT),
            (garbled, true, PATH),
            (BackendError::NotOpened { code: -32603 }, true, LOG),
            (silent, false, SLOW),
            (gone, false, START),
        ] {
            let (was_there, told) = match judged(&error, true) {
                Presence::Unfit(trouble) => (true, trouble),
                Presence::Away(trouble) => (false, trouble),
                other => panic!("{error}: {other:?}"),
            };
            assert_eq!((was_there, told.remedy), (is_there, does), "{error}");
            assert!(!told.why.contains("PATCH"), "{}", told.why);
        }
    }
}
