//! `email`: a real message, delivered by SMTP.
//!
//! The client is lettre's, on streams of our own: lettre does not set `TCP_NODELAY`, and sends a
//! message and its final dot in two writes, of which the second would wait up to 40 ms for a
//! delayed acknowledgement. Connections are kept, as many as there are workers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;

use super::{Job, Work, WorkError, optional_text, text};
use crate::peers::smtp::{KEY_HEADER, Sink};

/// Longest conversation about one message.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Delivers `{"to": …, "subject": …, "text": …}`; subject and text may be absent.
pub(crate) struct Email {
    pub server: SocketAddr,
    /// Our own sink, whose ledger goes into the stats; absent if mail goes elsewhere.
    pub sink: Option<Arc<Sink>>,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
    idle_max: usize,
}

/// Checks the members this workload reads.
pub(crate) fn validate_email(body: &Value) -> Result<(), String> {
    let to = text(body, "to", 254)?;
    let mailbox: Result<Mailbox, _> = to.parse();
    mailbox.map_err(|error| format!("\"to\" is not a mail address: {error}"))?;
    optional_text(body, "subject", 200)?;
    optional_text(body, "text", 32 * 1024)?;
    Ok(())
}

impl Email {
    /// A client of the SMTP server at `server`, keeping up to `connections` open.
    pub fn new(server: SocketAddr, sink: Option<Arc<Sink>>, connections: usize) -> Self {
        Self { server, sink, idle: Mutex::default(), idle_max: connections }
    }

    /// The same key gives the same Message-ID at every attempt: what a real receiver dedupes by.
    fn compose(job: &Job) -> Result<Message, WorkError> {
        let invalid = |error: String| WorkError::permanent(422, "message_invalid", error);
        let get = |name| job.payload.get(name).and_then(Value::as_str);
        let to = get("to").unwrap_or_default().parse::<Mailbox>();
        let id: String = Sha256::digest(&job.key).iter().map(|b| format!("{b:02x}")).collect();
        let mut message = Message::builder()
            .from("load@plimsoll.test".parse().map_err(|e| invalid(format!("{e}")))?)
            .to(to.map_err(|error| invalid(error.to_string()))?)
            .subject(get("subject").unwrap_or("plimsoll"))
            .message_id(Some(format!("<{id}@plimsoll.test>")))
            .body(get("text").unwrap_or("A message of a load test.\n").to_owned())
            .map_err(|error| invalid(error.to_string()))?;
        let mut put = |name: &'static str, value: &str| {
            let name = HeaderName::new_from_ascii_str(name);
            message.headers_mut().insert_raw(HeaderValue::new(name, value.to_owned()));
        };
        put(KEY_HEADER, &job.key);
        if let Some(traceparent) = &job.traceparent {
            put("Traceparent", traceparent);
        }
        Ok(message)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, WorkError> {
        let unreachable = |error: String| WorkError::transient("smtp_unreachable", error);
        let stream = TcpStream::connect(self.server).await.map_err(|e| unreachable(e.to_string()))?;
        stream.set_nodelay(true).map_err(|e| unreachable(e.to_string()))?;
        let name = ClientId::Domain("client.plimsoll.test".to_owned());
        AsyncSmtpConnection::connect_with_transport(Box::new(stream), &name)
            .await
            .map_err(|error| unreachable(error.to_string()))
    }

    fn idle(&self) -> Option<AsyncSmtpConnection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.idle_max {
            idle.push(connection);
        }
    }

    async fn deliver(&self, message: &Message) -> Result<String, WorkError> {
        let mail = || Mail::new(message.envelope().from().cloned(), Vec::new());
        let mut connection = match self.idle() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        if let Err(error) = connection.command(mail()).await {
            if error.status().is_some() {
                return Err(refused(&error));
            }
            // A kept connection may have been closed meanwhile; nothing was sent on it yet.
            connection = self.connect().await?;
            connection.command(mail()).await.map_err(|error| refused(&error))?;
        }
        let outcome = transfer(&mut connection, message).await;
        match outcome {
            Ok(code) => {
                self.keep(connection);
                Ok(code)
            }
            Err(error) => {
                let answered = error.status().is_some();
                // After a refusal of the whole message the conversation can go on.
                if answered && connection.command(lettre::transport::smtp::commands::Rset).await.is_ok() {
                    self.keep(connection);
                }
                Err(refused(&error))
            }
        }
    }
}

async fn transfer(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<String, SmtpError> {
    for recipient in message.envelope().to() {
        connection.command(Rcpt::new(recipient.clone(), Vec::new())).await?;
    }
    connection.command(Data).await?;
    let response = connection.message(&message.formatted()).await?;
    Ok(response.code().to_string())
}

/// 4xx and broken conversations may pass; 5xx is a bounce, told as 422: the request was understood,
/// but this recipient will never get it.
fn refused(error: &SmtpError) -> WorkError {
    if error.is_permanent() {
        WorkError::permanent(422, "smtp_bounced", error.to_string())
    } else {
        let code = if error.is_transient() { "smtp_deferred" } else { "smtp_broken" };
        WorkError::transient(code, error.to_string())
    }
}

#[async_trait]
impl Work for Email {
    fn validate(&self, body: &Value) -> Result<(), String> {
        validate_email(body)
    }

    async fn perform(&self, job: &Job) -> Result<Value, WorkError> {
        let message = Self::compose(job)?;
        let code = tokio::time::timeout(TIMEOUT, self.deliver(&message)).await.unwrap_or_else(|_| {
            Err(WorkError::transient("smtp_timeout", "no end of the conversation within 60 s"))
        })?;
        Ok(json!({"smtp": code, "to": job.payload.get("to")}))
    }

    fn stats(&self) -> Value {
        self.sink.as_ref().map_or_else(|| json!({}), |sink| sink.stats())
    }
}
