//! One SMTP conversation: RFC 5321's commands, strictly, and within limits.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// Longest command line, with its CRLF (RFC 5321, 4.5.3.1.4).
const COMMAND_MAX: usize = 512;
/// Longest line of text, with its CRLF (4.5.3.1.6).
const TEXT_LINE_MAX: usize = 1000;
/// Largest message, as announced by SIZE.
pub(super) const MESSAGE_MAX: usize = 256 * 1024;
/// Most recipients of a message (4.5.3.1.8 asks for at least 100).
const RECIPIENTS_MAX: usize = 100;
/// Silence after which the server closes (4.5.3.2.7).
const IDLE: Duration = Duration::from_secs(300);
/// Malformed commands after which the server closes.
const ERRORS_MAX: u32 = 10;

/// A message as it was handed over.
pub(super) struct Message {
    pub recipients: usize,
    /// The text, dots unstuffed, lines ending in CRLF.
    pub data: Vec<u8>,
}

/// What the sink says to a whole message.
pub(super) struct Verdict {
    pub code: u16,
    pub text: &'static str,
}

/// Decides on messages; called once each.
pub(super) trait Handler {
    async fn message(&self, message: Message) -> Verdict;
}

enum Line {
    Text(Vec<u8>),
    TooLong,
    /// A line feed without its carriage return: the stuff of message smuggling.
    BareLineFeed,
    End,
}

struct Session<S> {
    stream: BufReader<S>,
    greeted: bool,
    from: bool,
    recipients: usize,
    errors: u32,
}

