//! `login`: argon2id against a seeded table of users, and a session.
//!
//! User `user-i` has the password `password-i`. The salts come from the seed, so that a table is
//! the same at every start. The work is CPU and memory: it runs on blocking threads, at most as
//! many at a time as there are workers.

use std::sync::Arc;

use ::http::{HeaderName, HeaderValue, header};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::{Job, Work, WorkError, text};
use crate::args::ServeArgs;
use crate::peers::faults::Faults;

/// Length of a hash, in bytes.
const HASH: usize = 32;

/// The users, and what their sessions are signed with.
pub(crate) struct Users {
    argon2: Argon2<'static>,
    hashes: Vec<[u8; HASH]>,
    seed: u64,
    /// Signs sessions: made from the seed, so that a session outlives a restart on the same seed.
    secret: [u8; 32],
    threads: Arc<Semaphore>,
}

fn salt(seed: u64, user: usize) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(format!("login salt {seed} {user}")).into();
    let mut salt = [0; 16];
    salt.copy_from_slice(&digest[..16]);
    salt
}

impl Users {
    /// Hashes the password of every user: takes `users` times the cost of one login, shared among
    /// the cores.
    ///
    /// # Errors
    /// A sentence, if argon2 refuses its parameters.
    pub fn new(args: &ServeArgs, workers: usize) -> Result<Arc<Self>, String> {
        let params =
            Params::new(args.argon2_memory, args.argon2_iterations, args.argon2_parallelism, Some(HASH))
                .map_err(|error| error.to_string())?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hashes = hash_all(&argon2, args.seed, args.users as usize)?;
        let secret = Sha256::digest(format!("session secret {}", args.seed)).into();
        let threads = Arc::new(Semaphore::new(workers));
        Ok(Arc::new(Self { argon2, hashes, seed: args.seed, secret, threads }))
    }

    /// Verifies a password and starts a session: `Ok(None)` if they do not match.
    ///
    /// An unknown user costs as much as a known one, so that the time does not tell them apart.
    async fn verify(self: &Arc<Self>, user: &str, password: &str) -> Result<bool, WorkError> {
        let lost = |error: String| WorkError::transient("worker_lost", error);
        let place = Arc::clone(&self.threads).acquire_owned().await;
        let place = place.map_err(|error| lost(error.to_string()))?;
        let number = user.strip_prefix("user-").and_then(|number| number.parse::<usize>().ok());
        let known = number.filter(|number| *number < self.hashes.len());
        let (users, password) = (Arc::clone(self), password.to_owned());
        let verify = move || {
            let _place = place;
            let at = known.unwrap_or(0);
            let found = hash(&users.argon2, &password, &salt(users.seed, at))?;
            let same = found.iter().zip(&users.hashes[at]).fold(0, |d, (a, b)| d | (a ^ b)) == 0;
            Ok::<_, String>(same && known.is_some())
        };
        let verified = tokio::task::spawn_blocking(verify).await;
        verified.map_err(|error| lost(error.to_string()))?.map_err(lost)
    }

    fn sign(&self, user: &str) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(&self.secret).map(|mut mac| {
            mac.update(user.as_bytes());
            mac.finalize().into_bytes()
        });
        URL_SAFE_NO_PAD.encode(mac.unwrap_or_default())
    }

    /// Verifies the password and answers with a session.
    ///
    /// # Errors
    /// 401 if user and password do not match.
    pub async fn login(self: &Arc<Self>, body: &Value) -> Result<Value, WorkError> {
        let get = |name| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let user = get("user");
        if self.verify(user, get("password")).await? {
            Ok(json!({"user": user, "session": format!("{user}.{}", self.sign(user))}))
        } else {
            let detail = "user and password do not match";
            Err(WorkError::permanent(401, "wrong_password", detail))
        }
    }

    /// The user a session belongs to, if it is genuine.
    pub fn session_user(&self, session: &str) -> Option<String> {
        let (user, signature) = session.rsplit_once('.')?;
        let bytes = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        mac.update(user.as_bytes());
        mac.verify_slice(&bytes).is_ok().then(|| user.to_owned())
    }
}

fn hash(argon2: &Argon2<'_>, password: &str, salt: &[u8]) -> Result<[u8; HASH], String> {
    let mut out = [0; HASH];
    let mut memory = vec![Block::default(); argon2.params().block_count()];
    argon2
        .hash_password_into_with_memory(password.as_bytes(), salt, &mut out, &mut memory)
        .map_err(|error| error.to_string())?;
    Ok(out)
}

fn hash_all(argon2: &Argon2<'_>, seed: u64, users: usize) -> Result<Vec<[u8; HASH]>, String> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let all: Vec<usize> = (0..users).collect();
    std::thread::scope(|scope| {
        let parts: Vec<_> = all
            .chunks(users.div_ceil(cores).max(1))
            .map(|part| {
                scope.spawn(move || {
                    let one = |i: &usize| hash(argon2, &format!("password-{i}"), &salt(seed, *i));
                    part.iter().map(one).collect::<Result<Vec<_>, _>>()
                })
            })
            .collect();
        let mut hashes = Vec::with_capacity(users);
        for part in parts {
            hashes.extend(part.join().map_err(|_| "hashing panicked".to_owned())??);
        }
        Ok(hashes)
    })
}

/// Checks a body with user and password.
pub(crate) fn validate_login(body: &Value) -> Result<(), String> {
    text(body, "user", 128)?;
    text(body, "password", 256)?;
    Ok(())
}

/// Verifies `{"user": …, "password": …}`.
pub(crate) struct Login {
    pub users: Arc<Users>,
    pub faults: Faults,
}

#[async_trait]
impl Work for Login {
    fn validate(&self, body: &Value) -> Result<(), String> {
        validate_login(body)
    }

    async fn perform(&self, job: &Job) -> Result<Value, WorkError> {
        self.faults.inject("login", job)?;
        self.users.login(&job.payload).await
    }

    fn headers(&self, result: &Value) -> Vec<(HeaderName, HeaderValue)> {
        session_cookie(result)
    }
}

/// The cookie of a result that carries a session.
pub(crate) fn session_cookie(result: &Value) -> Vec<(HeaderName, HeaderValue)> {
    let session = result.get("session").and_then(Value::as_str);
    let cookie = session.and_then(|session| {
        // Not `Secure`: the bundled servers speak plain HTTP.
        HeaderValue::from_str(&format!("session={session}; Path=/; HttpOnly; SameSite=Lax")).ok()
    });
    cookie.map(|cookie| (header::SET_COOKIE, cookie)).into_iter().collect()
}
