//! A candidate in few bytes.
//!
//! ```text
//! candidate = flags:u8  foundation  priority:u32  address  port:u16
//! flags     bits 0-1 address: 0 IPv4 (4 bytes), 1 IPv6 (16), 2 mDNS UUID (16)
//!           bits 2-3 transport: 0 UDP, 1 TCP active, 2 TCP passive, 3 TCP simultaneous-open
//!           bits 4-5 kind: 0 host, 1 srflx, 2 prflx, 3 relay
//!           bit 6    foundation: 0 a varint of up to 32 bits, 1 a length varint and text
//!           bit 7    always 0
//! ```
//! Priority and port are big-endian and of fixed width: as varints they would nearly always be a byte longer.

use std::fmt;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::{SerializeTuple, Serializer};
use serde::{Deserialize, Serialize};

use super::{Address, Candidate, CandidateKind, Foundation, MAX_FOUNDATION_BYTES, TcpType, Transport};
use crate::bounded::Text;
use crate::octets::Octets;

const FIELDS: usize = 5;
const TEXT_FOUNDATION: u8 = 1 << 6;

const TRANSPORTS: [Transport; 4] = [
    Transport::Udp,
    Transport::Tcp(TcpType::Active),
    Transport::Tcp(TcpType::Passive),
    Transport::Tcp(TcpType::So),
];
const KINDS: [CandidateKind; 4] =
    [CandidateKind::Host, CandidateKind::Srflx, CandidateKind::Prflx, CandidateKind::Relay];

/// The place of `item` in a table that holds every value there is.
fn place<T: PartialEq>(table: [T; 4], item: &T) -> u8 {
    table.iter().position(|other| other == item).expect("the table is complete") as u8
}

impl Serialize for Candidate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let address = match self.address {
            Address::V4(_) => 0,
            Address::V6(_) => 1,
            Address::Mdns(_) => 2,
        };
        let foundation = if matches!(self.foundation, Foundation::Text(_)) { TEXT_FOUNDATION } else { 0 };
        let transport = place(TRANSPORTS, &self.transport) << 2;
        let kind = place(KINDS, &self.kind) << 4;

        let mut fields = serializer.serialize_tuple(FIELDS)?;
        fields.serialize_element(&(address | transport | kind | foundation))?;
        match &self.foundation {
            Foundation::Number(number) => fields.serialize_element(number)?,
            Foundation::Text(text) => fields.serialize_element(text)?,
        }
        fields.serialize_element(&Octets(self.priority.to_be_bytes()))?;
        match &self.address {
            Address::V4(octets) => fields.serialize_element(&Octets(*octets))?,
            Address::V6(octets) | Address::Mdns(octets) => fields.serialize_element(&Octets(*octets))?,
        }
        fields.serialize_element(&Octets(self.port.to_be_bytes()))?;
        fields.end()
    }
}

impl<'de> Deserialize<'de> for Candidate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple(FIELDS, CandidateVisitor)
    }
}

struct CandidateVisitor;

impl<'de> Visitor<'de> for CandidateVisitor {
    type Value = Candidate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an ICE candidate")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<Candidate, A::Error> {
        let flags: u8 = next(&mut fields)?;
        if flags & 0x80 != 0 {
            return Err(de::Error::custom("unknown candidate flag"));
        }
        let foundation = if flags & TEXT_FOUNDATION == 0 {
            Foundation::Number(next(&mut fields)?)
        } else {
            let text: Text<MAX_FOUNDATION_BYTES> = next(&mut fields)?;
            // A number written as text is refused, so that a candidate has one form only.
            Foundation::parse(&text)
                .filter(|foundation| matches!(foundation, Foundation::Text(_)))
                .ok_or_else(|| de::Error::custom("bad foundation"))?
        };
        let priority = u32::from_be_bytes(octets(&mut fields)?);
        let address = match flags & 3 {
            0 => Address::V4(octets(&mut fields)?),
            1 => Address::V6(octets(&mut fields)?),
            2 => Address::Mdns(octets(&mut fields)?),
            _ => return Err(de::Error::custom("unknown address family")),
        };
        let port = u16::from_be_bytes(octets(&mut fields)?);
        let transport = TRANSPORTS[usize::from(flags >> 2 & 3)];
        let kind = KINDS[usize::from(flags >> 4 & 3)];
        Candidate { foundation, priority, transport, address, port, kind }
            .checked()
            .map_err(de::Error::custom)
    }
}

fn octets<'de, const N: usize, A: SeqAccess<'de>>(fields: &mut A) -> Result<[u8; N], A::Error> {
    next::<Octets<N>, A>(fields).map(|octets| octets.0)
}

fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(fields: &mut A) -> Result<T, A::Error> {
    fields.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &CandidateVisitor))
}
