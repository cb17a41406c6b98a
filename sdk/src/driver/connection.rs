//! One RTCPeerConnection with its negotiated data channels.
//!
//! Operations on the connection are carried out one after the other, because the browser's are asynchronous and
//! depend on each other: a candidate added before the remote description is set would be refused.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use js_sys::{ArrayBuffer, Object, Uint8Array};
use peerloom_protocol::action::{ConnectionId, Start};
use peerloom_protocol::hello::{Delivery, Hello};
use peerloom_protocol::{control, limits, sdp};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    MessageEvent, RtcConfiguration, RtcDataChannel, RtcDataChannelInit, RtcDataChannelState,
    RtcDataChannelType, RtcIceCandidateInit, RtcIceConnectionState, RtcPeerConnection,
    RtcPeerConnectionIceEvent, RtcPeerConnectionState, RtcSdpType, RtcSessionDescriptionInit,
};

use super::globals;
use super::listener::EventListener;
use super::promise::when_settled;
use crate::error::Error;

/// What a connection reports. The numbers are data-channel ids: 0 is the control channel.
pub(crate) enum ConnectionEvent {
    LocalDescription(String),
    LocalCandidate(String),
    GatheringComplete,
    ChannelsOpen,
    Failed,
    /// ICE has found a way.
    Found,
    Works,
    Lost,
    Message(u16, Uint8Array),
    /// A channel has room again.
    BufferLow,
}

enum Operation {
    SetRemote(RtcSdpType, String),
    /// Has the browser make and apply the description that is due: an answer to the offer it was given, or an offer.
    SetLocal,
    /// Reports the local description.
    Describe,
    AddCandidate(String),
}

/// What waits to be carried out on a connection. The connection alone holds it: a promise of a connection that is closed
/// meanwhile is never settled, and whoever waited for it would be there for ever, and keep the connection.
struct Operations {
    pc: RtcPeerConnection,
    report: Rc<dyn Fn(ConnectionEvent)>,
    waiting: RefCell<VecDeque<Operation>>,
    /// One is being carried out, and the next will follow.
    busy: Cell<bool>,
}

/// See the [module](self). Dropping it closes the connection and reports nothing more.
pub(crate) struct Connection {
    // Declared before what they listen to: fields drop in order, so no listener outlives it.
    listeners: Vec<EventListener>,
    channels: Vec<RtcDataChannel>,
    /// How many of the channels are not open.
    unopened: Rc<Cell<usize>>,
    pc: RtcPeerConnection,
    report: Rc<dyn Fn(ConnectionEvent)>,
    operations: Rc<Operations>,
    pub(crate) sent_bytes: Cell<u64>,
}

/// Where events go: the connection's own handle keeps a late event of a dropped connection from being reported.
pub(crate) type Report = Rc<dyn Fn(ConnectionId, ConnectionEvent)>;

impl Connection {
    /// Makes the connection with its control channel, and starts it. The [other channels](Self::complete) can wait until
    /// the local description is made, for which others wait.
    ///
    /// # Errors
    /// What the browser threw, for example because a page holds too many connections.
    pub(crate) fn open(
        id: ConnectionId,
        start: Start,
        configuration: &RtcConfiguration,
        report: Report,
    ) -> Result<Self, Error> {
        let thrown = |error: JsValue| Error::thrown(&error);
        let make = || RtcPeerConnection::new_with_configuration(configuration);
        let pc = make().or_else(|_| {
            collect_closed();
            make()
        });
        let pc = pc.map_err(thrown)?;
        let report: Rc<dyn Fn(ConnectionEvent)> = Rc::new(move |event| report(id, event));
        let listeners = connection_listeners(&pc, &report);
        let (waiting, busy) = (RefCell::default(), Cell::new(false));
        let operations = Rc::new(Operations { pc: pc.clone(), report: report.clone(), waiting, busy });
        let (channels, unopened, sent_bytes) = (Vec::new(), Rc::default(), Cell::new(0));
        let mut connection = Self { listeners, channels, unopened, pc, report, operations, sent_bytes };
        connection.add_channel(control::LABEL, Delivery::Ordered);
        connection.start(start);
        Ok(connection)
    }

    /// Makes the channels beside the control channel, in the task that hears of the local description: later the control
    /// channel might open before they are there. On a connection that was closed from outside none can be made.
    pub(crate) fn complete(&mut self, hello: &Hello) {
        if self.is_closed() {
            return;
        }
        let declared = hello.data_channels().map(|spec| (&*spec.label, spec.delivery));
        for (label, delivery) in declared.chain([(control::MORE_LABEL, Delivery::Ordered)]) {
            self.add_channel(label, delivery);
        }
    }

