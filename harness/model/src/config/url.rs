//! URLs of targets: scheme, host, port and a base path.

use std::net::Ipv6Addr;

/// The most common mistake, for which the caller knows a better remedy.
pub(super) const NO_SCHEME: &str = "the URL has no scheme";
const NO_HOST: &str = "the URL has no host name or address";

/// Why a text is not such a URL. Never quotes the text, which may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UrlError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
    /// Whether the text holds a password.
    pub secret: bool,
}

/// Checks a URL and gives its path, which may be empty.
///
/// Refused are: no scheme or host, another scheme, user information, a query or fragment, a port
/// that is none, and characters that have to be percent-encoded.
pub(super) fn check(text: &str) -> Result<&str, UrlError> {
    let fail = |message: &str, remedy: &str| {
        let secret = text.contains('@');
        Err(UrlError { message: message.to_owned(), remedy: remedy.to_owned(), secret })
    };
    let Some((scheme, rest)) = text.split_once("://") else {
        return fail(NO_SCHEME, "begin it with http:// or https://");
    };
    if !["http", "https"].iter().any(|s| s.eq_ignore_ascii_case(scheme)) {
        return fail("the URL's scheme is neither http nor https", "begin it with http://");
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return fail(
            "the URL holds a user name or password, which would end up in reports",
            "send it as a header from the environment: headers: { authorization: 'Basic {{env:BASIC_AUTH}}' }",
        );
    }
    if path.contains('#') {
        return fail("the URL has a fragment, which is never sent", "remove # and what follows");
    }
    if path.contains('?') {
        return fail("the URL has a query", "write it in request.path, such as path: '/search?q=x'");
    }
    if let Some(c) = path.chars().find(|c| !uri_char(*c)) {
        return fail(&format!("the URL holds {c:?}"), "percent-encode it");
    }
    match check_authority(authority) {
        Ok(()) => Ok(path),
        Err(message) => fail(message, "write for instance http://127.0.0.1:8080/"),
    }
}

/// Whether a character may stand in a path or query as it is.
pub(super) fn uri_char(c: char) -> bool {
    c.is_ascii_graphic() && !r#""<>\^`{|}"#.contains(c)
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    let port = if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or("the URL's IPv6 address is not closed by ]")?;
        if address.parse::<Ipv6Addr>().is_err() {
            return Err("the URL's IPv6 address is none");
        }
        match rest.strip_prefix(':') {
            None if !rest.is_empty() => return Err(NO_HOST),
            port => port,
        }
    } else {
        let (host, port) = authority.split_once(':').map_or((authority, None), |(h, p)| (h, Some(p)));
        let host_char = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if host.is_empty() || host.len() > 253 || !host.chars().all(host_char) {
            return Err(NO_HOST);
        }
        port
    };
    match port {
        Some(p) if !p.parse::<u16>().is_ok_and(|n| n > 0 && !p.starts_with('+')) => {
            Err("the URL's port is not a number from 1 to 65535")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_their_paths() {
        for (text, path) in [
            ("http://127.0.0.1:8080/", "/"),
            ("HTTPS://example.test", ""),
            ("http://[::1]:9/x/y", "/x/y"),
            ("http://[::1]", ""),
        ] {
            assert_eq!(check(text), Ok(path), "{text}");
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
            ("http://[::1]x/", "no host"),
            ("http://a b/", "no host"),
            ("http://h/a b", "' '"),
            ("http://h/é", "'é'"),
            ("http://h/#x", "fragment"),
            ("http://h?x=1", "query"),
            ("http://u:p@h/", "password"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.message.contains(part), "{text}: {}", error.message);
            assert_eq!(error.secret, text.contains('@'));
        }
    }
}
