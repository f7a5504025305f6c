//! Reads HTTP/1.1 responses, strictly (RFC 9112): pure, without I/O.

use plimsoll_model::time::Nanos;

use super::notable::Notable;

/// Longest head of a response, bytes.
pub const LONGEST_HEAD: usize = 64 * 1024;

/// Most fields in a head.
const MOST_FIELDS: usize = 128;

/// Longest line with a chunk's size, and longest trailer, bytes.
const LONGEST_LINE: usize = 16 * 1024;

/// A response that breaks the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// The head of a final response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its status, 200 to 599 (or whatever three digits the server sent).
    pub status: u16,
    /// How its body ends.
    pub framing: Framing,
    /// Whether the connection may be used again.
    pub keep_alive: bool,
    /// The fields that matter beyond this exchange.
    pub notable: Notable,
}

/// How a body ends (RFC 9112 § 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// Read the head at the beginning of `input`, after any interim (1xx) responses: the head and its
/// length with theirs, or `None` if more input is needed.
///
/// # Errors
/// When it is not HTTP/1.x, is too long, or its framing is ambiguous: then what follows can't be
/// told from the next response, and a lenient reading would be a guess.
pub fn read_head(input: &[u8], to_head_request: bool) -> Result<Option<(Head, usize)>, Malformed> {
    let mut start = 0;
    loop {
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let length = match response.parse(&input[start..]) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if input.len() < LONGEST_HEAD => return Ok(None),
            Ok(httparse::Status::Partial) | Err(_) => return Err(Malformed),
        };
        start += length;
        match response.code {
            // No request of ours asks to switch protocols.
            Some(101) | None => return Err(Malformed),
            Some(100..=199) => {}
            Some(status) => {
                let old = response.version == Some(0);
                return Ok(Some((final_head(status, old, response.headers, to_head_request)?, start)));
            }
        }
    }
}

fn final_head(
    status: u16,
    is_http_1_0: bool,
    fields: &[httparse::Header<'_>],
    to_head_request: bool,
) -> Result<Head, Malformed> {
    let mut length = None;
    let mut chunked = false;
    let mut keep_alive = !is_http_1_0;
    let mut notable = Notable::default();
    for field in fields {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let this = decimal(field.value)?;
            if length.replace(this).is_some_and(|earlier| earlier != this) {
                return Err(Malformed);
            }
        } else if is("transfer-encoding") {
            // Any other coding would have to be undone to find the end, and we asked for none.
            if chunked || !field.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(Malformed);
            }
            chunked = true;
        } else if is("connection") {
            for option in field.value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                if option.eq_ignore_ascii_case(b"close") {
                    keep_alive = false;
                } else if option.eq_ignore_ascii_case(b"keep-alive") && is_http_1_0 {
                    keep_alive = true;
                }
            }
        } else {
            notable.note(field.name, field.value);
        }
    }
    let framing = match (to_head_request || status == 204 || status == 304, chunked, length) {
        // Both at once is how responses are smuggled.
        (_, true, Some(_)) => return Err(Malformed),
        (true, ..) => Framing::Length(0),
        (false, true, None) => Framing::Chunked,
        (false, false, Some(length)) => Framing::Length(length),
        (false, false, None) => Framing::Close,
    };
    let keep_alive = keep_alive && framing != Framing::Close;
    Ok(Head { status, framing, keep_alive, notable })
}

fn decimal(digits: &[u8]) -> Result<u64, Malformed> {
    let digits = digits.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok()).ok_or(Malformed)
}

/// Follows a body to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// So many bytes are still to come.
    Length(u64),
    /// Everything until the connection ends.
    Close,
    /// Within the chunked coding.
    Chunked(Chunk),
    /// All has been read.
    Done,
}

/// Where a chunked body stands (RFC 9112 § 7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// In the digits of a size: the value and how many digits.
    Size(u64, usize),
    /// Behind the size, up to the line's end: the size, and the line's length so far.
    Extension(u64, usize),
    /// The line feed behind a size line's carriage return.
    SizeEnd(u64),
    /// So many bytes of data are still to come.
    Data(u64),
    /// The carriage return behind the data.
    DataEnd,
    /// The line feed behind that.
    DataLineFeed,
    /// In a trailer line: (whether it has any bytes, length of all trailers so far).
    Trailer(bool, usize),
    /// The line feed of a trailer line, likewise.
    TrailerEnd(bool, usize),
}

impl Body {
    /// A body that ends as `framing` says.
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(0) => Body::Done,
            Framing::Length(n) => Body::Length(n),
            Framing::Close => Body::Close,
            Framing::Chunked => Body::Chunked(Chunk::Size(0, 0)),
        }
    }

    /// Read on: passes the content in `input` to `content`, and tells how much of `input` belongs
    /// to this body.
    ///
    /// # Errors
    /// When the chunked coding is broken.
    pub fn read(&mut self, input: &[u8], mut content: impl FnMut(&[u8])) -> Result<usize, Malformed> {
        let mut used = 0;
        while used < input.len() && *self != Body::Done {
            let rest = &input[used..];
            match self {
                Body::Done => break,
                Body::Close => {
                    content(rest);
                    used = input.len();
                }
                Body::Length(left) | Body::Chunked(Chunk::Data(left)) => {
                    let n = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    content(&rest[..n]);
                    used += n;
                    *left -= n as u64;
                    if *left == 0 {
                        *self = match self {
                            Body::Chunked(_) => Body::Chunked(Chunk::DataEnd),
                            _ => Body::Done,
                        };
                    }
                }
                Body::Chunked(chunk) => {
                    used += 1;
                    *self = chunk.step(rest[0])?;
                }
            }
        }
        Ok(used)
    }

    /// The connection has ended: whether the body has too.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self, Body::Done | Body::Close)
    }
}