    fn add_channel(&mut self, label: &str, delivery: Delivery) {
        let id = self.channels.len() as u16;
        let channel = open_channel(&self.pc, label, id, delivery);
        channel_listeners(&mut self.listeners, &channel, id, &self.unopened, &self.report);
        self.unopened.set(self.unopened.get() + 1);
        self.channels.push(channel);
    }

    /// Makes and applies the local description. The browser has its first task when this returns, and works on it while
    /// the rest of the connection, and others, are made.
    fn start(&self, start: Start) {
        let offer = |sdp| Operation::SetRemote(RtcSdpType::Offer, sdp);
        match start {
            Start::Offer { role_hint: false } => {}
            Start::Offer { role_hint: true } => {
                self.queue(offer(sdp::ROLE_HINT_OFFER.to_owned()));
                self.queue(Operation::SetLocal);
            }
            Start::Answer { offer: sdp } => self.queue(offer(sdp)),
        }
        self.queue(Operation::SetLocal);
        self.queue(Operation::Describe);
    }

    fn queue(&self, operation: Operation) {
        self.operations.waiting.borrow_mut().push_back(operation);
        if !self.operations.busy.replace(true) {
            proceed(&self.operations);
        }
    }

    pub(crate) fn set_answer(&self, sdp: String) {
        self.queue(Operation::SetRemote(RtcSdpType::Answer, sdp));
    }

    pub(crate) fn add_candidate(&self, line: String) {
        self.queue(Operation::AddCandidate(line));
    }

    pub(crate) fn pc(&self) -> &RtcPeerConnection {
        &self.pc
    }

    /// Bytes handed to a channel and not yet sent; None when the channel is not open.
    pub(crate) fn buffered(&self, channel: u16) -> Option<usize> {
        let channel = self.channels.get(usize::from(channel))?;
        (channel.ready_state() == RtcDataChannelState::Open).then(|| channel.buffered_amount() as usize)
    }

    /// Whether the connection was closed from outside, which no event tells.
    pub(crate) fn is_closed(&self) -> bool {
        self.pc.connection_state() == RtcPeerConnectionState::Closed
    }

    /// The same, of all channels.
    pub(crate) fn buffered_bytes(&self) -> u64 {
        self.channels.iter().map(|channel| u64::from(channel.buffered_amount())).sum()
    }

    /// Hands a frame to the browser. False when it refuses; the connection is then as good as lost.
    pub(crate) fn send(&self, channel: u16, frame: &[u8]) -> bool {
        let sent =
            self.channels.get(usize::from(channel)).is_some_and(|c| c.send_with_u8_array(frame).is_ok());
        if sent {
            self.sent_bytes.set(self.sent_bytes.get() + frame.len() as u64);
        }
        sent
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.listeners.clear();
        self.pc.close();
    }
}

/// Makes the browser collect garbage. Chromium lets a page have 500 connections, and counts closed ones until they are
/// collected (seen in 156), which may take minutes: they look small to it. Large buffers thrown away make it look at once;
/// as nothing is written to them, they take address space only.
fn collect_closed() {
    const BUFFERS: usize = 4;
    const BUFFER_BYTES: f64 = 33_554_432.0;
    for _ in 0..BUFFERS {
        // Where there is no room for it, there is none for a connection either.
        let _ = globals::ArrayBuffer::new(BUFFER_BYTES);
    }
}

fn open_channel(pc: &RtcPeerConnection, label: &str, id: u16, delivery: Delivery) -> RtcDataChannel {
    let init = RtcDataChannelInit::new();
    // Negotiated: Chromium loses the answerer's first message on channels announced in-band (measured: 6 %).
    init.set_negotiated(true);
    init.set_id(id);
    match delivery {
        Delivery::Ordered => init.set_ordered(true),
        Delivery::Unordered => init.set_ordered(false),
        Delivery::Latest => {
            init.set_ordered(false);
            init.set_max_retransmits(0);
        }
        Delivery::Lifetime(ms) => {
            init.set_ordered(false);
            init.set_max_packet_life_time(ms);
        }
    }
    let channel = pc.create_data_channel_with_data_channel_dict(label, &init);
    channel.set_binary_type(RtcDataChannelType::Arraybuffer);
    channel.set_buffered_amount_low_threshold(limits::LOW_WATER_BYTES as u32);
    channel
}

