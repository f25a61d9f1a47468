use std::net::Ipv4Addr;
use std::time::Duration;

use dhcproto::v4::{
    DhcpOption, Encodable, Encoder, HType, Message, MessageType, Opcode, OptionCode,
};
use dhcproto::{Decodable, Decoder};

use super::{Action, Client, Event, Lease, State};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);

fn s(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// Random numbers that are all the same: a wait is neither longer nor shorter.
fn client() -> Client {
    Client::new(MAC, "box", Box::new(|| 1000))
}

fn parse(bytes: &[u8]) -> Message {
    Message::decode(&mut Decoder::new(bytes)).unwrap()
}

/// The one message that is sent, and to whom.
fn sent(actions: &[Action]) -> (Option<Ipv4Addr>, Message) {
    let [Action::Send { to, bytes }] = actions else { panic!("{actions:?}") };
    assert!((300..=576).contains(&bytes.len()));
    (*to, parse(bytes))
}

/// What a server says.
#[derive(Clone)]
struct Says {
    kind: MessageType,
    server: Ipv4Addr,
    address: Ipv4Addr,
    lease_s: u32,
    more: Vec<DhcpOption>,
}

fn says(kind: MessageType) -> Says {
    Says { kind, server: SERVER, address: ADDRESS, lease_s: 1000, more: Vec::new() }
}

impl Says {
    fn message(&self, xid: u32) -> Message {
        let none = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(xid, none, self.address, none, none, &MAC);
        message.set_opcode(Opcode::BootReply).set_htype(HType::Eth);
        let options = [
            DhcpOption::MessageType(self.kind),
            DhcpOption::ServerIdentifier(self.server),
            DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)),
            DhcpOption::Router(vec![SERVER]),
            DhcpOption::DomainNameServer(vec![SERVER, OTHER]),
            DhcpOption::NtpServers(vec![OTHER]),
            DhcpOption::AddressLeaseTime(self.lease_s),
        ];
        for option in options.into_iter().chain(self.more.clone()) {
            message.opts_mut().insert(option);
        }
        message
    }

    fn bytes(&self, xid: u32) -> Vec<u8> {
        bytes(&self.message(xid))
    }
}

fn bytes(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut Encoder::new(&mut bytes)).unwrap();
    bytes
}

fn hear(client: &mut Client, says: &Says, now: Duration) -> Vec<Action> {
    let bytes = says.bytes(client.xid);
    client.handle(Event::Packet(&bytes), now)
}

/// A client that has a lease of 1000 s since the first second.
fn bound() -> Client {
    let mut client = client();
    client.handle(Event::Carrier(true), s(0));
    hear(&mut client, &says(MessageType::Offer), s(1));
    let actions = hear(&mut client, &says(MessageType::Ack), s(1));
    assert!(matches!(&actions[..], [Action::Bound(_)]), "{actions:?}");
    client
}

/// Lets time go by until something is due, and a second more each time.
fn next(client: &mut Client) -> (u64, Vec<Action>) {
    let due = client.due().unwrap();
    assert!(client.handle(Event::Tick, due - Duration::from_millis(1)).is_empty());
    (due.as_secs(), client.handle(Event::Tick, due))
}

#[test]
fn an_address_is_discovered_requested_and_taken() {
    let mut client = client();
    assert!(client.handle(Event::Tick, s(0)).is_empty() && !client.listens());
    let (to, discover) = sent(&client.handle(Event::Carrier(true), s(5)));
    assert_eq!((to, discover.opts().msg_type()), (None, Some(MessageType::Discover)));
    assert!(discover.flags().broadcast() && discover.chaddr() == MAC && discover.hlen() == 6);
    let name = discover.opts().get(OptionCode::Hostname);
    assert_eq!(name, Some(&DhcpOption::Hostname("box".into())));
    assert!(client.listens());

    let (to, request) = sent(&hear(&mut client, &says(MessageType::Offer), s(6)));
    assert_eq!((to, request.opts().msg_type()), (None, Some(MessageType::Request)));
    assert_eq!(request.xid(), discover.xid());
    let option = |code| request.opts().get(code).cloned();
    assert_eq!(option(OptionCode::ServerIdentifier), Some(DhcpOption::ServerIdentifier(SERVER)));
    assert_eq!(
        option(OptionCode::RequestedIpAddress),
        Some(DhcpOption::RequestedIpAddress(ADDRESS))
    );
    assert_eq!(request.ciaddr(), Ipv4Addr::UNSPECIFIED);

    let actions = hear(&mut client, &says(MessageType::Ack), s(7));
    let lease = Lease {
        prefix: "10.0.0.77/24".parse().unwrap(),
        gateway: Some(SERVER),
        dns: vec![SERVER, OTHER],
        ntp: vec![OTHER],
        server: SERVER,
        lasts: Some(s(1000)),
        renew: Some(s(500)),
        rebind: Some(s(875)),
    };
    assert_eq!(actions, [Action::Bound(lease.clone())]);
    assert_eq!(client.lease(), Some(&lease));
    // It counts from the request.
    assert_eq!(client.due(), Some(s(6 + 500)));
    assert!(!client.listens());
}

