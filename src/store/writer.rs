//! The one writer: gathers what waits, commits it together, then answers each caller.
//!
//! A commit waits for the disk, a statement hardly does: shared by all that wait, one commit makes
//! thousands of records a second durable. An answer `Ok` always means: on the disk.

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
};

use super::{
    error::{Refusal, StoreError},
    held::Held,
    lock::Lock,
    open::Opened,
    operation::Operation,
    together::Together,
};

/// The most operations of one transaction: it bounds what the first of them waits for the last.
const BATCH_MAX: usize = 64;
/// Operations that may wait. A few batches keep the writer busy; a caller beyond waits for room,
/// since a longer queue would only hold memory.
const QUEUE_MAX: usize = 4 * BATCH_MAX;
/// How often a batch lets others go first that may be about to write. Nobody is waited for: where nobody is about to do
/// anything, or none of them writes, it is committed at once.
const ROUNDS_MAX: usize = 8;

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// Run an operation, durably.
    Write(Write),
    /// Finish what waits, close the database, then answer.
    Close(oneshot::Sender<()>),
}

/// An operation and who waits for it. It is run even if nobody waits any more.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) operation: Operation,
    pub(super) answer: oneshot::Sender<Result<u64, StoreError>>,
}

/// Starts the writer. It ends, and closes the database, on [`Request::Close`] or when the last
/// sender is gone.
pub(super) fn start(opened: Opened) -> mpsc::Sender<Request> {
    let (sender, queue) = mpsc::channel(QUEUE_MAX);
    let writer = Writer {
        held: Held::of(&opened.writing),
        writing: opened.writing,
        reading: opened.reading,
        queue,
        lock: opened.lock,
    };
    tokio::spawn(writer.run());
    sender
}

struct Writer {
    writing: DatabaseConnection,
    /// Its one connection.
    held: Held,
    /// Only to close it: the last connection to close must be one that may write the log of recent
    /// changes back into the database.
    reading: DatabaseConnection,
    queue: mpsc::Receiver<Request>,
    lock: Lock,
}

impl Writer {
    async fn run(mut self) {
        let mut gathered = Vec::with_capacity(BATCH_MAX);
        let mut closers = Vec::new();
        while self.queue.recv_many(&mut gathered, BATCH_MAX).await > 0 {
            self.gather_more(&mut gathered).await;
            let mut batch = Vec::with_capacity(gathered.len());
            for request in gathered.drain(..) {
                match request {
                    Request::Write(write) => batch.push(write),
                    Request::Close(closer) => {
                        // What waits is still written; what comes later is refused.
                        self.queue.close();
                        closers.push(closer);
                    }
                }
            }
            self.commit(batch).await;
        }
        self.held.give_back();
        // Before the log goes: a process that is killed in between must not miss it.
        if let Err(error) = self.lock.in_use(false) {
            tracing::warn!(%error, "could not note that the database was closed; nothing is lost");
        }
        for connection in [self.reading, self.writing] {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "could not close the database cleanly; nothing is lost");
            }
        }
        drop(self.lock);
        for closer in closers {
            // Nobody waits any more: closed all the same.
            let _ = closer.send(());
        }
    }
}

impl Writer {
    /// Takes in what is about to be written: one commit costs the same for one operation as for all of them.
    async fn gather_more(&mut self, gathered: &mut Vec<Request>) {
        for _ in 0..ROUNDS_MAX {
            yield_now().await;
            let before = gathered.len();
            while gathered.len() < BATCH_MAX
                && let Ok(request) = self.queue.try_recv()
            {
                gathered.push(request);
            }
            if gathered.len() == before || before >= BATCH_MAX {
                return;
            }
        }
    }

    /// Makes all of a batch durable, in order, but for the operations that cannot be: each of these
    /// gets its error and is left out, and the others are run again without it.
    async fn commit(&mut self, mut batch: Vec<Write>) {
        let mut rows = Rows::Together;
        while !batch.is_empty() {
            match self.attempt(&batch, rows).await {
                Ok(counts) => {
                    for (write, count) in batch.drain(..).zip(counts) {
                        write.finish(Ok(count));
                    }
                }
                Err(Failure::Operation { index, error }) => batch.remove(index).finish(Err(error)),
                Err(Failure::OneOfSeveral) => rows = Rows::Apart,
                Err(Failure::Database(error)) => {
                    for write in batch.drain(..) {
                        write.finish(Err(error.clone().into()));
                    }
                }
            }
        }
    }