/// Talks to one client until it quits, misbehaves or falls silent.
pub(super) async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    handler: &impl Handler,
) -> io::Result<()> {
    let mut session =
        Session { stream: BufReader::new(stream), greeted: false, from: false, recipients: 0, errors: 0 };
    session.say("220 sink.plimsoll.test ESMTP ready\r\n").await?;
    loop {
        let line = match tokio::time::timeout(IDLE, session.line(COMMAND_MAX)).await {
            Err(_) => return session.say("421 4.4.2 idle for too long\r\n").await,
            Ok(line) => line?,
        };
        match line {
            Line::End => return Ok(()),
            Line::TooLong => session.error("500 5.5.2 line too long").await?,
            Line::BareLineFeed => {
                return session.say("521 5.5.2 lines must end in CRLF\r\n").await;
            }
            Line::Text(text) => {
                if !session.command(&String::from_utf8_lossy(&text), handler).await? {
                    return Ok(());
                }
            }
        }
        if session.errors >= ERRORS_MAX {
            return session.say("421 4.7.0 too many errors\r\n").await;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    async fn say(&mut self, text: &str) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(text.as_bytes()).await?;
        stream.flush().await
    }

    async fn error(&mut self, text: &str) -> io::Result<()> {
        self.errors += 1;
        self.say(&format!("{text}\r\n")).await
    }

    /// One line without its CRLF, reading no more than `max` bytes of it.
    async fn line(&mut self, max: usize) -> io::Result<Line> {
        let mut text = Vec::new();
        let mut limited = (&mut self.stream).take(max as u64);
        let read = limited.read_until(b'\n', &mut text).await?;
        if read == 0 {
            return Ok(Line::End);
        }
        if text.ends_with(b"\r\n") {
            text.truncate(text.len() - 2);
            return Ok(Line::Text(text));
        }
        if text.ends_with(b"\n") {
            return Ok(Line::BareLineFeed);
        }
        if read < max {
            return Ok(Line::End);
        }
        self.skip_line().await
    }

    /// Discards the rest of a line that was too long, a bounded piece at a time.
    async fn skip_line(&mut self) -> io::Result<Line> {
        loop {
            let buffer = self.stream.fill_buf().await?;
            if buffer.is_empty() {
                return Ok(Line::End);
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(buffer.len(), |at| at + 1);
            self.stream.consume(used);
            if end.is_some() {
                return Ok(Line::TooLong);
            }
        }
    }

    /// Obeys one command; false ends the conversation.
    async fn command(&mut self, line: &str, handler: &impl Handler) -> io::Result<bool> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" if !rest.is_empty() => {
                self.reset();
                self.greeted = true;
                let text = format!(
                    "250-sink.plimsoll.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n\
                     250-ENHANCEDSTATUSCODES\r\n250 SIZE {MESSAGE_MAX}\r\n"
                );
                self.say(&text).await?;
            }
            "HELO" if !rest.is_empty() => {
                self.reset();
                self.greeted = true;
                self.say("250 sink.plimsoll.test\r\n").await?;
            }
            "EHLO" | "HELO" => self.error("501 5.5.4 your name is missing").await?,
            "MAIL" => self.mail(rest).await?,
            "RCPT" => self.rcpt(rest).await?,
            "DATA" => return self.data(rest, handler).await,
            "RSET" => {
                self.reset();
                self.say("250 2.0.0 reset\r\n").await?;
            }
            "NOOP" => self.say("250 2.0.0 ok\r\n").await?,
            "VRFY" => self.say("252 2.1.5 send, and see\r\n").await?,
            "QUIT" => {
                self.say("221 2.0.0 bye\r\n").await?;
                return Ok(false);
            }
            _ => self.error("500 5.5.1 unknown command").await?,
        }
        Ok(true)
    }

    fn reset(&mut self) {
        self.from = false;
        self.recipients = 0;
    }

    async fn mail(&mut self, rest: &str) -> io::Result<()> {
        if !self.greeted || self.from {
            return self.error("503 5.5.1 wrong order of commands").await;
        }
        let Some(parameters) = path(rest, "FROM:", true) else {
            return self.error("501 5.1.7 expected FROM:<address>").await;
        };
        for parameter in parameters.split_whitespace() {
            let upper = parameter.to_ascii_uppercase();
            let size = upper.strip_prefix("SIZE=").map(str::parse::<usize>);
            match size {
                Some(Ok(size)) if size > MESSAGE_MAX => {
                    return self.say("552 5.3.4 message too large\r\n").await;
                }
                Some(Ok(_)) => {}
                None if upper == "BODY=8BITMIME" || upper == "BODY=7BIT" => {}
                _ => return self.error("555 5.5.4 parameter not supported").await,
            }
        }
        self.from = true;
        self.say("250 2.1.0 ok\r\n").await
    }

    async fn rcpt(&mut self, rest: &str) -> io::Result<()> {
        if !self.from {
            return self.error("503 5.5.1 MAIL first").await;
        }
        match path(rest, "TO:", false) {
            Some("") => {}
            Some(_) => return self.error("555 5.5.4 parameter not supported").await,
            None => return self.error("501 5.1.3 expected TO:<address>").await,
        }
        if self.recipients >= RECIPIENTS_MAX {
            return self.say("452 4.5.3 too many recipients\r\n").await;
        }
        self.recipients += 1;
        self.say("250 2.1.5 ok\r\n").await
    }

    async fn data(&mut self, rest: &str, handler: &impl Handler) -> io::Result<bool> {
        if !rest.is_empty() {
            self.error("501 5.5.4 DATA takes no argument").await?;
            return Ok(true);
        }
        if self.recipients == 0 {
            self.error("503 5.5.1 RCPT first").await?;
            return Ok(true);
        }
        self.say("354 end with a line that is a dot\r\n").await?;
        let recipients = self.recipients;
        self.reset();
        match tokio::time::timeout(IDLE, self.text()).await {
            Err(_) | Ok(Ok(Text::Gone)) => Ok(false),
            Ok(Err(error)) => Err(error),
            Ok(Ok(Text::Smuggled)) => {
                self.say("521 5.5.2 lines must end in CRLF\r\n").await?;
                Ok(false)
            }
            Ok(Ok(Text::TooLarge)) => {
                self.say("552 5.3.4 message too large\r\n").await?;
                Ok(true)
            }
            Ok(Ok(Text::Whole(data))) => {
                let Verdict { code, text } = handler.message(Message { recipients, data }).await;
                self.say(&format!("{code} {text}\r\n")).await?;
                Ok(true)
            }
        }
    }

    async fn text(&mut self) -> io::Result<Text> {
        let mut data = Vec::new();
        let mut too_large = false;
        loop {
            match self.line(TEXT_LINE_MAX).await? {
                Line::End => return Ok(Text::Gone),
                Line::BareLineFeed => return Ok(Text::Smuggled),
                Line::TooLong => too_large = true,
                Line::Text(line) if line == b"." => {
                    return Ok(if too_large { Text::TooLarge } else { Text::Whole(data) });
                }
                Line::Text(line) => {
                    let line = line.strip_prefix(b".").unwrap_or(&line);
                    too_large |= data.len() + line.len() + 2 > MESSAGE_MAX;
                    if !too_large {
                        data.extend_from_slice(line);
                        data.extend_from_slice(b"\r\n");
                    }
                }
            }
        }
    }
}

