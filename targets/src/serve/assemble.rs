//! Putting a server together from its settings.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;

use crate::args::{QueueKind, Settings, Shape, Workload};
use crate::clock::Clock;
use crate::counters::{Counter, Counters};
use crate::engine::{Engine, Policy, Running};
use crate::error::Error;
use crate::http::routes::{Mode, Service};
use crate::http::server::{self, Shutdown};
use crate::peers::Peers;
use crate::peers::client::HttpClient;
use crate::peers::gateway::Gateway;
use crate::peers::receiver::Receiver;
use crate::peers::smtp::Sink;
use crate::queue::memory::MemoryQueue;
use crate::queue::sqlite::SqliteQueue;
use crate::queue::{Backend, QueueConfig, QueueError};
use crate::shape::queued::QueuedShape;
use crate::shape::sync::SyncShape;
use crate::work::Work;
use crate::work::api::Api;
use crate::work::checkout::Checkout;
use crate::work::database::Database;
use crate::work::email::Email;
use crate::work::login::{Login, Users};
use crate::work::notifications::Notifications;
use crate::work::payment::Payment;
use crate::work::synthetic::Synthetic;

/// Finished records kept by the queue in memory.
const RETAIN: usize = 1_000_000;

/// The data directory; a temporary one is removed when this is dropped.
pub(super) struct Data {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Data {
    pub fn open(path: Option<&Path>) -> Result<Self, Error> {
        let data = |error: std::io::Error| Error::Data(error.to_string());
        match path {
            Some(path) => {
                std::fs::create_dir_all(path).map_err(|error| {
                    Error::Data(format!("{}: {error}; give another --data", path.display()))
                })?;
                Ok(Self { path: path.to_owned(), _temporary: None })
            }
            None => {
                let temporary = tempfile::Builder::new().prefix("plimsoll-").tempdir();
                let temporary = temporary.map_err(data)?;
                Ok(Self { path: temporary.path().to_owned(), _temporary: Some(temporary) })
            }
        }
    }
}

/// A number unlikely to be another server's.
fn instance() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.subsec_nanos() ^ (now.as_secs() as u32).rotate_left(16) ^ std::process::id()
}

/// The work of a server, and the peers started for it.
pub(super) struct Parts {
    work: Arc<dyn Work>,
    peers: Peers,
}

struct Builder<'a> {
    settings: &'a Settings,
    data: &'a Data,
    clock: &'a Clock,
    shutdown: &'a Shutdown,
    client: HttpClient,
    peers: Peers,
}

/// Starts the peers that the workload needs, and connects its work to them.
pub(super) async fn work(
    settings: &Settings,
    data: &Data,
    clock: &Clock,
    shutdown: &Shutdown,
) -> Result<Parts, Error> {
    let idle = settings.workers * settings.args.subscribers as usize;
    let client = HttpClient::new(idle);
    let mut builder = Builder { settings, data, clock, shutdown, client, peers: Peers::default() };
    let faults = settings.faults();
    let work: Arc<dyn Work> = match settings.args.workload {
        Workload::Api => Arc::new(Api { database: builder.database()?, faults }),
        Workload::Login => Arc::new(Login { users: builder.users()?, faults }),
        Workload::Email => Arc::new(builder.email().await?),
        Workload::Payment => Arc::new(builder.payment().await?),
        Workload::Notifications => Arc::new(builder.notifications().await?),
        Workload::Checkout => Arc::new(Checkout {
            users: builder.users()?,
            database: builder.database()?,
            payment: builder.payment().await?,
            email: builder.email().await?,
            notifications: builder.notifications().await?,
        }),
        Workload::Synthetic | Workload::SmtpSink | Workload::Gateway => {
            Arc::new(Synthetic { faults, kind: settings.args.work })
        }
    };
    Ok(Parts { work, peers: builder.peers })
}

