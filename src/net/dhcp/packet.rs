//! What is said to a DHCP server, and what it answers.
//!
//! Owns which answers count: those to this client and to what it asked, with an address that a host can have. What is said
//! is put together by a crate; what is heard is anybody's on the link and is read here, as that crate panics at some of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use dhcproto::v4::{
    DhcpOption, Encodable, Encoder, Flags, MAGIC, MIN_PACKET_SIZE, Message, MessageType, OptionCode,
};

use super::Mac;
use crate::settings::Prefix;

/// The longest packet that is read, bytes: what Ethernet carries.
pub const PACKET_BYTES_MAX: usize = 1472;
/// Name servers, and time servers, that are kept of a lease.
const SERVERS_MAX: usize = 3;
/// A lease that is shorter is none, seconds: it could not be renewed in time.
const LEASE_S_MIN: u32 = 4;

/// Places in a message: RFC 2131, section 2.
mod at {
    use std::ops::Range;

    /// That it is an answer, the kind of hardware and the length of its address.
    pub(super) const KIND: Range<usize> = 0..3;
    pub(super) const XID: Range<usize> = 4..8;
    pub(super) const YIADDR: Range<usize> = 16..20;
    pub(super) const CHADDR: Range<usize> = 28..44;
    pub(super) const SNAME: Range<usize> = 44..108;
    pub(super) const FILE: Range<usize> = 108..236;
    /// The mark in front of the options (section 3).
    pub(super) const MAGIC: Range<usize> = 236..240;
    pub(super) const OPTIONS: usize = 240;
}

/// Numbers of options: RFC 2132.
mod code {
    pub(super) const PAD: u8 = 0;
    pub(super) const MASK: u8 = 1;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const DNS: u8 = 6;
    pub(super) const NTP: u8 = 42;
    pub(super) const LEASE: u8 = 51;
    pub(super) const OVERLOAD: u8 = 52;
    pub(super) const KIND: u8 = 53;
    pub(super) const SERVER: u8 = 54;
    pub(super) const RENEW: u8 = 58;
    pub(super) const REBIND: u8 = 59;
    pub(super) const END: u8 = 255;
}

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

/// Options by their numbers. What stands there in pieces is one (RFC 3396).
#[derive(Default)]
struct Options(BTreeMap<u8, Vec<u8>>);

impl Options {
    /// Those of a message. None: one goes beyond its end.
    fn of(bytes: &[u8]) -> Option<Options> {
        let mut options = Options::default();
        options.take(bytes.get(at::OPTIONS..)?)?;
        // Fields that are not needed may hold more (RFC 2132, section 9.3).
        let more = options.0.get(&code::OVERLOAD).and_then(|list| list.first()).copied();
        let more = more.unwrap_or(0);
        for (bit, field) in [(1, at::FILE), (2, at::SNAME)] {
            if more & bit != 0 {
                options.take(bytes.get(field)?)?;
            }
        }
        Some(options)
    }

    fn take(&mut self, mut rest: &[u8]) -> Option<()> {
        loop {
            rest = match rest {
                [] | [code::END, ..] => return Some(()),
                [code::PAD, more @ ..] => more,
                [code, length, more @ ..] => {
                    let (value, more) = more.split_at_checked(usize::from(*length))?;
                    self.0.entry(*code).or_default().extend(value);
                    more
                }
                [_] => return None,
            };
        }
    }

    fn byte(&self, code: u8) -> Option<u8> {
        match self.0.get(&code)?[..] {
            [byte] => Some(byte),
            _ => None,
        }
    }

    fn number(&self, code: u8) -> Option<u32> {
        let bytes = self.0.get(&code)?.as_slice().try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    fn address(&self, code: u8) -> Option<Ipv4Addr> {
        self.number(code).map(Ipv4Addr::from)
    }

    /// Those of a list that are hosts'.
    fn hosts(&self, code: u8) -> impl Iterator<Item = Ipv4Addr> {
        let bytes = self.0.get(&code).map_or(&[][..], Vec::as_slice);
        let (addresses, _) = bytes.as_chunks::<4>();
        addresses.iter().map(|bytes| Ipv4Addr::from(*bytes)).filter(|address| is_host(*address))
    }
}

fn address(bytes: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from)
}

/// The answer in a packet, if it is one to this question of this client.
pub(super) fn read(bytes: &[u8], xid: u32, mac: Mac) -> Option<Reply> {
    if bytes.len() > PACKET_BYTES_MAX {
        return None;
    }
    // BOOTREPLY, Ethernet, six bytes.
    let is_ours = bytes.get(at::MAGIC)? == MAGIC
        && bytes.get(at::KIND)? == [2, 1, 6]
        && bytes.get(at::XID)? == xid.to_be_bytes()
        && bytes.get(at::CHADDR)?.starts_with(&mac);
    if !is_ours {
        return None;
    }
    let options = Options::of(bytes)?;
    let server = options.address(code::SERVER).filter(|server| is_host(*server))?;
    let given = address(bytes.get(at::YIADDR)?)?;
    let kind = match MessageType::from(options.byte(code::KIND)?) {
        MessageType::Offer => Kind::Offer(lease(&options, given, server)?),
        MessageType::Ack => Kind::Ack(lease(&options, given, server)?),
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

fn lease(options: &Options, address: Ipv4Addr, server: Ipv4Addr) -> Option<Lease> {
    let mask = options.address(code::MASK)?;
    let prefix = Prefix { address: address.into(), bits: bits(mask)? };
    let host = u32::from(address) & !u32::from(mask);
    // The first and the last address of a network are no host's, but where there are no others (RFC 3021).
    let is_free = prefix.bits >= 31 || host != 0 && host != !u32::from(mask);
    if !is_host(address) || !is_free {
        return None;
    }
    let reachable = |gateway: &Ipv4Addr| prefix.holds((*gateway).into()) && *gateway != address;
    let (lasts, renew, rebind) = times(options)?;
    Some(Lease {
        prefix,
        gateway: options.hosts(code::ROUTER).find(reachable),
        dns: options.hosts(code::DNS).take(SERVERS_MAX).collect(),
        ntp: options.hosts(code::NTP).take(SERVERS_MAX).collect(),
        server,
        lasts,
        renew,
        rebind,
    })
}

type Times = (Option<Duration>, Option<Duration>, Option<Duration>);

/// End, T1 and T2: what the server says if that makes sense, else what RFC 2131 says (section 4.4.5).
fn times(options: &Options) -> Option<Times> {
    let lasts_s = options.number(code::LEASE)?;
    if lasts_s == u32::MAX {
        return Some((None, None, None));
    }
    if lasts_s < LEASE_S_MIN {
        return None;
    }
    let said = |code| options.number(code).map(|s| u64::from(s) * 1000);
    let lasts_ms = u64::from(lasts_s) * 1000;
    let usual = (lasts_ms / 2, lasts_ms / 8 * 7);
    let renew = said(code::RENEW).unwrap_or(usual.0);
    let rebind = said(code::REBIND).unwrap_or(usual.1);
    let (renew, rebind) = match 0 < renew && renew < rebind && rebind < lasts_ms {
        true => (renew, rebind),
        false => usual,
    };
    let ms = |ms| Some(Duration::from_millis(ms));
    Some((ms(lasts_ms), ms(renew), ms(rebind)))
}
