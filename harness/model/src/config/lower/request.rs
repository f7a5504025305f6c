//! What is sent.

use super::super::error::{Fault, shown};
use super::super::schema::RequestConfig;
use super::super::suggest::nearest;
use super::super::url::{self, uri_char};
use super::super::workloads::{self, Workload};
use super::{Lower, Origin};
use crate::plan::{Request, Target};
use crate::template::{Piece, Template, expand_env};

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const MAX_HEADERS: usize = 100;

/// The request, by default what the bundled workload needs, or a GET of the target's URL; `target`
/// is missing when something is wrong with it, which must not hide what is wrong here.
pub(super) fn request(
    config: &RequestConfig,
    target: Option<&Target>,
    origin: Origin<'_>,
    lower: &mut Lower<'_, '_>,
) -> Request {
    let workload = workload(target);
    let given_body = config.body.as_deref().filter(|b| !b.is_empty());
    let method = match &config.method {
        Some(method) => checked_method(method, origin, lower),
        None if workload.is_some() || given_body.is_some() => "POST".to_owned(),
        None => "GET".to_owned(),
    };
    let takes_body = matches!(method.as_str(), "POST" | "PUT" | "PATCH");
    let body = match (&config.body, workload) {
        (None, Some(workload)) if takes_body => Some(default_body(workload, target)),
        _ => given_body.map(str::to_owned),
    };
    let path = match (&config.path, workload) {
        (Some(path), _) if !path.is_empty() => path.clone(),
        (_, Some(workload)) => format!("/v1/{}", workload.name),
        // The request's path is put after the URL's own without its closing slash.
        _ if at_root(target, lower) => "/".to_owned(),
        _ => String::new(),
    };
    check_path(&path, origin, lower);
    let mut headers = config.headers.as_ref().map_or_else(Vec::new, |t| t.0.clone());
    check_headers(&headers, origin, lower);
    let has_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if workload.is_some() && body.is_some() && !has_type {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    if let Some(body) = given_body {
        let path = lower.path(origin, &["request", "body"]);
        let template = lower.template(&path, body, |_| Ok(()));
        // A bundled target would answer 400 to every request; unless that is what is tested.
        if let (Some(template), Some(_), None) = (template, workload, &config.expect) {
            check_json(&template, &path, lower);
        }
    }
    let expect = config.expect.as_ref().map_or_else(Vec::new, |e| e.iter().map(|s| s.0 as u16).collect());
    check_expect(&expect, origin, lower);
    Request { method, path, headers, body, expect }
}

fn workload(target: Option<&Target>) -> Option<&'static Workload> {
    match target {
        Some(Target::Bundled(bundled)) => workloads::find(&bundled.workload).ok(),
        _ => None,
    }
}

/// The workload's own body, cycling through as many users as the target has.
fn default_body(workload: &Workload, target: Option<&Target>) -> String {
    let users = match target {
        Some(Target::Bundled(b)) => b.options.iter().find(|(name, _)| name == "users"),
        _ => None,
    };
    users.map_or_else(
        || workload.body.to_owned(),
        |(_, users)| workload.body.replace("{{seq % 16}}", &format!("{{{{seq % {users}}}}}")),
    )
}

/// Whether the target's URL ends where a path would begin, or with a slash.
fn at_root(target: Option<&Target>, lower: &Lower<'_, '_>) -> bool {
    let Some(Target::External { url }) = target else { return true };
    let Ok(url) = expand_env(url, |name| (lower.env)(name)) else { return true };
    url::check(&url).is_ok_and(|path| path.is_empty() || path.ends_with('/'))
}

fn checked_method(method: &str, origin: Origin<'_>, lower: &mut Lower<'_, '_>) -> String {
    if !METHODS.contains(&method) {
        let remedy = nearest(&method.to_uppercase(), METHODS).map(|m| format!("did you mean {m}?"));
        let fault = Fault::new(format!("{} is not a method that can be sent", shown(method)));
        let path = lower.path(origin, &["request", "method"]);
        lower.fault(&path, fault.expected(METHODS.join(", ")).maybe_remedy(remedy));
    }
    method.to_owned()
}

