//! An HTTP client as small as can be: the load generator shares the machine with what it measures.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection, kept open.
pub(crate) struct Client {
    stream: TcpStream,
    addr: SocketAddr,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP stream has the option");
        Self { stream, addr, buffer: Vec::new() }
    }

    /// Sends a request with a JSON body and reads the whole response.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> (u16, Vec<u8>) {
        let auth = token.map(|t| format!("authorization: Bearer {t}\r\n")).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n{auth}content-length: {}\r\n\r\n{body}",
            self.addr,
            body.len()
        );
        self.stream.write_all(head.as_bytes()).await.expect("the connection is open");
        read_message(&mut self.stream, &mut self.buffer, |line| line.split(' ').nth(1)?.parse().ok())
            .await
            .expect("the server answers")
    }
}

/// Reads one HTTP message with a content length; `first` reads its first line. `None` at the end of the stream.
pub(crate) async fn read_message<T>(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    first: impl Fn(&str) -> Option<T>,
) -> Option<(T, Vec<u8>)> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = std::str::from_utf8(&buffer[..end]).ok()?;
            let mut lines = head.split("\r\n");
            let read = first(lines.next()?)?;
            let length = lines
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse::<usize>().ok())
                .unwrap_or(0);
            while buffer.len() < end + 4 + length {
                fill(stream, buffer).await?;
            }
            let body = buffer[end + 4..end + 4 + length].to_vec();
            buffer.drain(..end + 4 + length);
            return Some((read, body));
        }
        fill(stream, buffer).await?;
    }
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    match stream.read_buf(buffer).await {
        Ok(n) if n > 0 => Some(()),
        _ => None,
    }
}
