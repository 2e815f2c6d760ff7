//! The registry is read again when its file changes, and sessions meet what it says then.

use std::{io, path::PathBuf, sync::Arc};

use tokio::{sync::Mutex, task::spawn_blocking};

use crate::{
    config::{self, Config},
    registry::{CurrentRegistry, Defaults, Move, Registry, RegistryError},
    session::Sessions,
    watch::Watch,
};

/// What is needed to read the registry again.
#[derive(Clone)]
struct Reading {
    path: PathBuf,
    defaults: Defaults,
    current: CurrentRegistry,
    sessions: Sessions,
    /// One after the other, each with what the file says by then.
    turn: Arc<Mutex<()>>,
}

/// Reads the registry again whenever its file changes.
pub(super) fn watch(
    config: &Config,
    current: &CurrentRegistry,
    sessions: &Sessions,
) -> io::Result<Watch> {
    let reading = Reading {
        path: config.registry_path.clone(),
        defaults: config.registry_defaults,
        current: current.clone(),
        sessions: sessions.clone(),
        turn: Arc::default(),
    };
    let watched = reading.clone();
    let watch = Watch::over(vec![reading.path.clone()], move || watched.again(true))?;
    // What changed between the start's reading and now was seen by nobody.
    reading.again(false);
    Ok(watch)
}

impl Reading {
    /// Puts what the file says now in force; with a mistake in it nothing of it, and what was before stays. With
    /// `is_told` somebody wants to hear that nothing changed, too.
    fn again(&self, is_told: bool) {
        let reading = self.clone();
        tokio::spawn(async move {
            let _turn = reading.turn.lock().await;
            reading.read(is_told).await;
        });
    }

    async fn read(&self, is_told: bool) {
        let (path, defaults) = (self.path.clone(), self.defaults);
        let load = move || Registry::load(&path, &defaults, &config::environment);
        // It may lie on a machine that does not answer, as may the secrets that it names.
        let registry = match spawn_blocking(load).await {
            Ok(Ok(registry)) => registry,
            Ok(Err(error)) => return self.complain(&error),
            Err(error) => return tracing::error!(%error, "the registry could not be read again"),
        };
        if is_told {
            super::tell_warnings(&registry);
        }
        let providers = registry.len();
        let differences = self.current.differences(&registry);
        for Move { provider, from, to } in self.current.moves(&registry) {
            tracing::warn!(
                backend.name = %provider,
                "{provider} is at {to} now and was at {from}: what sessions and the registry hold for it, credentials \
                 among it, goes there from now on"
            );
        }
        self.sessions.forget_links(&differences).await;
        self.current.replace(registry);
        if is_told || !differences.is_empty() {
            let path = self.path.display();
            tracing::info!(providers, "read the registry {path} again: {differences}");
        }
        if !differences.is_empty() {
            self.sessions.meet_registry();
        }
    }

    fn complain(&self, error: &RegistryError) {
        if let RegistryError::Mistakes(mistakes) = error {
            for mistake in mistakes.as_slice() {
                tracing::error!("{mistake}");
            }
        }
        let path = self.path.display();
        let cause = match error {
            RegistryError::Mistakes(_) => None,
            error => Some(error as &dyn std::error::Error),
        };
        tracing::error!(
            error = cause,
            "the registry {path} changed nothing; all providers stay as they were until it is mended"
        );
    }
}
