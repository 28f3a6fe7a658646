//! Requests as a page makes them, each on a connection of its own: an answer, or none.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::time::Duration;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

/// The token for automation of every round's server.
pub const TOKEN: &str = "a token that nobody guesses";

/// How long a whole answer may take: whoever asks then asks again.
const PATIENCE: Duration = Duration::from_secs(4);
/// The pause before that.
const PAUSE: Duration = Duration::from_millis(100);

/// An answer that came whole.
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| format!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body).chars().take(500).collect::<String>())
    }
}

/// Sends a request and reads the head of its answer.
pub async fn open(address: &str, request: Request<Full<Bytes>>) -> Option<Response<Incoming>> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    // It lives as long as the answer's body does.
    tokio::spawn(connection);
    sender.send_request(request).await.ok()
}

pub fn request(method: &str, address: &str, path: &str) -> hyper::http::request::Builder {
    Request::builder().method(method).uri(path).header("host", address).header("authorization", format!("Bearer {TOKEN}"))
}

/// One attempt.
async fn ask(address: &str, method: &str, path: &str, range: Option<u64>, body: Option<&Value>) -> Option<Answer> {
    let mut asked = request(method, address, path);
    if let Some(length) = range {
        asked = asked.header("range", format!("bytes=0-{}", length - 1));
    }
    if body.is_some() {
        asked = asked.header("content-type", "application/json");
    }
    let body = Full::new(body.map(Value::to_string).unwrap_or_default().into());
    let asked = asked.body(body).expect("a request");
    let answer = async {
        let (head, body) = open(address, asked).await?.into_parts();
        Some(Answer { status: head.status, body: body.collect().await.ok()?.to_bytes() })
    };
    timeout(PATIENCE, answer).await.ok()?
}

/// Asks until something other than a fault of the way or the server comes back.
async fn insist(address: &str, method: &str, path: &str, range: Option<u64>, body: Option<&Value>) -> Answer {
    loop {
        match ask(address, method, path, range, body).await {
            Some(answer) if !answer.status.is_server_error() => return answer,
            _ => sleep(PAUSE).await,
        }
    }
}

pub async fn get(address: &str, path: &str) -> Answer {
    insist(address, "GET", path, None, None).await
}

/// The first `length` bytes, at least one.
pub async fn get_first(address: &str, path: &str, length: u64) -> Answer {
    insist(address, "GET", path, Some(length), None).await
}

pub async fn post(address: &str, path: &str, body: &Value) -> Answer {
    insist(address, "POST", path, None, Some(body)).await
}
