//! The demo page: embedded in the program, or served from a folder.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};
use tower_http::services::ServeDir;

use crate::Config;

/// Built by `npm run build`; a server built without it says so when asked for a page.
#[derive(RustEmbed)]
#[folder = "../www/dist"]
#[allow_missing = true]
struct Demo;

/// Vite puts a hash of the content into the names of everything in here, so it never changes.
const HASHED_FOLDER: &str = "/assets/";
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");

/// Serves everything that is not the server's own.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(config: &Config) -> Router<S> {
    match &config.www {
        Some(folder) => {
            let folder = ServeDir::new(folder).precompressed_br().precompressed_gzip();
            Router::new().fallback_service(folder).layer(map_response(ask_first))
        }
        None => Router::new().fallback(embedded),
    }
}

/// A folder may hold anything, so nothing in it counts as never changing.
async fn ask_first(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, ASK_FIRST);
    response
}

async fn embedded(request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = match request.uri().path() {
        "/" => "/index.html",
        path => path,
    };
    match Demo::get(&path[1..]) {
        Some(file) => send(path, file, request.headers()),
        None if path == "/index.html" => {
            let text = "This server was built without the demo page. Build the page first (npm run build), \
                        or serve a folder with --www.\n";
            (StatusCode::NOT_FOUND, text).into_response()
        }
        None => (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response(),
    }
}

fn send(path: &str, file: EmbeddedFile, request: &HeaderMap) -> Response {
    // Weak, because the same tag goes with the compressed forms.
    let hash: String = file.metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("W/\"{hash}\"");
    let cache = if path.starts_with(HASHED_FOLDER) { FOREVER } else { ASK_FIRST };
    let known = request.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let common = [(CACHE_CONTROL, cache), (VARY, HeaderValue::from_static("accept-encoding"))];
    if known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag)) {
        return (StatusCode::NOT_MODIFIED, common, [(ETAG, etag)]).into_response();
    }
    let mime = mime_guess::from_path(path).first_or_octet_stream();
    let charset = if mime.type_() == mime_guess::mime::TEXT { "; charset=utf-8" } else { "" };
    let headers = [(CONTENT_TYPE, format!("{mime}{charset}")), (ETAG, etag)];
    match precompressed(path, request) {
        Some((encoding, smaller)) => {
            let encoding = [(CONTENT_ENCODING, HeaderValue::from_static(encoding))];
            (common, headers, encoding, Body::from(smaller.data)).into_response()
        }
        None => (common, headers, Body::from(file.data)).into_response(),
    }
}

/// The same file compressed by the build, where there is one and the client takes it.
fn precompressed(path: &str, request: &HeaderMap) -> Option<(&'static str, EmbeddedFile)> {
    let accepted = request.get(ACCEPT_ENCODING)?.to_str().ok()?;
    let accepts = |name: &str| {
        accepted.split(',').any(|offer| {
            let (coding, quality) = offer.split_once(';').unwrap_or((offer, ""));
            coding.trim().eq_ignore_ascii_case(name) && quality.trim() != "q=0"
        })
    };
    [("br", "br"), ("gzip", "gz")]
        .into_iter()
        .filter(|(name, _)| accepts(name))
        .find_map(|(name, ending)| Some((name, Demo::get(&format!("{}.{ending}", &path[1..]))?)))
}