fn check_path(text: &str, origin: Origin<'_>, lower: &mut Lower<'_, '_>) {
    let path = lower.path(origin, &["request", "path"]);
    if !text.is_empty() && !text.starts_with('/') {
        let fault = Fault::new(format!("{} does not begin with /", shown(text)));
        let remedy = if text.contains("://") {
            "put scheme and host in target, and only the path here".to_owned()
        } else {
            format!("write /{text}")
        };
        lower.fault(&path, fault.expected("a path such as /v1/items?limit=10").remedy(remedy));
        return;
    }
    lower.template(&path, text, |piece| match piece {
        Piece::Literal(text) => match text.chars().find(|c| !uri_char(*c)) {
            Some('#') => Err(Fault::new("'#' begins a fragment, which is never sent").remedy("write %23")),
            Some(c) => Err(Fault::new(format!("{c:?} may not stand in a path")).remedy(percent(c))),
            None if text.contains('#') => Err(Fault::new("holds a fragment, which is never sent")),
            None => Ok(()),
        },
        Piece::Env(_) => Err(Fault::new("a path ends up in logs, so it takes no {{env:NAME}}")
            .remedy("send a secret in a header or the body")),
        _ => Ok(()),
    });
}

fn percent(c: char) -> String {
    let mut bytes = [0; 4];
    let encoded: String = c.encode_utf8(&mut bytes).bytes().map(|b| format!("%{b:02X}")).collect();
    format!("write {encoded}")
}

fn check_headers(headers: &[(String, String)], origin: Origin<'_>, lower: &mut Lower<'_, '_>) {
    let at_all = lower.path(origin, &["request", "headers"]);
    if headers.len() > MAX_HEADERS {
        let fault = Fault::new(format!("holds {} headers", headers.len()));
        lower.fault(&at_all, fault.expected(format!("at most {MAX_HEADERS}")));
        return;
    }
    for (i, (name, value)) in headers.iter().enumerate() {
        let path = lower.path(origin, &["request", "headers", name]);
        if let Some(fault) = header_name(name, &headers[..i]) {
            let (line, column) = lower.tree.key_position(&path);
            lower.fault(&path, fault.at(line, column));
        }
        lower.template(&path, value, |piece| match piece {
            Piece::Literal(text) => match text.chars().find(|c| c.is_control() && *c != '\t') {
                Some(c) => Err(Fault::new(format!("{c:?} may not stand in a header's value"))),
                None => Ok(()),
            },
            _ => Ok(()),
        });
        for name in Template::parse(value).iter().flat_map(Template::env_names) {
            if (lower.env)(name).is_some_and(|v| v.chars().any(char::is_control)) {
                let fault =
                    Fault::new(format!("the value of {name} holds a line break or control character"));
                lower.fault(&path, fault.remedy("remove it, or pass another variable"));
            }
        }
    }
}

fn header_name(name: &str, before: &[(String, String)]) -> Option<Fault> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if let Some(c) = name.chars().find(|c| !token(*c)) {
        Some(Fault::new(format!("{c:?} may not stand in a header's name")))
    } else if name.is_empty() || name.len() > 256 {
        Some(Fault::new("is not a header's name").expected("1 to 256 letters, digits or -"))
    } else if before.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)) {
        Some(Fault::new("is the same header as one above; case makes no difference").remedy("remove one"))
    } else if ["content-length", "transfer-encoding", "connection"]
        .iter()
        .any(|n| n.eq_ignore_ascii_case(name))
    {
        Some(Fault::new("is set from the request itself").remedy("remove it"))
    } else {
        None
    }
}

fn check_json(template: &Template, path: &super::super::node::Path, lower: &mut Lower<'_, '_>) {
    let Ok(ready) = template.ready(|name| (lower.env)(name)) else { return };
    let mut body = Vec::new();
    ready.render(0, "key-0", &mut body);
    if let Err(e) = serde_json::from_slice::<serde_json::Value>(&body) {
        // Serde's message tells the place and kind of the mistake, not the text.
        let fault = Fault::new(format!("is not JSON, which a bundled target needs: {e}"));
        lower.fault(path, fault.remedy("correct it, or remove `body` for the workload's own"));
    }
}

fn check_expect(expect: &[u16], origin: Origin<'_>, lower: &mut Lower<'_, '_>) {
    let path = lower.path(origin, &["request", "expect"]);
    for (i, status) in expect.iter().enumerate() {
        if expect[..i].contains(status) {
            lower.fault(&path.index(i), Fault::new(format!("{status} is listed twice")).remedy("remove one"));
        }
    }
}
