//! URLs of targets: as much of RFC 3986 as `http` and `https` endpoints need.

use std::fmt;
use std::net::Ipv6Addr;

/// An `http` or `https` URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    /// Whether the scheme is `https`.
    pub tls: bool,
    /// Host name or address; IPv6 without its brackets.
    pub host: String,
    /// Port; 80 or 443 when not written.
    pub port: u16,
    /// Host and port as the `Host` header has them.
    pub authority: String,
    /// Path and query as written; may be empty.
    pub base: String,
}

/// Why a text is not such a URL. Never quotes the text, which may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
    /// Whether the text holds a password.
    pub secret: bool,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.remedy)
    }
}

impl std::error::Error for UrlError {}

impl HttpUrl {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// Without scheme or host, with another scheme, user information, a fragment, a port that is
    /// none, or a character that has to be percent-encoded.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let fail = |message: &str, remedy: &str| {
            let secret = text.contains('@');
            Err(UrlError { message: message.to_owned(), remedy: remedy.to_owned(), secret })
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            return fail("the URL has no scheme", "begin it with http:// or https://");
        };
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return fail("the URL's scheme is neither http nor https", "begin it with http://"),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, base) = rest.split_at(end);
        if authority.contains('@') {
            return fail(
                "the URL holds a user name or password, which would end up in reports",
                "send it as a header from the environment: headers: { authorization: 'Basic {{env:BASIC_AUTH}}' }",
            );
        }
        if base.contains('#') {
            return fail("the URL has a fragment, which is never sent", "remove # and what follows");
        }
        if let Some(c) = base.chars().find(|c| !uri_char(*c)) {
            return fail(&format!("the URL holds {c:?}"), "percent-encode it");
        }
        let (host, port) = match split_authority(authority) {
            Ok((host, port)) => (host, port.unwrap_or(if tls { 443 } else { 80 })),
            Err(message) => return fail(message, "write for instance http://127.0.0.1:8080/"),
        };
        Ok(Self { tls, host, port, authority: authority.to_owned(), base: base.to_owned() })
    }

    /// What to ask this target for, given a request's path: `path` appended to the URL's own path,
    /// or the URL's own path and query when `path` is empty. Always begins with `/`.
    pub fn join(&self, path: &str) -> String {
        let joined = if path.is_empty() {
            self.base.clone()
        } else {
            format!("{}{path}", self.base.trim_end_matches('/'))
        };
        if joined.starts_with('/') { joined } else { format!("/{joined}") }
    }
}

/// Whether a character may stand in a path or query as it is.
pub(super) fn uri_char(c: char) -> bool {
    c.is_ascii_graphic() && !r#""<>\^`{|}"#.contains(c)
}

fn split_authority(authority: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or("the URL's IPv6 address is not closed by ]")?;
        if address.parse::<Ipv6Addr>().is_err() {
            return Err("the URL's IPv6 address is none");
        }
        match rest.strip_prefix(':') {
            None if rest.is_empty() => (address, None),
            None => return Err("the URL's host is not a name or address"),
            Some(port) => (address, Some(port)),
        }
    } else {
        let (host, port) = authority.split_once(':').map_or((authority, None), |(h, p)| (h, Some(p)));
        if host.is_empty() {
            return Err("the URL has no host");
        }
        if host.len() > 253 || !host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) {
            return Err("the URL's host is not a name or address");
        }
        (host, port)
    };
    let port = port
        .map(|p| p.parse::<u16>().ok().filter(|n| *n > 0 && !p.starts_with('+')))
        .map(|p| p.ok_or("the URL's port is not a number from 1 to 65535"))
        .transpose()?;
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_url() {
        for (text, tls, host, port, base) in [
            ("http://127.0.0.1:8080/", false, "127.0.0.1", 8080, "/"),
            ("HTTPS://example.test", true, "example.test", 443, ""),
            ("http://[::1]:9/x?y=1", false, "::1", 9, "/x?y=1"),
            ("http://[::1]", false, "::1", 80, ""),
            ("http://h?q", false, "h", 80, "?q"),
        ] {
            let url = HttpUrl::parse(text).unwrap();
            assert_eq!((url.tls, url.host.as_str(), url.port, url.base.as_str()), (tls, host, port, base));
        }
    }

    #[test]
    fn what_is_no_url() {
        for (text, part) in [
            ("127.0.0.1:8080", "no scheme"),
            ("ftp://h/", "neither http nor https"),
            ("http://", "no host"),
            ("http:///x", "no host"),
            ("http://:80/", "no host"),
            ("http://h:0/", "port"),
            ("http://h:99999/", "port"),
            ("http://h:/", "port"),
            ("http://[::1/", "closed"),
            ("http://[zz]/", "IPv6"),
            ("http://[::1]x/", "host"),
            ("http://a b/", "host"),
            ("http://h/a b", "' '"),
            ("http://h/é", "percent-encode"),
            ("http://h/#x", "fragment"),
            ("http://u:p@h/", "password"),
        ] {
            let error = HttpUrl::parse(text).unwrap_err();
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert_eq!(error.secret, text.contains('@'));
        }
    }

    #[test]
    fn paths_are_joined() {
        for (url, path, expected) in [
            ("http://h", "", "/"),
            ("http://h", "/a", "/a"),
            ("http://h/", "/a?b", "/a?b"),
            ("http://h/base/", "/a", "/base/a"),
            ("http://h/base", "", "/base"),
            ("http://h?q=1", "", "/?q=1"),
        ] {
            assert_eq!(HttpUrl::parse(url).unwrap().join(path), expected, "{url} {path}");
        }
    }
}
