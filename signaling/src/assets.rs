//! The demo page: embedded in the program, or served from a folder.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
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
    match compressed(path, &file, request) {
        Some((encoding, smaller)) => {
            let encoding = [(CONTENT_ENCODING, HeaderValue::from_static(encoding))];
            (common, headers, encoding, Body::from(smaller)).into_response()
        }
        None => (common, headers, Body::from(file.data)).into_response(),
    }
}

/// A smaller form of the file that the client takes: made by the build, or by this server once and for all.
///
/// Not by a compressor for each response: its state is a quarter of a megabyte, and a client that reads slowly
/// could hold as many as it may have connections.
fn compressed(path: &str, file: &EmbeddedFile, request: &HeaderMap) -> Option<(&'static str, Bytes)> {
    static GZIPPED: Mutex<BTreeMap<String, Option<Bytes>>> = Mutex::new(BTreeMap::new());
    let accepted = request.get(ACCEPT_ENCODING)?.to_str().ok()?;
    if accepts(accepted, "br")
        && let Some(smaller) = Demo::get(&format!("{}.br", &path[1..]))
    {
        return Some(("br", Bytes::from(smaller.data.into_owned())));
    }
    if !accepts(accepted, "gzip") {
        return None;
    }
    // As many entries as embedded files at most: only found ones come here.
    let mut gzipped = GZIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    let smaller = gzipped.entry(path.to_owned()).or_insert_with(|| gzip(&file.data)).clone()?;
    Some(("gzip", smaller))
}

fn accepts(accepted: &str, coding: &str) -> bool {
    accepted.split(',').any(|offer| {
        let (name, quality) = offer.split_once(';').unwrap_or((offer, ""));
        name.trim().eq_ignore_ascii_case(coding)
            && !matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

/// The bytes compressed, if that makes them noticeably smaller: pictures and fonts are compressed already.
fn gzip(data: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).ok()?;
    let smaller = encoder.finish().ok()?;
    (smaller.len() < data.len() / 10 * 9).then(|| smaller.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn what_does_not_shrink_is_left_alone() {
        let text = b"export const answer = 42;".repeat(100);
        let smaller = gzip(&text).unwrap();
        let mut back = Vec::new();
        GzDecoder::new(&smaller[..]).read_to_end(&mut back).unwrap();
        assert_eq!(back, text);
        assert!(gzip(&smaller).is_none() && gzip(b"").is_none());
    }

    #[test]
    fn codings_are_taken_as_offered() {
        let offer = "gzip, deflate;q=0.5, BR;q=1.0, zstd;q=0";
        assert!(accepts(offer, "gzip") && accepts(offer, "br") && accepts(offer, "deflate"));
        assert!(!accepts(offer, "zstd") && !accepts(offer, "identity") && !accepts("", "br"));
    }
}