    async fn attempt(&mut self, batch: &[Write], rows: Rows) -> Result<Vec<u64>, Failure> {
        if rows == Rows::Together
            && let Some(statements) = all_of(batch)
        {
            return match self.held.run(statements).await {
                Ok(()) => Ok(vec![1; batch.len()]),
                Err(error) if batch.len() == 1 => Err(Failure::new(0, error.into())),
                Err(error) => Err(Failure::new(0, error.into()).of_several()),
            };
        }
        self.held.give_back();
        let at_once = TransactionOptions {
            // Waits for another program's lock here, where waiting is possible, not at the first write.
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self
            .writing
            .begin_with_options(at_once)
            .await
            .map_err(Failure::Database)?;
        match run(&transaction, batch, rows).await {
            Ok(counts) => {
                transaction.commit().await.map_err(Failure::Database)?;
                Ok(counts)
            }
            Err(failure) => {
                if let Err(error) = transaction.rollback().await {
                    // SQLite was faster; the connection is replaced.
                    tracing::debug!(%error, "rolled back already");
                }
                Err(failure)
            }
        }
    }
}

/// How operations are run that stand next to each other in a batch and can be run together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// With one statement for all.
    Together,
    /// With one for each: it shows which of them cannot be run, and what each of them met.
    Apart,
}

/// Why a batch was rolled back.
enum Failure {
    /// One operation cannot be run.
    Operation { index: usize, error: StoreError },
    /// One of several that were run together cannot.
    OneOfSeveral,
    /// Nothing can be written now: running the rest would meet the same, perhaps after a long wait.
    Database(DbErr),
}

/// What runs all of a batch, if nothing has to be looked for between.
fn all_of(batch: &[Write]) -> Option<Vec<Statement>> {
    let together = Together::gather(batch.iter().map(|write| &write.operation))?;
    let are_all = together.len() == batch.len();
    are_all
        .then(|| together.statements(DbBackend::Sqlite))
        .flatten()
}

/// Runs a batch; gives how many records each operation made, changed or deleted.
async fn run(
    transaction: &DatabaseTransaction,
    batch: &[Write],
    rows: Rows,
) -> Result<Vec<u64>, Failure> {
    let mut counts = Vec::with_capacity(batch.len());
    while let Some(write) = batch.get(counts.len()) {
        let index = counts.len();
        let together = match rows {
            Rows::Together => Together::gather(batch[index..].iter().map(|write| &write.operation)),
            Rows::Apart => None,
        };
        if let Some(together) = together.filter(|together| together.len() > 1) {
            match together.run(transaction).await {
                // Nobody asks whether an MCP session was there that is to be gone.
                Ok(()) => counts.resize(index + together.len(), 1),
                Err(error) => return Err(Failure::new(index, error).of_several()),
            }
            continue;
        }
        let count = write.operation.apply(transaction).await;
        counts.push(count.map_err(|error| Failure::new(index, error))?);
    }
    Ok(counts)
}

impl Failure {
    fn new(index: usize, error: StoreError) -> Self {
        match error {
            StoreError::Busy(error) | StoreError::Full(error) => Self::Database(error),
            StoreError::Database(error) if Refusal::of(&error) != Some(Refusal::Statement) => {
                Self::Database(error)
            }
            error => Self::Operation { index, error },
        }
    }

    fn of_several(self) -> Self {
        match self {
            Self::Operation { .. } | Self::OneOfSeveral => Self::OneOfSeveral,
            Self::Database(error) => Self::Database(error),
        }
    }
}

impl Write {
    fn finish(self, result: Result<u64, StoreError>) {
        // Nobody waits any more: written, or not, all the same.
        let _ = self.answer.send(result);
    }
}