impl Builder<'_> {
    fn database(&self) -> Result<Database, Error> {
        Database::open(&self.data.path).map_err(|error| Error::Data(error.to_string()))
    }

    fn users(&self) -> Result<Arc<Users>, Error> {
        Users::new(&self.settings.args, self.settings.workers).map_err(Error::Usage)
    }

    async fn listen(&self) -> Result<(tokio::net::TcpListener, SocketAddr), Error> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = server::bind(any, "a bundled peer").await?;
        let address = listener.local_addr();
        let address = address.map_err(|source| Error::Io { what: "cannot listen", source })?;
        Ok((listener, address))
    }

    async fn email(&mut self) -> Result<Email, Error> {
        let workers = self.settings.workers;
        if let Some(server) = self.settings.args.smtp {
            return Ok(Email::new(server, None, workers));
        }
        let (listener, address) = self.listen().await?;
        let sink = Sink::new(self.settings.faults());
        tokio::spawn(Arc::clone(&sink).run(listener, self.shutdown.clone()));
        self.peers.sink = Some(Arc::clone(&sink));
        Ok(Email::new(address, Some(sink), workers))
    }

    async fn payment(&mut self) -> Result<Payment, Error> {
        if let Some(peer) = self.settings.args.gateway {
            return Payment::new(self.client.clone(), peer, None).map_err(Error::Usage);
        }
        let (listener, address) = self.listen().await?;
        let gateway = Gateway::new(self.settings.faults());
        let handler = {
            let gateway = Arc::clone(&gateway);
            move |request| Arc::clone(&gateway).handle(request)
        };
        tokio::spawn(server::run(listener, 4096, self.shutdown.clone(), handler));
        self.peers.gateway = Some(Arc::clone(&gateway));
        Payment::new(self.client.clone(), address, Some(gateway)).map_err(Error::Usage)
    }

    async fn notifications(&mut self) -> Result<Notifications, Error> {
        let (listener, address) = self.listen().await?;
        let subscribers = self.settings.args.subscribers as usize;
        let receiver = Receiver::new(self.settings.faults(), subscribers);
        let handler = {
            let receiver = Arc::clone(&receiver);
            move |request| Arc::clone(&receiver).handle(request)
        };
        tokio::spawn(server::run(listener, 4096, self.shutdown.clone(), handler));
        self.peers.receiver = Some(Arc::clone(&receiver));
        let (client, seed) = (self.client.clone(), self.settings.args.seed);
        Notifications::new(client, address, seed, subscribers, self.clock.clone(), receiver)
            .map_err(Error::Usage)
    }
}

/// The service around the work, and the workers if jobs are queued.
pub(super) fn service(
    settings: &Settings,
    data: &Data,
    clock: &Clock,
    parts: Parts,
) -> Result<(Service, Option<Running>), Error> {
    let Parts { work, peers } = parts;
    let counters = Arc::new(Counters::default());
    let name = settings.args.workload.name();
    let (mode, running) = if settings.shape == Shape::Sync {
        let size = (settings.workers, settings.capacity);
        let shape = SyncShape::new(Arc::clone(&work), Arc::clone(&counters), clock.clone(), size, name);
        (Mode::Sync(shape), None)
    } else {
        let backend = backend(settings, data, clock)?;
        let engine =
            Engine::new(backend, Arc::clone(&work), policy(settings), Arc::clone(&counters), clock.clone());
        let running = engine.start();
        let front = (settings.shape == Shape::Hybrid)
            .then(|| Arc::new(Semaphore::new(settings.workers + settings.capacity)));
        let work = Arc::clone(&work);
        let queued = QueuedShape { engine, work, workers: settings.workers, front };
        (Mode::Queued(queued), Some(running))
    };
    let service = Service {
        name,
        mode,
        work,
        peers,
        counters,
        clock: clock.clone(),
        started_us: clock.now_us(),
        workers: settings.workers,
        capacity: settings.capacity,
        instance: instance(),
        made: Counter::default(),
    };
    Ok((service, running))
}

fn policy(settings: &Settings) -> Policy {
    let args = &settings.args;
    Policy {
        workers: settings.workers,
        seed: args.seed,
        backoff: args.backoff,
        backoff_max: args.backoff_max,
        visibility: args.visibility_timeout,
        extend_leases: !args.no_lease_extension,
    }
}

fn backend(settings: &Settings, data: &Data, clock: &Clock) -> Result<Arc<dyn Backend>, Error> {
    let config = QueueConfig {
        // As in the sync shape: so many may wait, besides those being worked on.
        capacity: settings.capacity + settings.workers,
        max_attempts: settings.args.max_attempts,
        retain: RETAIN,
    };
    match settings.args.queue {
        QueueKind::Memory => Ok(Arc::new(MemoryQueue::new(config, clock.clone(), instance()))),
        QueueKind::Sqlite => {
            let opened = SqliteQueue::open(&data.path, config, clock.clone(), instance());
            let queue = opened.map_err(|error| match error {
                QueueError::Storage(text) => Error::Data(text),
                QueueError::Stopped => Error::Queue(error),
            })?;
            if queue.recovered() > 0 {
                eprintln!(
                    "warning: {} jobs were in progress when the last server on this data \
                     directory ended; they will be delivered again",
                    queue.recovered()
                );
            }
            Ok(Arc::new(queue))
        }
    }
}
