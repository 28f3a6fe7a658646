//! A connection's bytes, counted and timed. Between two requests it lets through as much of a head as is allowed, for as
//! long as is allowed; while a response is written it gives up on a client that takes nothing of it.

use super::Connection;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

/// The most that is read at once: what follows a head in the same packet is not counted before it is read.
const PIECE: usize = 64 * 1024;

const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

pub(super) struct LimitedStream {
    stream: TcpStream,
    connection: Arc<Connection>,
    /// The number of requests before the head that is awaited now; none before the first look.
    head: Option<u64>,
    /// How much of it has come, and how much may.
    received: usize,
    allowed: usize,
    /// When the head must be complete, or while nothing of it has come, when the connection is kept no longer.
    reading: Pin<Box<Sleep>>,
    /// Since when the client takes nothing, as a deadline.
    writing: Option<Pin<Box<Sleep>>>,
    /// Whether something was written that may not have left.
    unflushed: bool,
}

impl LimitedStream {
    pub fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        let reading = Box::pin(sleep(connection.limits().head_time));
        LimitedStream { stream, connection, head: None, received: 0, allowed: 0, reading, writing: None, unflushed: false }
    }

    fn in_time(&mut self, time: Duration) {
        self.reading.as_mut().reset(Instant::now() + time);
    }

    /// Ends the connection, with an answer where it would not stand amidst another one.
    fn give_up(&self, answer: &[u8]) -> io::Error {
        if !self.unflushed {
            let _ = self.stream.try_write(answer);
        }
        io::ErrorKind::TimedOut.into()
    }

    /// Reads no more than `most` bytes.
    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>, most: usize) -> Poll<io::Result<()>> {
        if buffer.remaining() <= most {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        let length = part.filled().len();
        buffer.advance(length);
        Poll::Ready(Ok(()))
    }

    /// Reads of a head.
    fn read_head(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Whoever is to go is not waited for; nor is one whose memory is better given back.
        if self.received == 0 && self.connection.had_large_head() {
            return Poll::Ready(Ok(()));
        }
        if self.received >= self.allowed {
            if !self.connection.takes_large_head() {
                return Poll::Ready(Err(self.give_up(TOO_LARGE)));
            }
            self.allowed = self.connection.limits().large_head.max(self.allowed + 1);
        }
        let before = buffer.filled().len();
        match self.read(cx, buffer, PIECE.min(self.allowed - self.received)) {
            Poll::Ready(Ok(())) => {
                let length = buffer.filled().len() - before;
                if self.received == 0 && length > 0 && self.head != Some(0) {
                    self.in_time(self.connection.limits().head_time);
                }
                self.received += length;
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                ready!(self.reading.as_mut().poll(cx));
                match self.received {
                    // It is not kept for a request yet: the last response is on its way, and has a time of its own.
                    0 if self.unflushed => {
                        self.in_time(self.connection.limits().idle_time);
                        self.reading.as_mut().poll(cx).map(Ok)
                    }
                    // As if the client had ended it, which is no error.
                    0 => Poll::Ready(Ok(())),
                    _ => Poll::Ready(Err(self.give_up(TOO_SLOW))),
                }
            }
            failed => failed,
        }
    }

    /// What a write has come to; one that waits does not wait for ever.
    fn written(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.unflushed = true;
        if result.is_ready() {
            self.writing = None;
            return result;
        }
        let limits = self.connection.limits();
        let pause = if self.connection.streams() { limits.stream_write_pause } else { limits.write_pause };
        ready!(self.writing.get_or_insert_with(|| Box::pin(sleep(pause))).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for LimitedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(number) = this.connection.waits_after() else { return this.read(cx, buffer, PIECE) };
        if this.head != Some(number) {
            this.received = 0;
            this.allowed = this.connection.limits().head;
            // The first one has its time from the connection's beginning.
            if number > 0 {
                this.in_time(this.connection.limits().idle_time);
            }
            this.head = Some(number);
        }
        this.read_head(cx, buffer)
    }
}

impl AsyncWrite for LimitedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.written(cx, result)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bytes);
        this.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        this.unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
