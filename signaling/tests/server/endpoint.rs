//! A service of the operator's, on this machine: what the server asks, and answers of every kind.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How the service answers.
#[derive(Clone)]
pub(crate) enum Answer {
    Text(u16, String),
    Redirect(u16, String),
    /// Not at all.
    Never,
}

impl Answer {
    pub(crate) fn json(value: &Value) -> Self {
        Self::Text(200, value.to_string())
    }
}

/// A question as it came.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Clone)]
struct State {
    answer: Arc<Mutex<Answer>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// The service. It ends when it is dropped.
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    state: State,
    task: JoinHandle<()>,
}

impl Endpoint {
    pub(crate) async fn start(answer: Answer) -> Self {
        Self::on(0, answer).await
    }

    pub(crate) async fn on(port: u16, answer: Answer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { answer: Arc::new(Mutex::new(answer)), asked: Arc::default() };
        let shared = state.clone();
        let router = Router::new().fallback(move |request: Request| respond(shared.clone(), request));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/path?query=1", self.address)
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.state.answer.lock().unwrap() = answer;
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn respond(state: State, request: Request) -> Response {
    assert_eq!(request.uri(), "/path?query=1");
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let asked = Asked { method: parts.method.to_string(), headers: parts.headers, body };
    state.asked.lock().unwrap().push(asked);
    let answer = state.answer.lock().unwrap().clone();
    match answer {
        Answer::Text(status, text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
        Answer::Redirect(status, to) => {
            (StatusCode::from_u16(status).unwrap(), [(LOCATION, to)]).into_response()
        }
        Answer::Never => std::future::pending().await,
    }
}
