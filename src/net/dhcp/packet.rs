//! What is said to a DHCP server, and what it answers.
//!
//! Owns which answers count: those to this client and to what it asked, with an address that a host can have. The form
//! is the crate's; what is in there is anybody's on the link.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use dhcproto::v4::{
    DhcpOption, Encodable, Encoder, Flags, HType, MAGIC, MIN_PACKET_SIZE, Message, MessageType,
    Opcode, OptionCode,
};
use dhcproto::{Decodable, Decoder};

use super::Mac;
use crate::settings::Prefix;

/// The longest packet that is read, bytes: what Ethernet carries.
pub const PACKET_BYTES_MAX: usize = 1472;
/// Name servers, and time servers, that are kept of a lease.
const SERVERS_MAX: usize = 3;
/// A lease that is shorter is none, seconds: it could not be renewed in time.
const LEASE_S_MIN: u32 = 4;
/// Where the options begin, and the mark in front of them (RFC 2131, section 3).
const MAGIC_AT: std::ops::Range<usize> = 236..240;

/// What a server gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address and its network: an [`Ipv4Addr`].
    pub prefix: Prefix,
    /// Where everything else is reached.
    pub gateway: Option<Ipv4Addr>,
    /// Who knows names.
    pub dns: Vec<Ipv4Addr>,
    /// Who knows the time.
    pub ntp: Vec<Ipv4Addr>,
    /// Who gave it.
    pub server: Ipv4Addr,
    /// Until its end; none: for ever.
    pub lasts: Option<Duration>,
    /// Until it is to be renewed (T1).
    pub renew: Option<Duration>,
    /// Until everybody is asked (T2).
    pub rebind: Option<Duration>,
}

