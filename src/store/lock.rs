//! The lock that one gateway process holds of a database, and what it tells of the process before.

use std::{
    ffi::OsString,
    fs::{File, TryLockError},
    io::{self, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use super::{error::StoreError, open::at};
use crate::files;

/// What one gateway process holds of a database. The system releases it however the process ends;
/// the file stays, since removing it would let two processes lock two files of one name.
pub(super) struct Lock(File);

impl Lock {
    /// What the file holds while the database is in use.
    const IN_USE: &[u8] = b"in use\n";

    /// Takes the lock of a database, at once or not at all.
    pub(super) fn take(database: &Path) -> Result<Self, StoreError> {
        let path = beside(database, ".lock");
        let file = files::private()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| at(&path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
                path: database.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(at(&path, error)),
        }
    }

    /// Notes that the database is in use, or that it was closed well.
    pub(super) fn in_use(&self, in_use: bool) -> io::Result<()> {
        self.0.set_len(0)?;
        if in_use {
            (&self.0).rewind()?;
            (&self.0).write_all(Self::IN_USE)?;
        }
        self.0.sync_all()
    }

    /// Says in the log if the database was not closed and lacks what its own log held. Nobody can tell
    /// whether somebody else wrote that back, as every program does that closes the database well, or
    /// took it away.
    pub(super) fn tell_of_a_lost_log(&self, database: &Path) -> Result<(), StoreError> {
        let log = beside(database, "-wal");
        if self.was_in_use().map_err(|e| at(database, e))? && !log.exists() {
            let path = log.display();
            tracing::error!(%path, "the gateway was killed, and {path} is gone since: unless another program wrote it back, what was stored last is lost; to have it again, stop the gateway, bring that file back together with the database of the same moment, and start anew");
        }
        Ok(())
    }

    /// Says whether the process that held it before ended without closing the database.
    fn was_in_use(&self) -> io::Result<bool> {
        Ok(self.0.metadata()?.len() > 0)
    }
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(database);
    path.push(suffix);
    path.into()
}