#[test]
fn waits_grow_to_a_minute_and_are_never_quite_the_same() {
    let mut same = client();
    same.handle(Event::Carrier(true), s(0));
    let times: Vec<u64> = (0..7).map(|_| next(&mut same).0).collect();
    assert_eq!(times, [4, 12, 28, 60, 124, 188, 252]);
    for (random, wait_ms) in
        [(0, 3000), (2000, 5000), (2001, 3000), (u32::MAX, 3000 + 4_294_967_295 % 2001)]
    {
        let mut client = Client::new(MAC, "box", Box::new(move || random));
        client.handle(Event::Carrier(true), s(0));
        assert_eq!(client.due(), Some(Duration::from_millis(wait_ms)), "{random}");
    }
}

#[test]
fn what_is_offered_and_never_given_is_given_up() {
    let mut client = client();
    client.handle(Event::Carrier(true), s(0));
    hear(&mut client, &says(MessageType::Offer), s(0));
    let kinds: Vec<_> = (0..4).map(|_| sent(&next(&mut client).1).1.opts().msg_type()).collect();
    let (request, discover) = (Some(MessageType::Request), Some(MessageType::Discover));
    assert_eq!(kinds, [request, request, request, discover]);
}

#[test]
fn a_lease_is_renewed_of_who_gave_it() {
    let mut client = bound();
    let (at, actions) = next(&mut client);
    let (to, request) = sent(&actions);
    assert_eq!((at, to), (501, Some(SERVER)));
    assert_eq!((request.ciaddr(), request.flags().broadcast()), (ADDRESS, false));
    assert!(!request.opts().contains(OptionCode::ServerIdentifier));
    assert!(!request.opts().contains(OptionCode::RequestedIpAddress));
    // Half of what is left to T2, and again.
    assert_eq!(next(&mut client).0, 501 + 187);
    // Another server has no say in it.
    let other = Says { server: OTHER, ..says(MessageType::Nak) };
    assert!(hear(&mut client, &other, s(690)).is_empty());
    let actions = hear(&mut client, &says(MessageType::Ack), s(690));
    assert!(matches!(&actions[..], [Action::Bound(_)]));
    assert_eq!(client.due(), Some(Duration::from_millis(688_500) + s(500)));
}

#[test]
fn everybody_is_asked_when_who_gave_it_is_silent_and_then_it_is_lost() {
    let mut client = bound();
    let mut all = Vec::new();
    while client.lease().is_some() {
        all.push(next(&mut client));
    }
    let last = all.pop().unwrap();
    let asked: Vec<_> = all.iter().map(|(at, actions)| (*at, sent(actions).0)).collect();
    let own = Some(SERVER);
    let wanted =
        [(501, own), (688, own), (782, own), (842, own), (876, None), (938, None), (998, None)];
    assert_eq!(asked, wanted);
    let (1001, [Action::Lost, discover]) = (last.0, &last.1[..]) else { panic!("{last:?}") };
    let (_, discover) = sent(std::slice::from_ref(discover));
    assert_eq!(discover.opts().msg_type(), Some(MessageType::Discover));
}

