//! The demo page, other files, `/healthz`, and the headers on them.

use std::fs;

use peerloom_signaling::Config;

use crate::common::{Client, Server, join};

/// A server for a folder with a page, and a file outside that folder.
async fn serving_a_folder() -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let www = dir.path().join("www");
    fs::create_dir_all(www.join("assets")).unwrap();
    fs::write(www.join("index.html"), "<!doctype html><title>mine</title>").unwrap();
    fs::write(www.join("assets/app.wasm"), b"\0asm").unwrap();
    fs::write(www.join("assets/app.js"), "export {};".repeat(100)).unwrap();
    fs::write(www.join("assets/app.js.gz"), "as if compressed").unwrap();
    fs::write(dir.path().join("secret.txt"), "keep out").unwrap();
    let server = Server::with(Config { www: Some(www), ..Config::default() }).await;
    (server, dir)
}

#[tokio::test]
async fn health_is_told_as_json() {
    let server = Server::start().await;
    let (_one, _) = Client::join(&server, join("r", "1")).await;
    let (_two, _) = Client::join(&server, join("r", "2")).await;
    let (_three, _) = Client::join(&server, join("s", "3")).await;
    // Under any name: whoever runs a probe decides how it calls the server.
    let answer = server.get("/healthz", "Host: 10.1.2.3\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let version = env!("CARGO_PKG_VERSION");
    let body = format!("{{\"status\":\"ok\",\"version\":\"{version}\",\"connections\":3,\"rooms\":2}}\n");
    assert!(answer.ends_with(&body), "{answer}");
}

#[tokio::test]
async fn empty_rooms_are_forgotten() {
    let server = Server::start().await;
    let (mut watcher, _) = Client::join(&server, join("watched", "w")).await;
    for number in 0..10 {
        let (mut client, _) = Client::join(&server, join(&format!("room {number}"), "x")).await;
        client.send(peerloom_protocol::signal::ClientMessage::Leave).await;
        assert_eq!(client.next().await, Err(Some(1000)));
    }
    watcher.assert_quiet().await;
    let answer = server.get("/healthz", "").await;
    assert!(answer.contains("\"connections\":1,\"rooms\":1"), "{answer}");
}

#[tokio::test]
async fn a_folder_is_served_with_types_and_headers() {
    let (server, _dir) = serving_a_folder().await;
    let page = server.get("/", "").await;
    assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("<title>mine</title>"), "{page}");
    let lower = page.to_lowercase();
    for expected in [
        "content-type: text/html",
        "content-security-policy: default-src 'self'; script-src 'self' 'wasm-unsafe-eval';",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "permissions-policy: camera=()",
        "cache-control: no-cache",
    ] {
        assert!(lower.contains(expected), "{expected} in {lower}");
    }
    let wasm = server.get("/assets/app.wasm", "").await.to_lowercase();
    assert!(wasm.contains("content-type: application/wasm"), "{wasm}");
    let js = server.get("/assets/app.js", "Accept-Encoding: gzip\r\n").await.to_lowercase();
    assert!(js.contains("content-type: text/javascript"), "{js}");
    assert!(js.contains("content-encoding: gzip") && js.ends_with("as if compressed"), "{js}");
    assert!(server.get("/nothing", "").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn nothing_outside_the_folder_is_served() {
    let (server, _dir) = serving_a_folder().await;
    for path in [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..%5csecret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "//../secret.txt",
        "/./../secret.txt",
        "/%00",
        "/etc/passwd",
        "//etc/passwd",
    ] {
        let answer = server.get(path, "").await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
        assert!(!answer.contains("keep out") && !answer.contains("root:"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn the_embedded_page_or_a_hint_how_to_get_one() {
    let server = Server::start().await;
    let page = server.get("/", "").await;
    if page.starts_with("HTTP/1.1 200") {
        let lower = page.to_lowercase();
        assert!(lower.contains("content-type: text/html; charset=utf-8"), "{page}");
        assert!(lower.contains("cache-control: no-cache"), "{page}");
        let tag = lower.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().replace("w/", "W/");
        let again = server.get("/", &format!("If-None-Match: {tag}\r\n")).await;
        assert!(again.starts_with("HTTP/1.1 304"), "{again}");
        let smaller = server.get("/", "Accept-Encoding: gzip\r\n").await;
        assert!(smaller.starts_with("HTTP/1.1 200") && smaller.len() <= page.len() + 50, "{smaller}");
    } else {
        assert!(page.starts_with("HTTP/1.1 404") && page.contains("--www"), "{page}");
    }
    for path in ["/Cargo.toml", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "//", "/index.html/.."] {
        let answer = server.get(path, "").await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn other_methods_are_refused() {
    let server = Server::start().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        for path in ["/", "/ws", "/healthz"] {
            let host = server.address;
            let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let answer = server.raw(&request).await;
            assert!(answer.starts_with("HTTP/1.1 40"), "{method} {path}: {answer}");
        }
    }
}
