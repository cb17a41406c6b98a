//! Many clients of one server, in one thread.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::Result;
use crate::dialect::{Dialect, Name};
use crate::socket::Framing;

const READ_BYTES: usize = 64 * 1024;
/// A server that says nothing for so long says nothing any more.
const PATIENCE: Duration = Duration::from_secs(20);
/// Connections from one address. Linux looks ever longer for a port when half of the range is taken, 14,000, and a server
/// that is then asked one by one needs twice the time for each join.
const PER_SOURCE: usize = 5_000;
/// How many connect at the same time.
pub(crate) const AT_ONCE: usize = 32;

/// What a client heard.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Heard {
    /// It is in its room.
    Welcome,
    /// A message of so many bytes.
    Message(usize),
}

/// All clients, and what wakes them.
#[derive(Debug)]
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    pub(crate) clients: Clients,
}

/// All clients, by the number they were opened under.
#[derive(Debug)]
pub(crate) struct Clients {
    registry: mio::Registry,
    pub(crate) dialect: Dialect,
    address: SocketAddr,
    list: Vec<Option<Client>>,
    /// How many connections there ever were.
    opened: usize,
    read: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    tcp: TcpStream,
    number: usize,
    state: State,
    /// The beginning of something that has not come in full.
    inbound: Vec<u8>,
    unsent: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// Waits for the answer to the upgrade.
    Upgrading,
    /// Waits to be let in.
    Joining,
    In(Name),
}

