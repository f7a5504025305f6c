//! Where a server is: its address, resolved once, and how to open a connection to it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_model::sample::FailureKind;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// A byte stream to a server, in clear or under TLS.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// An origin with its addresses.
#[derive(Clone)]
pub struct Endpoint {
    base: http::Uri,
    addresses: Arc<[SocketAddr]>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("base", &self.base).field("addresses", &self.addresses).finish()
    }
}

/// A target's URL that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL.
    #[error("{url:?} is not a URL with scheme http or https and a host")]
    Url {
        /// What was given.
        url: String,
    },
    /// Its host has no address.
    #[error("cannot resolve {host}: {source}; check the name, or give an address")]
    Resolve {
        /// The host and port.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// No trusted certificates.
    #[error("cannot check certificates: {0}; install ca-certificates or set SSL_CERT_FILE")]
    Roots(String),
}

impl Endpoint {
    /// Parse `url` and resolve its host, once, so that name look-ups don't count as latency.
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn resolve(url: &str) -> Result<Self, EndpointError> {
        let bad = || EndpointError::Url { url: url.to_owned() };
        let base: http::Uri = url.parse().map_err(|_| bad())?;
        let host = base.host().ok_or_else(bad)?.trim_matches(['[', ']']).to_owned();
        let secure = match base.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad()),
        };
        let port = base.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let unresolved = |source| EndpointError::Resolve { host: format!("{host}:{port}"), source };
        let addresses: Arc<[SocketAddr]> =
            std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port)).map_err(unresolved)?.collect();
        if addresses.is_empty() {
            return Err(unresolved(io::Error::new(io::ErrorKind::NotFound, "no address")));
        }
        let tls = match secure {
            true => Some((connector()?, ServerName::try_from(host).map_err(|_| bad())?)),
            false => None,
        };
        Ok(Endpoint { base, addresses, tls })
    }

    /// The `Host` header's value.
    pub fn authority(&self) -> &str {
        self.base.authority().map_or("", |a| a.as_str())
    }

    /// The URL's own path, without a final slash.
    pub fn base_path(&self) -> &str {
        self.base.path().trim_end_matches('/')
    }

    /// The path and query of `location` (absolute, or relative to this origin), if it is of this origin.
    pub fn same_origin_path<'a>(&self, location: &'a str) -> Option<&'a str> {
        if location.starts_with('/') && !location.starts_with("//") {
            return Some(location);
        }
        let (scheme, rest) = location.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find('/')?);
        let same = self.base.scheme_str()?.eq_ignore_ascii_case(scheme)
            && self.authority().eq_ignore_ascii_case(authority);
        same.then_some(path)
    }

    /// Wait until something listens there, at most for `patience`. Blocks.
    ///
    /// # Errors
    /// Why the last attempt failed.
    pub fn wait_reachable(&self, patience: Duration) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
            for address in self.addresses.iter() {
                match std::net::TcpStream::connect_timeout(address, patience) {
                    Ok(_) => return Ok(()),
                    Err(e) => last = e,
                }
            }
            if begun.elapsed() >= patience {
                return Err(last);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Open a connection, trying each address in turn.
    ///
    /// # Errors
    /// The kind of failure of the last address tried.
    pub async fn connect(&self) -> Result<Box<dyn Stream>, FailureKind> {
        let mut tcp = None;
        for address in self.addresses.iter() {
            if let Ok(stream) = TcpStream::connect(address).await {
                tcp = Some(stream);
                break;
            }
        }
        let tcp = tcp.ok_or(FailureKind::Connect)?;
        // Without it Nagle's algorithm would wait for an acknowledgement and show as latency.
        tcp.set_nodelay(true).map_err(|_| FailureKind::Connect)?;
        match &self.tls {
            None => Ok(Box::new(tcp)),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), tcp).await.map_err(|_| FailureKind::Tls)?;
                Ok(Box::new(stream))
            }
        }
    }
}

fn connector() -> Result<TlsConnector, EndpointError> {
    let roots_error = |e: &dyn std::fmt::Display| EndpointError::Roots(e.to_string());
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why =
            found.errors.first().map_or("no trusted certificate was found".to_owned(), |e| e.to_string());
        return Err(EndpointError::Roots(why));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| roots_error(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_of_another_origin_is_not_followed() {
        let here = Endpoint::resolve("http://127.0.0.1:8080/base/").unwrap();
        assert_eq!(here.base_path(), "/base");
        for (location, path) in [
            ("/v1/jobs/7", Some("/v1/jobs/7")),
            ("http://127.0.0.1:8080/v1/jobs/7?x=1", Some("/v1/jobs/7?x=1")),
            ("http://127.0.0.1:8081/v1/jobs/7", None),
            ("https://127.0.0.1:8080/v1/jobs/7", None),
            ("//elsewhere/v1/jobs/7", None),
            ("http://127.0.0.1:8080", None),
            ("jobs/7", None),
        ] {
            assert_eq!(here.same_origin_path(location), path, "{location}");
        }
    }

    #[test]
    fn a_bad_url_is_told_from_a_name_without_an_address() {
        for url in ["", "nonsense", "ftp://x/", "/path"] {
            assert!(matches!(Endpoint::resolve(url), Err(EndpointError::Url { .. })), "{url}");
        }
        let missing = Endpoint::resolve("http://no-such-host.invalid/");
        assert!(matches!(missing, Err(EndpointError::Resolve { .. })));
    }
}
