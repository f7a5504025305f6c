//! `api`: JSON items in an embedded SQLite table.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};
use serde_json::{Value, json};

use super::database::Database;
use super::{Job, Work, WorkError};
use crate::peers::faults::Faults;

/// Writes `{"value": …}` under the job's key; a write that is repeated changes nothing.
pub(crate) struct Api {
    pub database: Database,
    pub faults: Faults,
}

#[async_trait]
impl Work for Api {
    fn validate(&self, body: &Value) -> Result<(), String> {
        body.get("value").map(drop).ok_or_else(|| "\"value\" is missing: any JSON".to_owned())
    }

    async fn perform(&self, job: &Job) -> Result<Value, WorkError> {
        self.faults.inject("api", job)?;
        let key = job.key.clone();
        let value = job.payload.get("value").cloned().unwrap_or_default().to_string();
        let version: i64 = self
            .database
            .run(move |c| {
                c.prepare_cached(
                    "INSERT INTO items VALUES(?1, ?2, 1) ON CONFLICT(key) DO UPDATE
                       SET version = version + (value != ?2), value = ?2 RETURNING version",
                )?
                .query_row(params![key, value], |row| row.get(0))
            })
            .await?;
        Ok(json!({"item": job.key, "version": version}))
    }

    async fn read(&self, key: &str) -> Option<Result<Option<Value>, WorkError>> {
        let key = key.to_owned();
        let found = self.database.run(move |c| {
            c.prepare_cached("SELECT key, value, version FROM items WHERE key = ?1")?
                .query_row([key], |row| {
                    let value: String = row.get(1)?;
                    Ok(json!({
                        "key": row.get::<_, String>(0)?,
                        "value": serde_json::from_str::<Value>(&value).unwrap_or_default(),
                        "version": row.get::<_, i64>(2)?,
                    }))
                })
                .optional()
        });
        Some(found.await)
    }
}
