//! From an HTTP request at `/ws` to a served WebSocket.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use peerloom_protocol::limits::{MAX_SERVER_MESSAGE_BYTES, MAX_SOCKET_MESSAGE_BYTES};
use peerloom_protocol::signal::{Join, Refusal, SUBPROTOCOL, read_early_join};

use crate::App;
use crate::admission::AddressPermit;
use crate::config::Config;
use crate::connection::{Connection, unreadable};
use crate::hub::Refused;
use crate::ice_servers::Told;
use crate::regions::Region;
use crate::stream::Client;

/// tungstenite allocates this much for every connection at once; its default of 128 KiB is most of what an idle
/// connection costs (137 KiB instead of 5 were measured).
const READ_BUFFER_BYTES: usize = 1024;
/// Messages fed one after the other leave in writes of about this size. The buffer grows on use and stays.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;

/// Answers `GET /ws`.
pub(crate) async fn upgrade(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Arc<Client>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if let Err(error) = app.config.allow_origins.check_origin(&headers) {
        tracing::debug!(%error, "origin refused");
        return (StatusCode::FORBIDDEN, format!("{error}\n")).into_response();
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.protocols([SUBPROTOCOL]),
        Err(rejection) => return rejection.into_response(),
    };
    if upgrade.selected_protocol().is_none() {
        let text = format!("This WebSocket needs the subprotocol {SUBPROTOCOL}.\n");
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    let behind_proxy = match count_behind_proxy(&app, &client, &headers) {
        Ok(permit) => permit,
        Err(status) => return status.into_response(),
    };
    let is_full =
        client.permit.is_over_limit() || behind_proxy.as_ref().is_some_and(AddressPermit::is_over_limit);
    let early = match is_full {
        true => Some(Err((Refusal::ServerFull, "the server holds as many connections as it may".into()))),
        false => early_join(&upgrade),
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let ice = Told::new(&app.ice, host, region_of(&app.config, &client, &headers));
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_SERVER_MESSAGE_BYTES + 2 * WRITE_BUFFER_BYTES)
        .max_message_size(MAX_SOCKET_MESSAGE_BYTES)
        .max_frame_size(MAX_SOCKET_MESSAGE_BYTES)
        .on_upgrade(move |socket| Connection::new(socket, app, client, behind_proxy, ice).run(early))
}

/// The join among the offered subprotocols, if there is one. Only the first is looked at.
fn early_join(upgrade: &WebSocketUpgrade) -> Option<Result<Box<Join>, Refused>> {
    upgrade
        .requested_protocols()
        .filter_map(|value| value.to_str().ok())
        .find_map(read_early_join)
        .map(|join| join.map(Box::new).map_err(unreadable))
}

/// Counts the real client of a connection that came through a trusted proxy.
fn count_behind_proxy(
    app: &App,
    client: &Client,
    headers: &HeaderMap,
) -> Result<Option<AddressPermit>, StatusCode> {
    let proxies = &app.config.trusted_proxies;
    if !proxies.contains(&client.address) {
        return Ok(None);
    }
    match forwarded_for(headers, proxies) {
        // The proxy does not say whom it speaks for: then only the total counts.
        None => Ok(None),
        Some(address) => {
            app.admission.admit_address(address).map(Some).ok_or(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

/// The region that a trusted proxy says the client is in. One that passes on what clients say of themselves, and adds to it, says
/// nothing.
fn region_of(config: &Config, client: &Client, headers: &HeaderMap) -> Option<Region> {
    let name =
        config.ice.region_header.as_ref().filter(|_| config.trusted_proxies.contains(&client.address))?;
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok()?.parse().ok(),
        _ => None,
    }
}

/// The address nearest to the server that is not one of its proxies: what stands further left in
/// `X-Forwarded-For` is the client's own claim.
fn forwarded_for(headers: &HeaderMap, proxies: &[IpAddr]) -> Option<IpAddr> {
    const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|text| text.trim().parse::<IpAddr>().ok())
        .rev()
        .find(|address| address.is_none_or(|address| !proxies.contains(&address)))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_own_proxies_saw_is_believed() {
        let proxies: Vec<IpAddr> =
            ["10.0.0.1", "10.0.0.2"].iter().map(|text| text.parse().unwrap()).collect();
        for (values, expected) in [
            (vec![], None),
            (vec!["192.0.2.1"], Some("192.0.2.1")),
            (vec!["6.6.6.6, 192.0.2.1"], Some("192.0.2.1")),
            (vec!["6.6.6.6, 192.0.2.1, 10.0.0.2"], Some("192.0.2.1")),
            (vec!["6.6.6.6", "192.0.2.1,10.0.0.2"], Some("192.0.2.1")),
            (vec!["2001:db8::1"], Some("2001:db8::1")),
            (vec!["6.6.6.6, unknown"], None),
            (vec!["10.0.0.2"], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(forwarded_for(&headers, &proxies), expected, "{values:?}");
        }
    }
}
