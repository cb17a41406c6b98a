//! What `pages/bench.ts` does in a trial, with Peerloom from Rust: messages are made, sent, read and checked without
//! leaving WebAssembly.

use std::cell::RefCell;
use std::rc::Rc;

use futures::StreamExt;
use js_sys::Error;
use peerloom::{
    BytesReceiver, BytesSender, Channel, Delivery, Path, Receiver, RelayMode, Room, RoomEvent, Sender, To,
};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

const CACHE_LINE_BYTES: usize = 64;

const BYTES: &str = "bytes";
const OBJECTS: &str = "objects";

/// About 100 bytes as JSON, as `pages/bench.ts` has it.
#[derive(Serialize, Deserialize)]
struct Thing {
    n: u32,
    kind: String,
    x: f64,
    y: f64,
    by: String,
    tags: Vec<String>,
    ok: bool,
    at: f64,
}

impl Thing {
    fn new(n: u32) -> Self {
        Self {
            n,
            kind: "move".to_owned(),
            x: 512.25 + f64::from(n % 1_000),
            y: 384.5,
            by: "player-4711".to_owned(),
            tags: vec!["near".to_owned(), "fast".to_owned()],
            ok: true,
            at: 1_700_000_000_000.0 + f64::from(n),
        }
    }
}

/// A page in a room with one other.
struct Bench {
    room: Rc<Room>,
    bytes: BytesSender,
    objects: Sender<Thing>,
    incoming_bytes: Option<BytesReceiver>,
    incoming_objects: Option<Receiver<Thing>>,
}

thread_local! {
    static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
}

fn failed(error: impl std::fmt::Display) -> JsValue {
    Error::new(&error.to_string()).into()
}

fn bench<T>(work: impl FnOnce(&mut Bench) -> T) -> Result<T, JsValue> {
    BENCH.with_borrow_mut(|bench| bench.as_mut().map(work)).ok_or_else(|| failed("not in a room"))
}

/// Milliseconds of the epoch, the same clock in all pages of a machine.
fn now() -> f64 {
    let performance = web_sys::window().and_then(|window| window.performance());
    performance.map_or(f64::NAN, |performance| performance.time_origin() + performance.now())
}

/// Enters a room.
#[wasm_bindgen]
pub async fn enter(url: String, room: String, relay_first: bool) -> Result<(), JsValue> {
    let relay = if relay_first { RelayMode::First } else { RelayMode::Never };
    let builder = Room::builder(&url).room(&room).relay(relay);
    let builder = builder.bytes(BYTES, Delivery::Ordered).channel::<Thing>(OBJECTS, Delivery::Ordered);
    let room = builder.join().await.map_err(failed)?;
    let (bytes, incoming_bytes) = room.bytes(BYTES).map_err(failed)?;
    let channel: Channel<Thing> = room.channel(OBJECTS).map_err(failed)?;
    let (objects, incoming_objects) = channel.split();
    let (incoming_bytes, incoming_objects) = (Some(incoming_bytes), Some(incoming_objects));
    let room = Rc::new(room);
    BENCH.set(Some(Bench { room, bytes, objects, incoming_bytes, incoming_objects }));
    Ok(())
}

/// Waits until the other one is reached directly.
#[wasm_bindgen]
pub async fn connected() -> Result<f64, JsValue> {
    let room = bench(|bench| bench.room.clone())?;
    let mut events = room.events();
    for peer in room.peers().into_keys() {
        if room.peer_stats(peer).await.local_candidate.is_some() {
            return Ok(now());
        }
    }
    while let Some(event) = events.next().await {
        if matches!(event, RoomEvent::PeerPath(_, Some(Path::Direct))) {
            break;
        }
    }
    Ok(now())
}