fn connection_listeners(pc: &RtcPeerConnection, report: &Rc<dyn Fn(ConnectionEvent)>) -> Vec<EventListener> {
    let (candidates, states, watched, announced) =
        (report.clone(), report.clone(), pc.clone(), report.clone());
    let (found, watched_ice) = (report.clone(), pc.clone());
    vec![
        // All channels are declared: whoever opens another speaks another protocol, or wants to fill this page with them.
        EventListener::new(pc, "datachannel", move |_| announced(ConnectionEvent::Lost)),
        EventListener::new(pc, "icecandidate", move |event| {
            let candidate = event.dyn_ref::<RtcPeerConnectionIceEvent>().and_then(|event| event.candidate());
            match candidate.map(|candidate| candidate.candidate()) {
                None => candidates(ConnectionEvent::GatheringComplete),
                // Firefox marks the end of a generation with an empty candidate.
                Some(line) if line.is_empty() => {}
                Some(line) => candidates(ConnectionEvent::LocalCandidate(line)),
            }
        }),
        EventListener::new(pc, "connectionstatechange", move |_| {
            // "disconnected" heals by itself more often than not.
            match watched.connection_state() {
                RtcPeerConnectionState::Failed => states(ConnectionEvent::Failed),
                RtcPeerConnectionState::Connected => states(ConnectionEvent::Works),
                _ => {}
            }
        }),
        EventListener::new(pc, "iceconnectionstatechange", move |_| {
            if watched_ice.ice_connection_state() == RtcIceConnectionState::Connected {
                found(ConnectionEvent::Found);
            }
        }),
    ]
}

fn channel_listeners(
    listeners: &mut Vec<EventListener>,
    channel: &RtcDataChannel,
    id: u16,
    unopened: &Rc<Cell<usize>>,
    report: &Rc<dyn Fn(ConnectionEvent)>,
) {
    let (opened, closed, message, low) = (report.clone(), report.clone(), report.clone(), report.clone());
    let unopened = unopened.clone();
    listeners.extend([
        EventListener::new(channel, "open", move |_| {
            unopened.set(unopened.get().saturating_sub(1));
            if unopened.get() == 0 {
                opened(ConnectionEvent::ChannelsOpen);
            }
        }),
        EventListener::new(channel, "close", move |_| closed(ConnectionEvent::Lost)),
        EventListener::new(channel, "message", move |event| {
            // Nothing else is dispatched under that name.
            let data = event.unchecked_ref::<MessageEvent>().data();
            message(match data.dyn_ref::<ArrayBuffer>() {
                Some(buffer) => ConnectionEvent::Message(id, Uint8Array::new(buffer)),
                // Text, which no peer of this protocol sends.
                None => ConnectionEvent::Lost,
            });
        }),
        EventListener::new(channel, "bufferedamountlow", move |_| low(ConnectionEvent::BufferLow)),
    ]);
}

/// Begins the next operation; the one after it follows when that is done. Ends when none waits.
fn proceed(operations: &Rc<Operations>) {
    let Operations { pc, report, waiting, busy } = &**operations;
    let next = waiting.borrow_mut().pop_front();
    let (promise, must_succeed) = match next {
        None => {
            busy.set(false);
            return;
        }
        Some(Operation::Describe) => {
            let sdp = pc.local_description().map(|description| description.sdp()).unwrap_or_default();
            report(ConnectionEvent::LocalDescription(sdp));
            return proceed(operations);
        }
        Some(Operation::SetRemote(kind, sdp)) => {
            let description = RtcSessionDescriptionInit::new(kind);
            description.set_sdp(&sdp);
            (pc.set_remote_description(&description), true)
        }
        Some(Operation::SetLocal) => (pc.set_local_description(Object::new().unchecked_ref()), true),
        Some(Operation::AddCandidate(line)) => {
            let init = RtcIceCandidateInit::new(&line);
            init.set_sdp_mid(Some("0"));
            init.set_sdp_m_line_index(Some(0));
            // A candidate that this browser cannot use is no reason to give the connection up.
            (pc.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(&init)), false)
        }
    };
    let operations = Rc::downgrade(operations);
    when_settled(&promise, move |settled| {
        let Some(operations) = operations.upgrade() else { return };
        if must_succeed && settled.is_err() {
            operations.waiting.borrow_mut().clear();
            (operations.report)(ConnectionEvent::Lost);
        }
        proceed(&operations);
    });
}
