//! A chat page in Rust. It meets TypeScript pages in the same room: same names, same wire.
//!
//! Open it as `index.html?room=demo`; `&server=` names another signaling server than the page's own, with `&stay=me` it
//! comes back under the same id, and `&tokens=` names who gives admission tokens.

use std::rc::Rc;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use gloo::events::{EventListener, EventListenerOptions};
use peerloom::{
    Compact, Delivery, Error, PeerId, Receiver, Request, Requests, Room, RoomEvent, Sender, Streams, To,
};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Document, HtmlInputElement, Response};

/// The messages of the "chat" channel, as the demo page has them.
#[derive(Serialize, Deserialize)]
struct Chat {
    text: String,
}

/// The messages of the "step" channel, which take few bytes.
#[derive(Serialize, Deserialize)]
enum Step {
    Move { x: f64, y: f32, by: Option<String>, at: i64 },
    Mark { tags: Vec<String>, counts: Vec<u16>, seen: bool, total: u64 },
    Stop,
}

impl Compact for Step {
    const SHAPE: &str = "kind{move{x:f64,y:f32,by:option(text),at:i53},\
        mark{tags:list(text),counts:list(u16),seen:bool,total:u53},stop{}}";
}

fn say(document: &Document, id: &str, text: &str) {
    if let (Some(list), Ok(entry)) = (document.get_element_by_id(id), document.create_element("li")) {
        entry.set_text_content(Some(text));
        let _ = list.append_child(&entry);
    }
}

fn parameter(name: &str) -> Option<String> {
    let search = web_sys::window()?.location().search().ok()?;
    let mut pairs = search.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.replace("%3A", ":").replace("%2F", "/"))
}

/// The secret of an id that lasts, kept by this page itself; made if there is none.
fn kept_identity() -> Option<[u8; 32]> {
    const KEY: &str = "identity";
    let window = web_sys::window()?;
    let storage = window.local_storage().ok()??;
    let mut secret = [0; 32];
    if let Some(text) = storage.get_item(KEY).ok()? {
        // As the page wrote it, or not at all: half a secret would be another id.
        for (at, byte) in secret.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        return Some(secret);
    }
    window.crypto().ok()?.get_random_values_with_u8_array(&mut secret).ok()?;
    let text: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    storage.set_item(KEY, &text).ok()?;
    Some(secret)
}

/// An admission token for this room, and for the owner of this key alone. None when nobody gives one.
async fn token(giver: String, room: String, key: String) -> Option<String> {
    let asked = web_sys::window()?.fetch_with_str(&format!("{giver}?room={room}&key={key}"));
    let response: Response = JsFuture::from(asked).await.ok()?.dyn_into().ok()?;
    if !response.ok() {
        return None;
    }
    JsFuture::from(response.text().ok()?).await.ok()?.as_string()
}

/// What a field of the page has in it.
fn field(document: &Document, id: &str) -> Option<HtmlInputElement> {
    document.get_element_by_id(id)?.dyn_into().ok()
}

/// Calls this whenever the form is sent, for as long as the page lives.
fn on_submit(document: &Document, form: &str, mut submitted: impl FnMut() + 'static) {
    let Some(form) = document.get_element_by_id(form) else { return };
    let options = EventListenerOptions::enable_prevent_default();
    EventListener::new_with_options(&form, "submit", options, move |event| {
        event.prevent_default();
        submitted();
    })
    .forget();
}

/// Sends the peer away whose id was typed.
async fn send_away(room: &Room, whom: &str, reason: &str) -> String {
    let Ok(peer) = whom.parse::<PeerId>() else { return format!("{whom} is no id") };
    match room.kick(peer, reason).await {
        Ok(()) => format!("sent {peer} away"),
        Err(error) => format!("did not send {peer} away: {error} ({})", error.code()),
    }
}

/// How a peer was reached, and what went there and back.
async fn account(room: &Room, peer: PeerId) -> String {
    let stats = room.peer_stats(peer).await;
    let (calls, attempts) = (stats.exchange, room.attempts(peer));
    let joined = room.joining().and_then(|joining| joining.joined_ms).is_some();
    format!(
        "with {peer}: {} calls and answers there, {} back, {} bytes in all; {} attempts, joined: {joined}",
        calls.sent_messages,
        calls.received_messages,
        stats.sent_bytes + stats.received_bytes,
        attempts.len(),
    )
}

