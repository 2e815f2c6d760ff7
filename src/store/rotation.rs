//! Another sealing key: all that is stored is sealed anew, and the old keys go.
//!
//! Only where no gateway runs: the database's lock says so. At every moment the keys on the disk open
//! all that the database holds, however the process ends, and running it again finishes what was begun.

mod walk;

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use uuid::Uuid;

use super::{
    error::StoreError,
    key::{KeyError, SealingKey},
    key_file,
    lock::Lock,
    open::{self, Opened},
    ring::KeyRing,
    sealing::UnsealError,
};

use walk::Walk;

/// What a rotation did.
#[derive(Debug, Default)]
pub struct Rotation {
    /// Secrets that were sealed anew.
    pub resealed: u64,
    /// Secrets that were sealed with the present key before.
    pub current: u64,
    /// Secrets that no key opens: left as they are.
    pub unopened: Vec<Unopened>,
    /// Old keys that went out of the key file.
    pub dropped: usize,
}

/// A secret that no key opens.
#[derive(Debug)]
pub struct Unopened {
    /// Whose it is.
    pub session: Uuid,
    /// For which backend.
    pub backend: String,
    /// Why.
    pub error: UnsealError,
}

/// Why a key could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// A gateway has the database open.
    #[error("a gateway that runs has {path} open; stop it, run this again, then start it")]
    Running {
        /// The database.
        path: PathBuf,
    },
    /// The keys cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(StoreError),
}

impl Rotation {
    /// Makes a new key in a key file, or goes on with the change that was begun there, seals all that
    /// is stored with it, and takes the others out of the file.
    ///
    /// They stay while there is something that no key opens.
    ///
    /// # Errors
    ///
    /// When the database is in use or cannot be used, or the key file cannot be. What was sealed anew
    /// until then stays so; run it again.
    pub async fn of_file(
        url: &str,
        path: &Path,
        old: Option<&SecretString>,
    ) -> Result<Self, RotationError> {
        let database = lock(url).await?;
        let keys = KeyRing::new(key_file::read(path)?);
        let kept = keys.keys().len();
        let keys = keys.with_old(old)?;
        let found = walk_all(&database, &keys, Walk::Look).await?;
        // What was begun before is finished, unless that run did all that can be done.
        let is_begun = kept > 1 && (found.unopened.is_empty() || found.resealed > 0);
        let (keys, kept) = if is_begun {
            (keys, kept)
        } else {
            let keys = keys.led_by(SealingKey::generate()?)?;
            // Before anything is sealed with it.
            key_file::replace(path, &keys.keys()[..=kept])?;
            (keys, kept + 1)
        };
        let mut done = walk_all(&database, &keys, Walk::Reseal).await?;
        // Before the old keys go: with them goes the last way back. The lock stays until then, so that nobody else
        // changes the keys in between.
        let lock = close(database).await?;
        if done.unopened.is_empty() {
            key_file::replace(path, &keys.keys()[..1])?;
            done.dropped = kept - 1;
        }
        drop(lock);
        Ok(done)
    }

    /// Seals all that is stored with the first key of a ring that is kept elsewhere.
    ///
    /// # Errors
    ///
    /// When the database is in use or cannot be used.
    pub async fn of_given(url: &str, keys: &KeyRing) -> Result<Self, RotationError> {
        let database = lock(url).await?;
        let done = walk_all(&database, keys, Walk::Reseal).await?;
        drop(close(database).await?);
        Ok(done)
    }
}

impl From<StoreError> for RotationError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InUse { path } => Self::Running { path },
            error => Self::Store(error),
        }
    }
}

async fn lock(url: &str) -> Result<Opened, RotationError> {
    // What an old key sealed is overwritten where it stands, not left in unused pages.
    let opened = open::open_existing(url, |options| options.pragma("secure_delete", "ON"));
    Ok(opened.await?)
}

async fn walk_all(database: &Opened, keys: &KeyRing, walk: Walk) -> Result<Rotation, StoreError> {
    let mut done = Rotation::default();
    walk::credentials(&database.writing, keys, walk, &mut done).await?;
    walk::backend_sessions(&database.writing, keys, walk, &mut done).await?;
    Ok(done)
}

/// Writes all back into the database file, and the log of changes with what it held is gone. The lock
/// is held still.
async fn close(database: Opened) -> Result<Lock, StoreError> {
    // Before the log goes: a process that is killed in between must not miss it.
    if let Err(error) = database.lock.in_use(false) {
        tracing::warn!(%error, "could not note that the database was closed; nothing is lost");
    }
    database.reading.close().await?;
    database.writing.close().await?;
    Ok(database.lock)
}
