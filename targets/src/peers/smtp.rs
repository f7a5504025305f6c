//! The SMTP sink: takes mail, slowly and unreliably as told, and remembers it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::faults::{Fault, Faults};
use super::ledger::{ID_MAX, Ledger};
use super::smtp_session::{Handler, Message, Verdict, talk};
use crate::http::server::Shutdown;
use crate::pause::pause_until;

/// The header that carries the job's key.
pub(crate) const KEY_HEADER: &str = "X-Plimsoll-Key";
/// Most conversations at the same time.
const SESSIONS_MAX: usize = 4096;

/// What the sink did, and to which messages.
pub(crate) struct Sink {
    faults: Faults,
    /// Effects: messages accepted. Remembered for each key: deliveries tried.
    pub ledger: Ledger<u64>,
    messages: AtomicU64,
    deferred: AtomicU64,
    bounced: AtomicU64,
}

impl Sink {
    /// A sink with an empty ledger.
    pub fn new(faults: Faults) -> Arc<Self> {
        Arc::new(Self {
            faults,
            ledger: Ledger::default(),
            messages: AtomicU64::new(0),
            deferred: AtomicU64::new(0),
            bounced: AtomicU64::new(0),
        })
    }

    /// Its share of `/v1/stats`.
    pub fn stats(&self) -> Value {
        let (delivered, distinct) = self.ledger.totals();
        json!({
            "smtp_messages": self.messages.load(Ordering::Relaxed),
            "smtp_deferred": self.deferred.load(Ordering::Relaxed),
            "smtp_bounced": self.bounced.load(Ordering::Relaxed),
            "smtp_delivered": delivered,
            "smtp_distinct": distinct,
        })
    }

    /// Serves until shutdown; conversations in progress are then cut off.
    pub async fn run(self: Arc<Self>, listener: TcpListener, mut shutdown: Shutdown) {
        let places = Arc::new(Semaphore::new(SESSIONS_MAX));
        loop {
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, stream) = tokio::select! {
                accepted = accepted => accepted,
                () = shutdown.wanted() => return,
            };
            let Ok((stream, _)) = stream else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            // A reply is one small write: it must not wait for an acknowledgement.
            let _ = stream.set_nodelay(true);
            let (sink, mut shutdown) = (Arc::clone(&self), shutdown.clone());
            tokio::spawn(async move {
                tokio::select! {
                    // An error is a client that left: nothing was accepted from it.
                    _ = talk(stream, &*sink) => {}
                    () = shutdown.wanted() => {}
                }
                drop(place);
            });
        }
    }
}

impl Handler for Sink {
    async fn message(&self, message: Message) -> Verdict {
        let start = Instant::now();
        self.messages.fetch_add(1, Ordering::Relaxed);
        let Some(key) = header(&message.data, KEY_HEADER)
            .or_else(|| header(&message.data, "Message-ID"))
            .filter(|_| message.recipients > 0)
        else {
            return Verdict { code: 554, text: "5.6.0 no key header and no Message-ID" };
        };
        if key.len() > ID_MAX {
            return Verdict { code: 554, text: "5.6.0 the key is longer than 256 bytes" };
        }
        let call = self.ledger.update(&key, |calls| {
            *calls += 1;
            *calls
        });
        pause_until(start + self.faults.time("smtp", &key)).await;
        match self.faults.of("smtp", &key, call) {
            Fault::Transient => {
                self.deferred.fetch_add(1, Ordering::Relaxed);
                Verdict { code: 451, text: "4.3.0 try again later" }
            }
            Fault::Permanent => {
                self.bounced.fetch_add(1, Ordering::Relaxed);
                Verdict { code: 550, text: "5.1.1 no such mailbox" }
            }
            Fault::None | Fault::LostResponse => {
                self.ledger.effect(&key);
                Verdict { code: 250, text: "2.0.0 accepted" }
            }
        }
    }
}

/// The value of a header, unfolded.
fn header(data: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(data);
    let head = text.split("\r\n\r\n").next()?;
    let mut lines = head
        .split("\r\n")
        .skip_while(|line| line.split_once(':').is_none_or(|(found, _)| !found.eq_ignore_ascii_case(name)));
    let (_, first) = lines.next()?.split_once(':')?;
    let folded = lines.take_while(|line| line.starts_with([' ', '\t']));
    let value = folded.fold(first.trim().to_owned(), |value, more| value + more.trim());
    Some(value).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_and_unfolded() {
        let data = b"Subject: s\r\nx-plimsoll-key: ab\r\n cd\r\nTo: x\r\n\r\nX-Plimsoll-Key: no\r\n";
        assert_eq!(header(data, KEY_HEADER).as_deref(), Some("abcd"));
        assert_eq!(header(data, "Cc"), None);
    }
}
