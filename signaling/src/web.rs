//! The routes of the server and the headers on every answer.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::{App, assets, upgrade};

/// Nothing but the server's own files, WebAssembly, and signaling servers anywhere, which are asked by plain requests
/// whether they are back; pictures that peers sent are `blob:`.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws: wss: http: https:; \
                      img-src 'self' blob: data:; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
                      object-src 'none'; form-action 'none'";

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    ),
];

/// Everything the server answers.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/ws", get(upgrade::upgrade))
        .merge(assets::router(&app.config))
        .layer(from_fn_with_state(app.clone(), check_host))
        // Behind the host check: a health probe goes by whatever name its operator gave it, and learns little.
        .route("/healthz", get(health))
        .layer(map_response(add_headers))
        .with_state(app)
}

async fn check_host(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.is_loopback
        && let Err(error) = app.config.allow_origins.check_loopback_host(request.headers())
    {
        tracing::debug!(%error, "host refused");
        return (StatusCode::FORBIDDEN, format!("{error}\n")).into_response();
    }
    next.run(request).await
}

async fn health(State(app): State<Arc<App>>) -> Response {
    let ice = app.ice.report().map_or(String::new(), |report| format!(",\"ice\":{report}"));
    let body = format!(
        "{{\"status\":\"ok\",\"version\":\"{}\",\"connections\":{},\"rooms\":{}{ice}}}\n",
        env!("CARGO_PKG_VERSION"),
        app.hub.member_count(),
        app.hub.room_count(),
    );
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response()
}

async fn add_headers(mut response: Response) -> Response {
    response.headers_mut().extend(HEADERS);
    response
}