/// Reads so many bytes; gives when all were there.
#[wasm_bindgen(js_name = receiveBytes)]
pub async fn receive_bytes(bytes: f64) -> Result<f64, JsValue> {
    let mut incoming = bench(|bench| bench.incoming_bytes.take())?.ok_or_else(|| failed("read already"))?;
    let (mut received, mut messages) = (0.0, 0_usize);
    while received < bytes {
        let Some(message) = incoming.next().await else { return Err(failed("the room has ended")) };
        check(&message.data, messages)?;
        received += message.data.len() as f64;
        messages += 1;
    }
    bench(|bench| bench.incoming_bytes = Some(incoming))?;
    Ok(now())
}

/// Reads a message, as far as memory is concerned.
fn check(message: &[u8], number: usize) -> Result<(), JsValue> {
    let due = number as u8;
    let is_whole = message.iter().step_by(CACHE_LINE_BYTES).all(|byte| *byte == due);
    if is_whole { Ok(()) } else { Err(failed(format!("message {number} is another, or altered"))) }
}

/// Sends so many bytes; gives when it began.
#[wasm_bindgen(js_name = sendBytes)]
pub async fn send_bytes(bytes: f64, message_bytes: usize) -> Result<f64, JsValue> {
    let sender = bench(|bench| bench.bytes.clone())?;
    let mut message = vec![0; message_bytes];
    let (began, mut sent, mut number) = (now(), 0.0, 0_usize);
    while sent < bytes {
        message.fill(number as u8);
        sender.send(To::All, &message).await.map_err(failed)?;
        sent += message_bytes as f64;
        number += 1;
    }
    Ok(began)
}

/// Reads so many objects, each in its turn; gives when all were there.
#[wasm_bindgen(js_name = receiveObjects)]
pub async fn receive_objects(count: u32) -> Result<f64, JsValue> {
    let mut incoming = bench(|bench| bench.incoming_objects.take())?.ok_or_else(|| failed("read already"))?;
    for due in 0..count {
        let Some(message) = incoming.next().await else { return Err(failed("the room has ended")) };
        let Thing { n, x, .. } = message.data;
        if n != due || x.to_bits() != Thing::new(due).x.to_bits() {
            return Err(failed(format!("object {n} came where {due} was due")));
        }
    }
    bench(|bench| bench.incoming_objects = Some(incoming))?;
    Ok(now())
}

/// Sends so many objects in a loop; gives when it began.
#[wasm_bindgen(js_name = sendObjects)]
pub async fn send_objects(count: u32) -> Result<f64, JsValue> {
    let sender = bench(|bench| bench.objects.clone())?;
    let began = now();
    for n in 0..count {
        sender.send(To::All, &Thing::new(n)).await.map_err(failed)?;
    }
    Ok(began)
}

/// Sends everything back that comes.
#[wasm_bindgen]
pub fn echo() -> Result<(), JsValue> {
    let (sender, incoming) = bench(|bench| (bench.bytes.clone(), bench.incoming_bytes.take()))?;
    let mut incoming = incoming.ok_or_else(|| failed("read already"))?;
    spawn_local(async move {
        while let Some(message) = incoming.next().await {
            if sender.send(To::Peer(message.from), &message.data).await.is_err() {
                break;
            }
        }
    });
    Ok(())
}

/// Sends a message and waits until it is back, so many times; gives the milliseconds it took.
#[wasm_bindgen(js_name = roundTrips)]
pub async fn round_trips(count: usize, bytes: usize) -> Result<Vec<f64>, JsValue> {
    let (sender, incoming) = bench(|bench| (bench.bytes.clone(), bench.incoming_bytes.take()))?;
    let mut incoming = incoming.ok_or_else(|| failed("read already"))?;
    let mut times = Vec::with_capacity(count);
    for n in 0..count {
        let message = vec![n as u8; bytes];
        let began = now();
        sender.send(To::All, &message).await.map_err(failed)?;
        let Some(back) = incoming.next().await else { return Err(failed("the room has ended")) };
        check(&back.data, n)?;
        times.push(now() - began);
    }
    bench(|bench| bench.incoming_bytes = Some(incoming))?;
    Ok(times)
}