#[test]
fn anybody_may_rebind() {
    let mut client = bound();
    while !matches!(client.state, State::Rebinding(_)) {
        next(&mut client);
    }
    let other = Says { server: OTHER, ..says(MessageType::Ack) };
    let actions = hear(&mut client, &other, s(880));
    let [Action::Bound(lease)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(lease.server, OTHER);
}

#[test]
fn a_no_takes_the_address_away_and_a_no_to_an_offer_is_waited_for() {
    let mut client = bound();
    next(&mut client);
    let actions = hear(&mut client, &says(MessageType::Nak), s(502));
    assert!(matches!(&actions[..], [Action::Lost, Action::Send { to: None, .. }]), "{actions:?}");
    hear(&mut client, &says(MessageType::Offer), s(503));
    assert!(hear(&mut client, &says(MessageType::Nak), s(504)).is_empty());
    assert!(!client.listens());
    let (at, actions) = next(&mut client);
    assert_eq!((at, sent(&actions).1.opts().msg_type()), (514, Some(MessageType::Discover)));
}

#[test]
fn when_the_cable_is_in_again_the_lease_is_asked_for() {
    let mut client = bound();
    assert!(client.handle(Event::Carrier(false), s(10)).is_empty());
    assert!(client.lease().is_some());
    let (to, request) = sent(&client.handle(Event::Carrier(true), s(20)));
    let wanted = DhcpOption::RequestedIpAddress(ADDRESS);
    assert_eq!(to, None);
    assert_eq!(request.opts().get(OptionCode::RequestedIpAddress), Some(&wanted));
    assert!(!request.opts().contains(OptionCode::ServerIdentifier));
    // Nobody answers: the rest of the time is ours.
    for _ in 0..2 {
        sent(&next(&mut client).1);
    }
    assert!(next(&mut client).1.is_empty());
    assert_eq!(client.due(), Some(s(501)));
    // Another network says no.
    client.handle(Event::Carrier(false), s(100));
    client.handle(Event::Carrier(true), s(101));
    let other = Says { server: OTHER, ..says(MessageType::Nak) };
    assert_eq!(hear(&mut client, &other, s(102))[0], Action::Lost);
}

#[test]
fn without_a_cable_nothing_is_said_and_a_lease_ends_all_the_same() {
    let mut client = bound();
    client.handle(Event::Carrier(false), s(10));
    let mut all = Vec::new();
    while client.due().is_some() {
        all.extend(next(&mut client).1);
    }
    assert_eq!(all, [Action::Lost]);
    assert!(!client.listens());
}

#[test]
fn what_is_not_for_us_or_makes_no_sense_is_no_answer() {
    let fresh = || {
        let mut client = client();
        client.handle(Event::Carrier(true), s(0));
        client
    };
    let deaf = |what: &str, message: &Message| {
        let mut client = fresh();
        assert!(client.handle(Event::Packet(&bytes(message)), s(1)).is_empty(), "{what}");
    };
    let xid = fresh().xid;
    let good = says(MessageType::Offer);
    assert!(!hear(&mut fresh(), &good, s(1)).is_empty());
    deaf("another's number", &good.message(xid + 1));
    let changed = |change: &dyn Fn(&mut Message)| {
        let mut message = good.message(xid);
        change(&mut message);
        message
    };
    deaf("another's hardware", &changed(&|m| _ = m.set_chaddr(&[1, 2, 3, 4, 5, 6])));
    deaf("a request", &changed(&|m| _ = m.set_opcode(Opcode::BootRequest)));
    deaf("an ack too early", &says(MessageType::Ack).message(xid));
    for code in [
        OptionCode::ServerIdentifier,
        OptionCode::SubnetMask,
        OptionCode::MessageType,
        OptionCode::AddressLeaseTime,
    ] {
        deaf(&format!("no {code:?}"), &changed(&|m| _ = m.opts_mut().remove(code)));
    }
    for address in
        ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.0.0.0", "10.0.0.255"]
    {
        let address: Ipv4Addr = address.parse().unwrap();
        deaf(&format!("{address}"), &Says { address, ..good.clone() }.message(xid));
    }
    for mask in [[0, 0, 0, 0], [255, 0, 255, 0]] {
        let more = vec![DhcpOption::SubnetMask(mask.into())];
        deaf(&format!("{mask:?}"), &Says { more, ..good.clone() }.message(xid));
    }
    deaf("a lease of no time", &Says { lease_s: 3, ..good.clone() }.message(xid));
    // A hardware address that is said to be longer than its field.
    let mut long = good.bytes(xid);
    long[2] = 255;
    assert!(fresh().handle(Event::Packet(&long), s(1)).is_empty());
    // Another mark than that of DHCP.
    let mut other = good.bytes(xid);
    other[236] ^= 1;
    assert!(fresh().handle(Event::Packet(&other), s(1)).is_empty());
}

#[test]
fn times_that_contradict_each_other_are_not_taken() {
    let lease = |lease_s, renew, rebind| {
        let mut client = client();
        client.handle(Event::Carrier(true), s(0));
        let more = vec![DhcpOption::Renewal(renew), DhcpOption::Rebinding(rebind)];
        hear(&mut client, &says(MessageType::Offer), s(0));
        hear(&mut client, &Says { more, lease_s, ..says(MessageType::Ack) }, s(0));
        let lease = client.lease().unwrap().clone();
        (lease.renew, lease.rebind, lease.lasts)
    };
    assert_eq!(lease(100, 10, 20), (Some(s(10)), Some(s(20)), Some(s(100))));
    let usual = (Some(s(500)), Some(s(875)), Some(s(1000)));
    for (renew, rebind) in [(0, 20), (20, 20), (30, 20), (10, 1000), (2000, 3000)] {
        assert_eq!(lease(1000, renew, rebind), usual);
    }
    assert_eq!(lease(u32::MAX, 10, 20), (None, None, None));
}

#[test]
fn a_gateway_that_cannot_be_reached_is_none() {
    for (gateways, wanted) in [
        (vec![ADDRESS, OTHER], Some(OTHER)),
        (vec![Ipv4Addr::new(192, 168, 1, 1)], None),
        (vec![Ipv4Addr::UNSPECIFIED], None),
    ] {
        let mut client = client();
        client.handle(Event::Carrier(true), s(0));
        hear(&mut client, &says(MessageType::Offer), s(0));
        let more = vec![DhcpOption::Router(gateways)];
        hear(&mut client, &Says { more, ..says(MessageType::Ack) }, s(0));
        assert_eq!(client.lease().unwrap().gateway, wanted);
    }
}
