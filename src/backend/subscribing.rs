//! What a legacy backend is asked for besides calls, by requests: updates of resources, log messages.
//!
//! Spec: 2025-11-25 server/resources, "Subscriptions"; server/utilities/logging.

use std::collections::BTreeSet;

use serde_json::{json, value::RawValue};

use crate::mcp::{
    error::{INVALID_PARAMS, METHOD_NOT_FOUND, code_of},
    failure::Failure,
    level::Level,
    method::{SUBSCRIBE, UNSUBSCRIBE},
    name::BackendName,
    object::to_raw,
};

use super::{audience::Conversation, error::BackendError, exchange::Answer, message::Wants};

/// Spec: 2025-11-25 server/resources, "Error Handling".
const RESOURCE_NOT_FOUND: i64 = -32002;

/// What a backend was asked for over one link, and does.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// The generation of the link.
    pub(super) generation: u64,
    uris: BTreeSet<String>,
    level: Option<Level>,
}

/// What has to be asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    add: Vec<String>,
    remove: Vec<String>,
    level: Option<Level>,
}

/// What became of a change.
#[derive(Debug)]
pub(crate) struct Outcome {
    added: Vec<String>,
    removed: Vec<String>,
    level: Option<Level>,
    /// What the backend does not do, and why.
    pub(super) failed: Option<Failed>,
}

/// What a backend does not do.
#[derive(Debug)]
pub(crate) struct Failed {
    /// For these resources.
    pub(super) uris: Vec<String>,
    /// Why.
    pub(super) failure: Failure,
    /// Whether it said so itself: then it will not do it later, either.
    pub(super) is_answer: bool,
    /// Whether it forgot the MCP session.
    pub(super) expired: bool,
}

impl Applied {
    /// Nothing, over this link.
    pub(super) fn none(generation: u64) -> Self {
        Self {
            generation,
            ..Self::default()
        }
    }

    /// What is left to ask for; `None` if nothing is.
    pub(super) fn change_to(&self, wants: &Wants) -> Option<Change> {
        let change = Change {
            add: wants.uris.difference(&self.uris).cloned().collect(),
            remove: self.uris.difference(&wants.uris).cloned().collect(),
            level: wants.level.filter(|level| self.level != Some(*level)),
        };
        let is_empty = change.add.is_empty() && change.remove.is_empty() && change.level.is_none();
        (!is_empty).then_some(change)
    }

    /// Takes note of what became of a change.
    pub(super) fn note(&mut self, outcome: &mut Outcome) {
        self.uris.extend(outcome.added.drain(..));
        for uri in outcome.removed.drain(..) {
            self.uris.remove(&uri);
        }
        self.level = outcome.level.or(self.level);
    }
}

impl Change {
    /// Asks for it. What the backend refuses is left out; where it cannot be reached, the rest is.
    pub(super) async fn carry_out(self, conversation: Conversation<'_>) -> Outcome {
        if let Some(level) = self.level {
            conversation.set_level(level).await;
        }
        for uri in &self.remove {
            // Who listens no longer wants to know what came of it, and hears no more either way.
            if let Err(error) = conversation.request(UNSUBSCRIBE, Some(params(uri))).await {
                tracing::debug!(backend.name = %conversation.endpoint.name, %error, "could not take a subscription back");
            }
        }
        let mut outcome = Outcome {
            added: Vec::new(),
            removed: self.remove,
            level: self.level,
            failed: None,
        };
        let mut uris = self.add.into_iter();
        while let Some(uri) = uris.next() {
            let asked = conversation.request(SUBSCRIBE, Some(params(&uri))).await;
            match asked {
                Ok(Answer::Result(_)) => outcome.added.push(uri),
                Ok(Answer::Error(error)) => {
                    let failure = refused(&conversation.endpoint.name, &error, &uri);
                    outcome.fail(uri, failure);
                }
                Err(error) => {
                    outcome.failed = Some(Failed {
                        uris: std::iter::once(uri).chain(uris).collect(),
                        expired: matches!(error, BackendError::SessionExpired),
                        failure: error.into_failure(&conversation.endpoint.name),
                        is_answer: false,
                    });
                    return outcome;
                }
            }
        }
        outcome
    }
}

impl Outcome {
    fn fail(&mut self, uri: String, failure: Failure) {
        match &mut self.failed {
            Some(failed) => failed.uris.push(uri),
            None => {
                self.failed = Some(Failed {
                    uris: vec![uri],
                    failure,
                    is_answer: true,
                    expired: false,
                });
            }
        }
    }
}

fn params(uri: &str) -> Box<RawValue> {
    to_raw(&json!({ "uri": uri }))
}

/// What a backend's error to a subscription means, without its words.
fn refused(backend: &BackendName, error: &RawValue, uri: &str) -> Failure {
    match code_of(error).unwrap_or_default() {
        METHOD_NOT_FOUND => Failure::UnknownMethod {
            method: SUBSCRIBE.to_owned(),
        },
        INVALID_PARAMS | RESOURCE_NOT_FOUND => Failure::UnknownResource {
            uri: uri.to_owned(),
        },
        code => Failure::Garbled {
            backend: backend.clone(),
            reason: format!("error {code} to {SUBSCRIBE}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(uris: &[&str], level: Option<Level>) -> Wants {
        Wants {
            uris: uris.iter().map(|&uri| uri.to_owned()).collect(),
            level,
            ..Wants::default()
        }
    }

    #[test]
    fn only_what_differs_is_asked_for() {
        let mut applied = Applied::none(1);
        assert_eq!(applied.change_to(&wants(&[], None)), None);
        let change = applied
            .change_to(&wants(&["a", "b"], Some(Level::INFO)))
            .unwrap();
        let mut outcome = Outcome {
            added: change.add,
            removed: change.remove,
            level: change.level,
            failed: None,
        };
        applied.note(&mut outcome);
        assert_eq!(
            applied.change_to(&wants(&["a", "b"], Some(Level::INFO))),
            None
        );
        assert_eq!(applied.change_to(&wants(&["a", "b"], None)), None);
        let change = Change {
            add: vec!["c".to_owned()],
            remove: vec!["a".to_owned()],
            level: Some(Level::WARNING),
        };
        assert_eq!(
            applied.change_to(&wants(&["b", "c"], Some(Level::WARNING))),
            Some(change)
        );
    }

    #[test]
    fn a_refusal_is_told_without_the_backends_words() {
        let backend: BackendName = "docs".parse().unwrap();
        for (code, words) in [
            (-32601, "method not found: resources/subscribe"),
            (-32602, "resource not found: a:b"),
            (-32002, "resource not found: a:b"),
            (
                -7,
                "backend docs answered with error -7 to resources/subscribe",
            ),
        ] {
            let error = to_raw(&json!({ "code": code, "message": "secret" }));
            assert_eq!(refused(&backend, &error, "a:b").to_string(), words);
        }
    }
}
