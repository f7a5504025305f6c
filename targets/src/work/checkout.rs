//! `checkout`: what modern applications do: little before the answer, the rest behind it.
//!
//! Stages: session (or user and password), order row, payment, email, notification. In the hybrid
//! shape the first two are done before the 202; the others are **one** job with three stages, not
//! three jobs, so that one status resource tells the whole and accepting it is one transaction.
//! A stage that is done is kept in the job's progress and not repeated by a retry. Every stage is
//! safe to repeat all the same (the order by its key, the charge by its idempotency key, mail and
//! webhooks by their ids), because a crash may come between a stage and its record.

use std::sync::Arc;

use ::http::{HeaderName, HeaderValue};
use async_trait::async_trait;
use rusqlite::params;
use serde_json::{Map, Value, json};

use super::database::Database;
use super::email::{Email, validate_email};
use super::login::{Users, session_cookie, validate_login};
use super::notifications::Notifications;
use super::payment::{Payment, validate_payment};
use super::{Job, Work, WorkError, text};

/// Takes `{"session": … or "user": …, "password": …, "amount_cents": …, "currency": …, "to": …}`.
pub(crate) struct Checkout {
    pub users: Arc<Users>,
    pub database: Database,
    pub payment: Payment,
    pub email: Email,
    pub notifications: Notifications,
}

impl Checkout {
    /// A session is an HMAC to check; a password costs an argon2 hash.
    async fn authenticate(&self, body: &Value) -> Result<String, WorkError> {
        if let Some(session) = body.get("session").and_then(Value::as_str) {
            return self
                .users
                .session_user(session)
                .ok_or_else(|| WorkError::permanent(401, "session_invalid", "the session is not genuine"));
        }
        let login = self.users.login(body).await?;
        Ok(login.get("user").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    async fn write_order(&self, job: &Job, user: String) -> Result<(), WorkError> {
        let (key, body) = (job.key.clone(), &job.payload);
        let amount = body.get("amount_cents").and_then(Value::as_i64).unwrap_or_default();
        let currency = body.get("currency").and_then(Value::as_str).unwrap_or_default().to_owned();
        let write = self.database.run(move |c| {
            c.prepare_cached(
                "INSERT INTO orders VALUES(?1, ?2, ?3, ?4, 'placed') ON CONFLICT(key) DO NOTHING",
            )?
            .execute(params![key, user, amount, currency])
        });
        write.await.map(drop)
    }

    async fn settle_order(&self, key: &str, status: &'static str) -> Result<(), WorkError> {
        let key = key.to_owned();
        let write = self.database.run(move |c| {
            c.prepare_cached("UPDATE orders SET status = ?2 WHERE key = ?1")?.execute(params![key, status])
        });
        write.await.map(drop)
    }

    /// Does one stage unless it is done; what was done so far goes along with a failure.
    async fn stage(
        &self,
        name: &str,
        work: &dyn Work,
        job: &Job,
        done: &mut Map<String, Value>,
    ) -> Result<(), WorkError> {
        if done.contains_key(name) {
            return Ok(());
        }
        // A stage of its own may be half done (some subscribers reached): that is kept apart.
        let part = format!("{name}_progress");
        let job = Job { progress: done.get(&part).cloned(), ..job.clone() };
        match work.perform(&job).await {
            Ok(result) => {
                done.remove(&part);
                done.insert(name.to_owned(), result);
                Ok(())
            }
            Err(mut error) => {
                if let Some(progress) = error.progress.take() {
                    done.insert(part, progress);
                }
                let detail = format!("{name}: {}", error.detail);
                Err(WorkError { detail, ..error }.with_progress(Value::Object(done.clone())))
            }
        }
    }
}

#[async_trait]
impl Work for Checkout {
    fn validate(&self, body: &Value) -> Result<(), String> {
        if body.get("session").is_some() {
            text(body, "session", 512)?;
        } else {
            validate_login(body).map_err(|error| format!("without \"session\", {error}"))?;
        }
        validate_payment(body)?;
        validate_email(body)
    }

    async fn admit(&self, job: &Job) -> Result<Option<Value>, WorkError> {
        let user = self.authenticate(&job.payload).await?;
        self.write_order(job, user.clone()).await?;
        Ok(Some(json!({"order": {"user": user, "order": job.key}})))
    }

    async fn perform(&self, job: &Job) -> Result<Value, WorkError> {
        let progress = match &job.progress {
            Some(progress) => Some(progress.clone()),
            None => self.admit(job).await?,
        };
        let Some(Value::Object(mut done)) = progress else {
            return Err(WorkError::permanent(500, "progress_invalid", "no order in progress"));
        };
        let paid = self.stage("payment", &self.payment, job, &mut done).await;
        if let Err(error) = paid {
            if !error.retry {
                self.settle_order(&job.key, "declined").await?;
            }
            return Err(error);
        }
        self.settle_order(&job.key, "paid")
            .await
            .map_err(|error| error.with_progress(Value::Object(done.clone())))?;
        self.stage("email", &self.email, job, &mut done).await?;
        self.stage("notification", &self.notifications, job, &mut done).await?;
        Ok(Value::Object(done))
    }

    fn headers(&self, result: &Value) -> Vec<(HeaderName, HeaderValue)> {
        session_cookie(result)
    }

    async fn read(&self, key: &str) -> Option<Result<Option<Value>, WorkError>> {
        let key = key.to_owned();
        let found = self.database.run(move |c| {
            use rusqlite::OptionalExtension as _;
            c.prepare_cached("SELECT user, amount_cents, currency, status FROM orders WHERE key = ?1")?
                .query_row([&key], |row| {
                    Ok(json!({
                        "order": key,
                        "user": row.get::<_, String>(0)?,
                        "amount_cents": row.get::<_, i64>(1)?,
                        "currency": row.get::<_, String>(2)?,
                        "status": row.get::<_, String>(3)?,
                    }))
                })
                .optional()
        });
        Some(found.await)
    }

    async fn session(&self, body: &Value) -> Option<Result<Value, WorkError>> {
        if let Err(detail) = validate_login(body) {
            return Some(Err(WorkError::permanent(400, "invalid_request", detail)));
        }
        Some(self.users.login(body).await)
    }

    fn stats(&self) -> Value {
        let mut all = Map::new();
        for part in [self.payment.stats(), self.email.stats(), self.notifications.stats()] {
            if let Value::Object(part) = part {
                all.extend(part);
            }
        }
        Value::Object(all)
    }
}