enum Text {
    Whole(Vec<u8>),
    TooLarge,
    Smuggled,
    Gone,
}

/// The parameters after `FROM:<…>` or `TO:<…>`; `None` if the path is malformed.
fn path<'a>(rest: &'a str, label: &str, empty_allowed: bool) -> Option<&'a str> {
    let found = rest.get(..label.len())?;
    let rest = rest.get(label.len()..).filter(|_| found.eq_ignore_ascii_case(label))?;
    let (address, parameters) = rest.strip_prefix('<')?.split_once('>')?;
    let whole = match address.rsplit_once('@') {
        Some((local, domain)) => !local.is_empty() && !domain.is_empty(),
        None => empty_allowed && address.is_empty(),
    };
    let plain = !address.contains(|c: char| c.is_whitespace() || c == '<');
    (whole && plain && address.len() <= 256).then(|| parameters.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Keep(Mutex<Vec<Vec<u8>>>);

    impl Handler for Keep {
        async fn message(&self, message: Message) -> Verdict {
            self.0.lock().unwrap().push(message.data);
            Verdict { code: 250, text: "2.0.0 accepted" }
        }
    }

    async fn converse(input: &str) -> (String, Vec<Vec<u8>>) {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let keep = Keep::default();
        client.write_all(input.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        talk(server, &keep).await.unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        (said, keep.0.into_inner().unwrap())
    }

    const START: &str = "EHLO me\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n";

    #[tokio::test]
    async fn takes_a_message_and_unstuffs_dots() {
        let (said, kept) = converse(&format!("{START}A: b\r\n\r\n..x\r\n.\r\nQUIT\r\n")).await;
        assert_eq!(kept, [b"A: b\r\n\r\n.x\r\n".to_vec()]);
        assert!(said.ends_with("250 2.0.0 accepted\r\n221 2.0.0 bye\r\n"), "{said}");
    }

    #[tokio::test]
    async fn refuses_bare_line_feeds() {
        let (said, kept) = converse(&format!("{START}A: b\n.\r\nMAIL FROM:<x@y.z>\r\n")).await;
        assert!(said.contains("521 "), "{said}");
        assert!(kept.is_empty());
    }

    #[tokio::test]
    async fn keeps_to_the_order_and_the_limits() {
        let long = "X".repeat(600);
        let lines = format!(
            "MAIL FROM:<a@b.c>\r\nEHLO me\r\nRCPT TO:<d@e.f>\r\nDATA\r\nMAIL a@b.c\r\n\
             MAIL FROM:<a@b.c> SIZE=999999999\r\nHELP\r\n{long}\r\n"
        );
        let (said, _) = converse(&lines).await;
        let codes: Vec<_> = said
            .lines()
            .filter(|line| line.as_bytes().get(3) == Some(&b' '))
            .map(|line| &line[..3])
            .collect();
        assert_eq!(codes, ["220", "503", "250", "503", "503", "501", "552", "500", "500"]);
    }

    #[tokio::test]
    async fn refuses_messages_that_are_too_large() {
        let text = format!("{}\r\n", "y".repeat(900)).repeat(300);
        let (said, kept) = converse(&format!("{START}{text}.\r\nNOOP\r\n")).await;
        assert!(said.ends_with("552 5.3.4 message too large\r\n250 2.0.0 ok\r\n"), "{said}");
        assert!(kept.is_empty());
    }
}