impl Crowd {
    pub(crate) fn new(dialect: Dialect, address: SocketAddr) -> Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let read = vec![0; READ_BYTES];
        let clients = Clients { registry, dialect, address, list: Vec::new(), opened: 0, read };
        Ok(Self { poll, events: Events::with_capacity(256), clients })
    }

    /// Waits for something to be heard, and tells all of it as it comes. `None` waits for long, but not forever.
    pub(crate) fn turn(
        &mut self,
        timeout: Option<Duration>,
        mut on: impl FnMut(&mut Clients, usize, Heard) -> Result<()>,
    ) -> Result<()> {
        let Self { poll, events, clients } = self;
        match poll.poll(events, timeout.or(Some(PATIENCE))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        if timeout.is_none() && events.is_empty() {
            return Err("the server says nothing any more".into());
        }
        for event in events.iter() {
            let index = event.token().0;
            clients.flush(index)?;
            clients.read(index, &mut on)?;
        }
        Ok(())
    }

    /// Opens clients under these numbers, some at the same time. Rooms get `room_size` of them each.
    pub(crate) fn open(&mut self, numbers: std::ops::Range<usize>, room_size: usize) -> Result<()> {
        let mut next = numbers.start;
        let mut waiting = numbers.len();
        while next < numbers.end && next - numbers.start < AT_ONCE {
            self.clients.connect(next, next / room_size)?;
            next += 1;
        }
        while waiting > 0 {
            self.turn(None, |clients, _, heard| {
                if matches!(heard, Heard::Welcome) {
                    waiting -= 1;
                    if next < numbers.end {
                        clients.connect(next, next / room_size)?;
                        next += 1;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Hears what comes for this long and forgets it.
    pub(crate) fn settle(&mut self, time: Duration) -> Result<()> {
        let until = std::time::Instant::now() + time;
        while let Some(left) = until.checked_duration_since(std::time::Instant::now()) {
            self.turn(Some(left), |_, _, _| Ok(()))?;
        }
        Ok(())
    }
}

impl Clients {
    /// Opens a client under this number; an older one under it is closed.
    pub(crate) fn connect(&mut self, index: usize, room: usize) -> Result<()> {
        let opening = self.dialect.opening(&self.address.to_string(), room, self.opened)?;
        // Closed before the new one is there, so that there are never more than asked for.
        self.close(index);
        let mut tcp = connect(self.address, index / PER_SOURCE)?;
        self.registry.register(&mut tcp, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        let state = match self.dialect.framing() {
            Framing::WebSocket => State::Upgrading,
            Framing::Length => State::Joining,
        };
        let client = Client { tcp, number: self.opened, state, inbound: Vec::new(), unsent: opening };
        self.opened += 1;
        if self.list.len() <= index {
            self.list.resize_with(index + 1, || None);
        }
        self.list[index] = Some(client);
        Ok(())
    }

    pub(crate) fn close(&mut self, index: usize) {
        if let Some(client) = self.list.get_mut(index) {
            *client = None;
        }
    }

    /// How many connections there ever were.
    pub(crate) fn opened(&self) -> usize {
        self.opened
    }

    /// By what others address a client that is in its room.
    pub(crate) fn name(&self, index: usize) -> Result<&Name> {
        match self.list.get(index).and_then(Option::as_ref) {
            Some(Client { state: State::In(name), .. }) => Ok(name),
            _ => Err("not in the room".into()),
        }
    }

    /// Sends these bytes, at once as far as that goes.
    pub(crate) fn send(&mut self, index: usize, bytes: &[u8]) -> Result<()> {
        let client = self.list[index].as_mut().ok_or("nobody to send")?;
        let written = if client.unsent.is_empty() { client.write(bytes)? } else { 0 };
        client.unsent.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    fn flush(&mut self, index: usize) -> Result<()> {
        if let Some(client) = self.list.get_mut(index).and_then(Option::as_mut)
            && !client.unsent.is_empty()
        {
            let unsent = std::mem::take(&mut client.unsent);
            let written = client.write(&unsent)?;
            client.unsent.extend_from_slice(&unsent[written..]);
        }
        Ok(())
    }

    fn read(
        &mut self,
        index: usize,
        on: &mut impl FnMut(&mut Self, usize, Heard) -> Result<()>,
    ) -> Result<()> {
        // Lent out, so that what is heard can be answered meanwhile.
        let mut buffer = std::mem::take(&mut self.read);
        while let Some(client) = self.list.get_mut(index).and_then(Option::as_mut) {
            let len = match client.tcp.read(&mut buffer) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(len) => len,
                Err(error) if is_later(&error) => break,
                Err(error) => return Err(error.into()),
            };
            let number = client.number;
            let mut kept = std::mem::take(&mut client.inbound);
            let mut bytes = match kept.is_empty() {
                true => &buffer[..len],
                false => {
                    kept.extend_from_slice(&buffer[..len]);
                    &kept[..]
                }
            };
            while let Some(client) = self.list.get_mut(index).and_then(Option::as_mut)
                && client.number == number
            {
                let Some((heard, rest)) = client.state.split(self.dialect, number, bytes)? else {
                    client.inbound = bytes.to_vec();
                    break;
                };
                bytes = rest;
                if let Some(heard) = heard {
                    on(self, index, heard)?;
                }
            }
            // A short read has emptied the socket, and what comes later wakes again.
            if len < buffer.len() {
                break;
            }
        }
        self.read = buffer;
        Ok(())
    }
}

impl Client {
    /// Writes what goes at once; gives how much that was.
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match self.tcp.write(&bytes[written..]) {
                Ok(len) => written += len,
                Err(error) if is_later(&error) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(written)
    }
}

impl State {
    /// Takes one thing off what has come: what was heard, and the rest. `None` when more has to come.
    fn split<'a>(
        &mut self,
        dialect: Dialect,
        number: usize,
        bytes: &'a [u8],
    ) -> Result<Option<(Option<Heard>, &'a [u8])>> {
        if let Self::Upgrading = self {
            let Some((status, rest)) = Framing::split_response(bytes) else { return Ok(None) };
            if status != "101" {
                return Err(format!("status {status} instead of an upgrade").into());
            }
            *self = Self::Joining;
            return Ok(Some((None, rest)));
        }
        let Some((message, rest)) = dialect.framing().split_message(bytes) else { return Ok(None) };
        let heard = match self {
            Self::In(_) => Heard::Message(message.len()),
            _ => {
                *self = Self::In(dialect.welcome(message, number)?);
                Heard::Welcome
            }
        };
        Ok(Some((Some(heard), rest)))
    }
}

/// Begins a connection, on this machine from the first address, the second and so on.
fn connect(to: SocketAddr, source: usize) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if source > 0 && to.ip() == Ipv4Addr::LOCALHOST {
        // Also ports of earlier connections that the system has not forgotten.
        socket.set_reuse_address(true)?;
        let from = Ipv4Addr::new(127, 0, 0, 1 + u8::try_from(source)?);
        socket.bind(&SocketAddr::new(IpAddr::V4(from), 0).into())?;
    }
    match socket.connect(&to.into()) {
        // EINPROGRESS, which has no name that could be used here.
        Err(error) if error.raw_os_error() == Some(115) || is_later(&error) => {}
        other => other?,
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// Whether an operation has to wait, for the connection to be made or for the other end.
fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted)
}
