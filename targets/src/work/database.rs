//! The application's own database (items, orders), with group commit.
//!
//! One thread owns the connection. It runs every closure that has arrived in one transaction,
//! each in a savepoint of its own, and answers after the commit: concurrent requests share a sync.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::WorkError;

/// Most closures in one transaction.
const BATCH_MAX: usize = 256;

type Step = Box<dyn FnOnce(&mut Transaction<'_>) -> rusqlite::Result<Answer> + Send>;
/// Told whether the commit went through.
type Answer = Box<dyn FnOnce(Result<(), String>) + Send>;

/// A handle to the database's thread.
#[derive(Clone)]
pub(crate) struct Database {
    steps: mpsc::Sender<Step>,
}

fn failed(error: impl ToString) -> WorkError {
    WorkError { status: 500, ..WorkError::transient("database_error", error.to_string()) }
}

impl Database {
    /// Opens `app.sqlite` in `directory`, synced at every commit, and creates its tables.
    pub fn open(directory: &Path) -> Result<Self, rusqlite::Error> {
        let mut connection = Connection::open(directory.join("app.sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "fullfsync", true)?;
        connection.set_prepared_statement_cache_capacity(32);
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS items(
               key TEXT PRIMARY KEY, value TEXT NOT NULL, version INTEGER NOT NULL
             ) STRICT;
             CREATE TABLE IF NOT EXISTS orders(
               key TEXT PRIMARY KEY, user TEXT NOT NULL, amount_cents INTEGER NOT NULL,
               currency TEXT NOT NULL, status TEXT NOT NULL
             ) STRICT;",
        )?;
        let (steps, mut waiting) = mpsc::channel::<Step>(1024);
        let run = move || {
            while let Some(first) = waiting.blocking_recv() {
                let mut batch = vec![first];
                while batch.len() < BATCH_MAX
                    && let Ok(step) = waiting.try_recv()
                {
                    batch.push(step);
                }
                commit(&mut connection, batch);
            }
        };
        std::thread::Builder::new()
            .name("app-database".to_owned())
            .spawn(run)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        Ok(Self { steps })
    }

    /// Runs `step` durably: returns after the commit it was part of.
    pub async fn run<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, WorkError> {
        let (reply, answer) = oneshot::channel();
        let step: Step = Box::new(move |tx| {
            let savepoint = tx.savepoint()?;
            let done = step(&savepoint);
            if done.is_ok() {
                savepoint.commit()?;
            }
            // Dropped without a commit, a savepoint rolls back: one failure spares its neighbours.
            let answer: Answer = Box::new(move |committed| {
                let done = committed.and_then(|()| done.map_err(|error| error.to_string()));
                drop(reply.send(done));
            });
            Ok(answer)
        });
        self.steps.send(step).await.map_err(|_| failed("the database has stopped"))?;
        answer.await.map_err(|_| failed("the database has stopped"))?.map_err(failed)
    }
}

fn commit(connection: &mut Connection, batch: Vec<Step>) {
    let mut answers = Vec::with_capacity(batch.len());
    let outcome = run_batch(connection, batch, &mut answers).map_err(|error| error.to_string());
    for answer in answers {
        answer(outcome.clone());
    }
}

/// A step whose answer is not pushed drops its reply, which its caller reads as a failure.
fn run_batch(
    connection: &mut Connection,
    batch: Vec<Step>,
    answers: &mut Vec<Answer>,
) -> rusqlite::Result<()> {
    let mut tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in batch {
        answers.push(step(&mut tx)?);
    }
    tx.commit()
}
