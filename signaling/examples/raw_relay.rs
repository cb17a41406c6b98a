//! A relay with nothing in it but the kernel: what `server_load` compares signaling servers with.
//!
//! Frames are four bytes of length and that many bytes. The first one from a client is the number of its room, and the
//! answer is its own number, which is also told to the others in the room, when it comes and when it goes. Every later
//! one begins with the number of a member of the same room; it gets the rest, behind the number of the sender.
//!
//! One thread, one buffer for reading, one write for all that a client has sent at once. No HTTP, no WebSocket, no rates,
//! no time limits: this is not a server to use. Its argument is the address to listen on.

use std::collections::HashMap;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

const LISTENER: Token = Token(usize::MAX);
const READ_BYTES: usize = 64 * 1024;
/// More waits for nobody.
const MAX_UNSENT_BYTES: usize = 256 * 1024;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Debug)]
struct Client {
    tcp: TcpStream,
    room: Option<u32>,
    /// The beginning of a frame that has not come in full.
    inbound: Vec<u8>,
    unsent: Vec<u8>,
}

#[derive(Debug, Default)]
struct Relay {
    /// By their number.
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    rooms: HashMap<u32, Vec<usize>>,
    /// Who has something to be written to.
    touched: Vec<usize>,
}

fn main() -> Result<()> {
    let address = std::env::args().nth(1).ok_or("give an address to listen on, such as 127.0.0.1:9000")?;
    let mut listener = TcpListener::bind(address.parse()?)?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(256);
    let mut relay = Relay::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in events.iter() {
            match event.token() {
                LISTENER => relay.accept(&listener, poll.registry())?,
                Token(number) => {
                    relay.touched.push(number);
                    if relay.read(number, &mut buffer).is_none() {
                        relay.leave(number);
                    }
                    relay.write();
                }
            }
        }
    }
}

impl Relay {
    fn accept(&mut self, listener: &TcpListener, registry: &Registry) -> Result<()> {
        loop {
            let mut tcp = match listener.accept() {
                Ok((tcp, _)) => tcp,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            tcp.set_nodelay(true)?;
            let number = self.free.pop().unwrap_or(self.clients.len());
            registry.register(&mut tcp, Token(number), Interest::READABLE | Interest::WRITABLE)?;
            if number == self.clients.len() {
                self.clients.push(None);
            }
            let client = Client { tcp, room: None, inbound: Vec::new(), unsent: Vec::new() };
            self.clients[number] = Some(client);
        }
    }

    /// Reads what there is and passes it on; `None` when the client is gone.
    fn read(&mut self, number: usize, buffer: &mut [u8]) -> Option<()> {
        loop {
            let client = self.clients.get_mut(number)?.as_mut()?;
            let len = match client.tcp.read(buffer) {
                Ok(0) => return None,
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(()),
                Err(_) => return None,
            };
            let mut kept = std::mem::take(&mut client.inbound);
            let mut bytes = match kept.is_empty() {
                true => &buffer[..len],
                false => {
                    kept.extend_from_slice(&buffer[..len]);
                    &kept[..]
                }
            };
            while let Some((len, rest)) = bytes.split_first_chunk()
                && let Some((frame, rest)) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)
            {
                self.handle(number, frame)?;
                bytes = rest;
            }
            let rest = bytes.to_vec();
            self.clients[number].as_mut()?.inbound = rest;
            if len < buffer.len() {
                return Some(());
            }
        }
    }

    fn handle(&mut self, number: usize, frame: &[u8]) -> Option<()> {
        let (head, payload) = frame.split_first_chunk()?;
        let head = u32::from_be_bytes(*head);
        let Some(room) = self.clients[number].as_ref()?.room else {
            self.clients[number].as_mut()?.room = Some(head);
            self.rooms.entry(head).or_default().push(number);
            return self.tell(head, number);
        };
        let to = head as usize;
        if self.clients.get(to)?.as_ref()?.room == Some(room) {
            self.queue(to, number, payload);
        }
        Some(())
    }

    /// Tells everybody in a room the number of one.
    fn tell(&mut self, room: u32, number: usize) -> Option<()> {
        for member in self.rooms.get(&room)?.clone() {
            self.queue(member, number, &[]);
        }
        Some(())
    }

    fn queue(&mut self, to: usize, from: usize, payload: &[u8]) {
        let Some(client) = self.clients[to].as_mut() else { return };
        if client.unsent.len() + payload.len() > MAX_UNSENT_BYTES {
            return;
        }
        if client.unsent.is_empty() {
            self.touched.push(to);
        }
        client.unsent.extend_from_slice(&(payload.len() as u32 + 4).to_be_bytes());
        client.unsent.extend_from_slice(&(from as u32).to_be_bytes());
        client.unsent.extend_from_slice(payload);
    }

    fn write(&mut self) {
        for number in std::mem::take(&mut self.touched) {
            let Some(client) = self.clients[number].as_mut() else { continue };
            while !client.unsent.is_empty() {
                // An error is met again when reading.
                let Ok(len) = client.tcp.write(&client.unsent) else { break };
                client.unsent.drain(..len);
            }
            if client.unsent.is_empty() && client.unsent.capacity() > READ_BYTES {
                client.unsent = Vec::new();
            }
        }
    }

    fn leave(&mut self, number: usize) {
        let Some(client) = self.clients[number].take() else { return };
        self.free.push(number);
        let Some(room) = client.room else { return };
        if let Some(members) = self.rooms.get_mut(&room) {
            members.retain(|&member| member != number);
            if members.is_empty() {
                self.rooms.remove(&room);
            }
        }
        let _ = self.tell(room, number);
    }
}
