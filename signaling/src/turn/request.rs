//! Messages as clients of STUN and TURN write them and read them, for tests inside and outside of the crate.

use std::net::SocketAddr;

use stun_types::attribute::{AttributeType, RawAttribute, XorSocketAddr};
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWrite,
    MessageWriteExt, MessageWriteVec, Method, TransactionId,
};

pub(crate) const BINDING: u16 = 1;
pub(crate) const ALLOCATE: u16 = 3;
pub(crate) const REFRESH: u16 = 4;
pub(crate) const SEND: u16 = 6;
pub(crate) const DATA_INDICATION: u16 = 7;
pub(crate) const CREATE_PERMISSION: u16 = 8;
pub(crate) const CHANNEL_BIND: u16 = 9;

pub(crate) const USERNAME: u16 = 0x06;
pub(crate) const ERROR_CODE: u16 = 0x09;
pub(crate) const CHANNEL_NUMBER: u16 = 0x0c;
pub(crate) const LIFETIME: u16 = 0x0d;
pub(crate) const XOR_PEER_ADDRESS: u16 = 0x12;
pub(crate) const DATA: u16 = 0x13;
pub(crate) const REALM: u16 = 0x14;
pub(crate) const NONCE: u16 = 0x15;
pub(crate) const XOR_RELAYED_ADDRESS: u16 = 0x16;
pub(crate) const REQUESTED_ADDRESS_FAMILY: u16 = 0x17;
pub(crate) const REQUESTED_TRANSPORT: u16 = 0x19;
pub(crate) const XOR_MAPPED_ADDRESS: u16 = 0x20;

/// What a client signs with.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) realm: String,
    pub(crate) nonce: String,
    pub(crate) algorithm: IntegrityAlgorithm,
}

/// A message that is being written.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    class: MessageClass,
    method: u16,
    transaction: u128,
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Request {
    pub(crate) fn new(method: u16, transaction: u128) -> Self {
        let class = if method == SEND { MessageClass::Indication } else { MessageClass::Request };
        Self { class, method, transaction, attributes: Vec::new() }
    }

    pub(crate) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        self.attributes.push((kind, value.to_vec()));
        self
    }

    pub(crate) fn peer(self, peer: SocketAddr) -> Self {
        let transaction = TransactionId::from(self.transaction);
        let value =
            XorSocketAddr::new(peer, transaction).to_raw(AttributeType::new(XOR_PEER_ADDRESS)).to_bytes();
        self.with(XOR_PEER_ADDRESS, &value[4..])
    }

    /// UDP, for a relay.
    pub(crate) fn udp(self) -> Self {
        self.with(REQUESTED_TRANSPORT, &[17, 0, 0, 0])
    }

    pub(crate) fn channel(self, number: u16) -> Self {
        let [a, b] = number.to_be_bytes();
        self.with(CHANNEL_NUMBER, &[a, b, 0, 0])
    }

    fn write(&self) -> MessageWriteVec {
        let kind = MessageType::from_class_method(self.class, Method::new(self.method));
        let mut message = Message::builder(kind, self.transaction.into(), MessageWriteVec::new());
        for (kind, value) in &self.attributes {
            message.add_attribute(&RawAttribute::new(AttributeType::new(*kind), value)).unwrap();
        }
        message
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.write().finish()
    }

    pub(crate) fn with_fingerprint(&self) -> Vec<u8> {
        let mut message = self.write();
        message.add_fingerprint().unwrap();
        message.finish()
    }

    pub(crate) fn signed(self, login: &Login) -> Vec<u8> {
        let Login { name, password, realm, nonce, algorithm } = login;
        let with_login =
            self.with(USERNAME, name.as_bytes()).with(REALM, realm.as_bytes()).with(NONCE, nonce.as_bytes());
        let key =
            LongTermKeyCredentials::new(name.clone(), password.clone(), realm.clone()).make_key(*algorithm);
        let mut message = with_login.write();
        message.add_message_integrity_with_key(&key, *algorithm).unwrap();
        message.finish()
    }
}

/// A message that has come.
#[derive(Clone, Debug)]
pub(crate) struct Reply(Vec<u8>);

impl Reply {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Message::from_bytes(bytes).unwrap();
        Self(bytes.to_vec())
    }

    fn message(&self) -> Message<'_> {
        Message::from_bytes(&self.0).unwrap()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn method(&self) -> u16 {
        self.message().method().value()
    }

    pub(crate) fn transaction(&self) -> u128 {
        self.message().transaction_id().into()
    }

    pub(crate) fn value(&self, kind: u16) -> Option<Vec<u8>> {
        self.message().raw_attribute(AttributeType::new(kind)).map(|raw| raw.value.to_vec())
    }

    pub(crate) fn text(&self, kind: u16) -> String {
        String::from_utf8(self.value(kind).unwrap()).unwrap()
    }

    pub(crate) fn address(&self, kind: u16) -> Option<SocketAddr> {
        let message = self.message();
        let raw = message.raw_attribute(AttributeType::new(kind))?;
        Some(XorSocketAddr::from_raw(&raw).unwrap().addr(message.transaction_id()))
    }

    /// Success, or the error's code.
    pub(crate) fn result(&self) -> Result<(), u16> {
        match self.message().class() {
            MessageClass::Success => Ok(()),
            MessageClass::Error => {
                let value = self.value(ERROR_CODE).unwrap();
                Err(u16::from(value[2]) * 100 + u16::from(value[3]))
            }
            class => panic!("{class:?} is no answer"),
        }
    }

    /// Whether it is signed by one who knows the password.
    pub(crate) fn is_signed(&self, login: &Login) -> bool {
        let Login { name, password, realm, algorithm, .. } = login.clone();
        let key = LongTermKeyCredentials::new(name, password, realm).make_key(algorithm);
        self.message().validate_integrity_with_key(&key).is_ok()
    }
}