impl Lease {
    /// The address alone.
    pub fn address(&self) -> Ipv4Addr {
        match self.prefix.address {
            IpAddr::V4(address) => address,
            // None is made so.
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// Who has an address?
    Discover,
    /// The one that was offered.
    Request {
        /// By whom.
        server: Ipv4Addr,
        /// Which.
        address: Ipv4Addr,
    },
    /// The one from before.
    Again(Ipv4Addr),
    /// More time for the one that is in use.
    Extend(Ipv4Addr),
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) server: Ipv4Addr,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Offer(Lease),
    Ack(Lease),
    Nak,
}

/// The bytes of a question: table 5 of RFC 2131. None: they cannot be made.
pub(super) fn write(
    question: &Question,
    xid: u32,
    mac: Mac,
    secs: u64,
    name: &str,
) -> Option<Vec<u8>> {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(xid, none, none, none, none, &mac);
    message.set_secs(u16::try_from(secs).unwrap_or(u16::MAX));
    let kind = match question {
        Question::Discover => MessageType::Discover,
        _ => MessageType::Request,
    };
    let asked = vec![
        OptionCode::SubnetMask,
        OptionCode::Router,
        OptionCode::DomainNameServer,
        OptionCode::NtpServers,
        OptionCode::AddressLeaseTime,
        OptionCode::Renewal,
        OptionCode::Rebinding,
    ];
    let longest = u16::try_from(PACKET_BYTES_MAX).unwrap_or(u16::MAX);
    let mut put = |option| message.opts_mut().insert(option);
    put(DhcpOption::MessageType(kind));
    put(DhcpOption::ClientIdentifier([&[1], &mac[..]].concat()));
    put(DhcpOption::ParameterRequestList(asked));
    put(DhcpOption::MaxMessageSize(longest));
    put(DhcpOption::Hostname(name.to_owned()));
    match question {
        Question::Discover => {}
        Question::Request { server, address } => {
            put(DhcpOption::ServerIdentifier(*server));
            put(DhcpOption::RequestedIpAddress(*address));
        }
        Question::Again(address) => _ = put(DhcpOption::RequestedIpAddress(*address)),
        Question::Extend(address) => _ = message.set_ciaddr(*address),
    }
    if !matches!(question, Question::Extend(_)) {
        // Without an address the kernel takes only what is for everybody (section 4.1).
        message.set_flags(Flags::default().set_broadcast());
    }
    let mut bytes = Vec::with_capacity(MIN_PACKET_SIZE);
    if let Err(error) = message.encode(&mut Encoder::new(&mut bytes)) {
        tracing::error!(%error, "a DHCP message cannot be made");
        return None;
    }
    // Relays of old throw away what is shorter than BOOTP's messages.
    bytes.resize(bytes.len().max(MIN_PACKET_SIZE), 0);
    Some(bytes)
}

/// The answer in a packet, if it is one to this question of this client.
pub(super) fn read(bytes: &[u8], xid: u32, mac: Mac) -> Option<Reply> {
    if bytes.len() > PACKET_BYTES_MAX || bytes.get(MAGIC_AT) != Some(&MAGIC[..]) {
        return None;
    }
    let message = Message::decode(&mut Decoder::new(bytes)).ok()?;
    // The length comes first: the crate's chaddr() panics where it says more than the field holds.
    let is_ours = message.opcode() == Opcode::BootReply
        && message.xid() == xid
        && message.htype() == HType::Eth
        && usize::from(message.hlen()) == mac.len()
        && message.chaddr() == mac;
    if !is_ours {
        return None;
    }
    let Some(DhcpOption::ServerIdentifier(server)) =
        message.opts().get(OptionCode::ServerIdentifier)
    else {
        return None;
    };
    let server = is_host(*server).then_some(*server)?;
    let kind = match message.opts().msg_type()? {
        MessageType::Offer => Kind::Offer(lease(&message, server)?),
        MessageType::Ack => Kind::Ack(lease(&message, server)?),
        MessageType::Nak => Kind::Nak,
        _ => return None,
    };
    Some(Reply { server, kind })
}

/// Whether a host on an ordinary network may have this address.
fn is_host(address: Ipv4Addr) -> bool {
    let is_none = address.octets()[0] == 0 || address.octets()[0] >= 224;
    !is_none && !address.is_loopback()
}

/// The length of a prefix, if the mask is one.
fn bits(mask: Ipv4Addr) -> Option<u8> {
    let mask = u32::from(mask);
    let ones = mask.leading_ones();
    let whole = mask.checked_shl(ones).unwrap_or(0) == 0 && ones > 0;
    whole.then(|| u8::try_from(ones).unwrap_or(32))
}

fn hosts(list: &[Ipv4Addr]) -> Vec<Ipv4Addr> {
    list.iter().copied().filter(|address| is_host(*address)).take(SERVERS_MAX).collect()
}

fn lease(message: &Message, server: Ipv4Addr) -> Option<Lease> {
    let options = message.opts();
    let address = message.yiaddr();
    let Some(DhcpOption::SubnetMask(mask)) = options.get(OptionCode::SubnetMask) else {
        return None;
    };
    let prefix = Prefix { address: address.into(), bits: bits(*mask)? };
    let host = u32::from(address) & !u32::from(*mask);
    // The first and the last address of a network are no host's, but where there are no others (RFC 3021).
    let is_free = prefix.bits >= 31 || host != 0 && host != !u32::from(*mask);
    if !is_host(address) || !is_free {
        return None;
    }
    let list = |code| match options.get(code) {
        Some(
            DhcpOption::Router(list)
            | DhcpOption::DomainNameServer(list)
            | DhcpOption::NtpServers(list),
        ) => hosts(list),
        _ => Vec::new(),
    };
    let reachable = |gateway: &Ipv4Addr| prefix.holds((*gateway).into()) && *gateway != address;
    let gateway = list(OptionCode::Router).into_iter().find(reachable);
    let Some(DhcpOption::AddressLeaseTime(lasts_s)) = options.get(OptionCode::AddressLeaseTime)
    else {
        return None;
    };
    let (lasts, renew, rebind) = times(message, *lasts_s)?;
    Some(Lease {
        prefix,
        gateway,
        dns: list(OptionCode::DomainNameServer),
        ntp: list(OptionCode::NtpServers),
        server,
        lasts,
        renew,
        rebind,
    })
}

type Times = (Option<Duration>, Option<Duration>, Option<Duration>);

/// End, T1 and T2: what the server says if that makes sense, else what RFC 2131 says (section 4.4.5).
fn times(message: &Message, lasts_s: u32) -> Option<Times> {
    if lasts_s == u32::MAX {
        return Some((None, None, None));
    }
    if lasts_s < LEASE_S_MIN {
        return None;
    }
    let said = |code| match message.opts().get(code) {
        Some(DhcpOption::Renewal(s) | DhcpOption::Rebinding(s)) => Some(u64::from(*s) * 1000),
        _ => None,
    };
    let lasts_ms = u64::from(lasts_s) * 1000;
    let usual = (lasts_ms / 2, lasts_ms / 8 * 7);
    let renew = said(OptionCode::Renewal).unwrap_or(usual.0);
    let rebind = said(OptionCode::Rebinding).unwrap_or(usual.1);
    let (renew, rebind) = match 0 < renew && renew < rebind && rebind < lasts_ms {
        true => (renew, rebind),
        false => usual,
    };
    let ms = |ms| Some(Duration::from_millis(ms));
    Some((ms(lasts_ms), ms(renew), ms(rebind)))
}
