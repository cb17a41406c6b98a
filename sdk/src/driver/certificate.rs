//! The certificate of all connections of a room, which is what the hello names. The TypeScript face makes it by itself.

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{RtcConfiguration, RtcPeerConnection};

use super::promise::settled;
/// As long as browsers let one be valid: a year, in milliseconds.
const EXPIRES_MS: f64 = 31_536_000_000.0;

/// The same configuration with a certificate, unless it names one. Without WebRTC there is none, and messages go through the
/// server.
pub(crate) async fn with_certificate(configuration: &RtcConfiguration) -> RtcConfiguration {
    if Reflect::get(configuration, &"certificates".into()).is_ok_and(|known| known.is_truthy()) {
        return configuration.clone();
    }
    let algorithm = Object::new();
    let fields = [
        ("name", "ECDSA".into()),
        ("namedCurve", "P-256".into()),
        ("expires", JsValue::from_f64(EXPIRES_MS)),
    ];
    for (name, value) in fields {
        // Defining a field of a fresh plain object cannot fail.
        let _ = Reflect::set(&algorithm, &name.into(), &value);
    }
    let made = match RtcPeerConnection::generate_certificate_with_object(&algorithm) {
        Ok(made) => settled(&made).await,
        Err(thrown) => Err(thrown),
    };
    // A copy, or the next room that is joined with it would show the same certificate.
    let own: RtcConfiguration = Object::assign(&Object::new(), configuration).unchecked_into();
    if let Ok(certificate) = made {
        own.set_certificates(Array::of1(&certificate).unchecked_ref());
    }
    own
}