impl Chunk {
    /// The state after one more byte of the coding.
    fn step(&self, byte: u8) -> Result<Body, Malformed> {
        let next = match (self, byte) {
            (Chunk::Size(size, digits), b) if b.is_ascii_hexdigit() => {
                // Sixteen digits are all that fit.
                if *digits == 16 {
                    return Err(Malformed);
                }
                let digit = u64::from((b as char).to_digit(16).ok_or(Malformed)?);
                Chunk::Size(size << 4 | digit, digits + 1)
            }
            (Chunk::Size(_, 0), _) => return Err(Malformed),
            (Chunk::Size(size, _), b'\r') => Chunk::SizeEnd(*size),
            (Chunk::Size(size, _), b';' | b' ' | b'\t') => Chunk::Extension(*size, 0),
            (Chunk::Extension(size, _), b'\r') => Chunk::SizeEnd(*size),
            (Chunk::Extension(size, n), b) if b != b'\n' && *n < LONGEST_LINE => {
                Chunk::Extension(*size, n + 1)
            }
            (Chunk::SizeEnd(0), b'\n') => Chunk::Trailer(false, 0),
            (Chunk::SizeEnd(size), b'\n') => Chunk::Data(*size),
            (Chunk::DataEnd, b'\r') => Chunk::DataLineFeed,
            (Chunk::DataLineFeed, b'\n') => Chunk::Size(0, 0),
            (Chunk::Trailer(any, n), b'\r') => Chunk::TrailerEnd(*any, n + 1),
            (Chunk::Trailer(_, n), b) if b != b'\n' && *n < LONGEST_LINE => Chunk::Trailer(true, n + 1),
            (Chunk::TrailerEnd(false, _), b'\n') => return Ok(Body::Done),
            (Chunk::TrailerEnd(true, n), b'\n') => Chunk::Trailer(false, n + 1),
            _ => return Err(Malformed),
        };
        Ok(Body::Chunked(next))
    }
}

/// `Retry-After` in seconds (RFC 9110 § 10.2.3); the form with a date is not read.
pub fn retry_after(value: &[u8]) -> Option<Nanos> {
    decimal(value).ok().map(Nanos::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The whole response in `text`: status, content, whether the connection stays, bytes left over.
    fn whole(text: &[u8]) -> Result<(u16, Vec<u8>, bool, usize), Malformed> {
        let (head, length) = read_head(text, false)?.ok_or(Malformed)?;
        let mut content = Vec::new();
        let mut body = Body::new(head.framing);
        let used = body.read(&text[length..], |c| content.extend_from_slice(c))?;
        if !body.ends_with_connection() {
            return Err(Malformed);
        }
        Ok((head.status, content, head.keep_alive, text.len() - length - used))
    }

    #[test]
    fn reads_what_the_protocol_allows() {
        type Case = (&'static [u8], u16, &'static [u8], bool, usize);
        let cases: [Case; 9] = [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", true, 0),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", true, 0),
            (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", true, 0),
            (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n", 304, b"", true, 0),
            (b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 E\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b"", true, 0),
            (b"HTTP/1.1 200 OK\r\n\r\nto the end", 200, b"to the end", false, 0),
            (b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", 200, b"x", false, 0),
            (b"HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 1\r\n\r\nxy", 200, b"x", false, 1),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0a \r\n0123456789\r\n0\r\nx: y\r\n\r\nH", 200, b"abc0123456789", true, 1),
        ];
        for (text, status, content, keep_alive, left) in cases {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(whole(text), Ok((status, content.to_vec(), keep_alive, left)), "{shown}");
        }
    }

    #[test]
    fn refuses_what_is_ambiguous_or_broken() {
        for text in [
            &b"SSH-2.0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 101 Switching\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\ng\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\nx",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxx\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11112222333344445\r\n",
        ] {
            assert_eq!(whole(text), Err(Malformed), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn what_does_not_end_is_bounded() {
        let long = [&b"HTTP/1.1 200 OK\r\nx: "[..], &vec![b'a'; LONGEST_HEAD]].concat();
        assert_eq!(read_head(&long, false), Err(Malformed));
        for endless in [&b"1;"[..], b"0\r\nx:"] {
            let mut body = Body::new(Framing::Chunked);
            body.read(endless, |_| {}).unwrap();
            assert_eq!(body.read(&vec![b'a'; LONGEST_LINE + 2], |_| {}), Err(Malformed));
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_head(&bytes, false);
            let _ = Body::new(Framing::Chunked).read(&bytes, |_| {});
        }

        #[test]
        fn the_cut_between_two_reads_does_not_matter(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            cut in 1usize..20,
        ) {
            let mut coded = Vec::new();
            for chunk in &chunks {
                coded.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                coded.extend(chunk);
                coded.extend(b"\r\n");
            }
            coded.extend(b"0\r\n\r\n");
            let mut content = Vec::new();
            let mut body = Body::new(Framing::Chunked);
            for piece in coded.chunks(cut) {
                prop_assert_eq!(body.read(piece, |c| content.extend_from_slice(c)), Ok(piece.len()));
            }
            prop_assert_eq!(body, Body::Done);
            prop_assert_eq!(content, chunks.concat());
        }
    }
}