/// Rolls a die of as many sides as asked for. It is loaded.
async fn answer(mut calls: Requests<u32, u32>) {
    while let Some(Request { data: sides, responder, .. }) = calls.next().await {
        match sides {
            0 => responder.refuse("no-such-die", "a die has sides"),
            // A number has a JSON form.
            _ => responder.respond(&sides).unwrap_or_default(),
        }
    }
}

/// Sends back what comes in on streams.
async fn echo(mut streams: Streams) {
    while let Some(stream) = streams.next().await {
        spawn_local(async move {
            let (reader, mut writer) = stream.split();
            // The other end may give it up: then there is nobody to tell.
            if futures::io::copy(reader, &mut writer).await.is_ok() {
                let _ = writer.close().await;
            }
        });
    }
}

/// Sends back the steps that come in.
async fn retrace(steps: Sender<Step>, mut incoming: Receiver<Step>) {
    while let Some(step) = incoming.next().await {
        // Whoever has left meanwhile does not wait for it.
        let _ = steps.send(To::Peer(step.from), &step.data).await;
    }
}

async fn run(document: Document) -> Result<(), Error> {
    let own = web_sys::window().and_then(|window| window.location().origin().ok()).unwrap_or_default();
    let server = parameter("server").unwrap_or(own);
    let name = parameter("room").unwrap_or_else(|| "demo".to_owned());
    let room = Room::builder(&server).room(&name).channel::<Chat>("chat", Delivery::Ordered).compress("chat");
    let mut room = room.compact::<Step>("step", Delivery::Ordered).rpc::<u32, u32>("roll");
    if parameter("stay").is_some() {
        let secret = kept_identity();
        room = room.identity(secret.ok_or_else(|| Error::Browser("it keeps no identity".to_owned()))?);
    }
    if let Some(passphrase) = parameter("passphrase") {
        room = room.passphrase(&passphrase);
    }
    if let Some(giver) = parameter("tokens") {
        let name = name.clone();
        room = room.token_for_key(move |key| token(giver.clone(), name.clone(), key));
    }
    let room = Rc::new(room.join().await?);
    if let Some(status) = document.get_element_by_id("status") {
        status.set_text_content(Some(&format!("in room {name} as {}", room.id())));
    }

    let (tx, mut rx) = room.channel::<Chat>("chat")?.split();
    if let Some(input) = field(&document, "text") {
        on_submit(&document, "form", move || {
            let (tx, text) = (tx.clone(), input.value());
            input.set_value("");
            spawn_local(async move {
                let _ = tx.send(To::All, &Chat { text }).await;
            });
        });
    }
    if let Some((whom, reason)) = field(&document, "whom").zip(field(&document, "reason")) {
        let (document, room) = (document.clone(), room.clone());
        on_submit(&document.clone(), "kick", move || {
            let (document, room) = (document.clone(), room.clone());
            let (whom, reason) = (whom.value(), reason.value());
            spawn_local(async move {
                say(&document, "events", &send_away(&room, &whom, &reason).await);
            });
        });
    }

    let (mut events, roll) = (room.events(), room.rpc::<u32, u32>("roll")?);
    spawn_local(answer(roll.handle()));
    spawn_local(echo(room.streams()));
    let (steps, incoming) = room.channel::<Step>("step")?.split();
    spawn_local(retrace(steps, incoming));
    let names = document.clone();
    spawn_local(async move {
        while let Some(event) = events.next().await {
            say(&names, "events", &format!("{event:?}"));
            if let RoomEvent::Closed(Some(error)) = &event {
                say(&names, "log", &format!("{error} ({})", error.code()));
            }
            if let RoomEvent::PeerConnected(peer) = event {
                let text = match roll.call(peer, &6).await {
                    Ok(result) => format!("{peer} rolled {result}"),
                    Err(error) => format!("{peer} did not roll: {error} ({})", error.code()),
                };
                say(&names, "events", &text);
                if let Ok(code) = room.safety_code(peer).await {
                    say(&names, "events", &format!("code with {peer}: {} {}", code.emoji(), code.digits()));
                }
                say(&names, "events", &account(&room, peer).await);
            }
        }
    });
    while let Some(message) = rx.next().await {
        say(&document, "log", &format!("{}: {}", message.from, message.data.text));
    }
    Ok(())
}

/// Runs when the module is loaded.
#[wasm_bindgen(start)]
pub fn start() {
    let Some(document) = web_sys::window().and_then(|window| window.document()) else { return };
    spawn_local(async move {
        if let Err(error) = run(document.clone()).await {
            say(&document, "log", &format!("{} ({})", error, error.code()));
        }
    });
}
