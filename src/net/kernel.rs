//! The kernel's links, addresses and routes, by rtnetlink.
//!
//! Owns how they are read and changed. What is to be changed is decided elsewhere.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use rtnetlink::{Error, Handle, LinkUnspec, RouteMessageBuilder};

use super::links::{Actual, Change, Owned};
use crate::stream::{Blame, Fault};

/// A connection to the kernel.
pub struct Kernel {
    handle: Handle,
}

fn failed(what: &str) -> impl Fn(Error) -> Fault + '_ {
    move |error| Fault::later(Blame::Host, format!("cannot {what}: {error}"))
}

impl Kernel {
    /// Connects. What runs it is the runtime that this is called in.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn connect() -> Result<Kernel, Fault> {
        let (connection, handle, _) = rtnetlink::new_connection()
            .map_err(|e| Fault::host("cannot speak with the kernel of links", &e))?;
        // It ends with the last handle.
        drop(tokio::spawn(connection));
        Ok(Kernel { handle })
    }

    /// What each link has, by its number; a link that has nothing is left out.
    ///
    /// # Errors
    ///
    /// The kernel does not say.
    pub async fn actual(&self) -> Result<BTreeMap<u32, Actual>, Fault> {
        let mut all: BTreeMap<u32, Actual> = BTreeMap::new();
        let mut addresses = self.handle.address().get().execute();
        let look = failed("see addresses");
        while let Some(message) = addresses.try_next().await.map_err(&look)? {
            let actual = all.entry(message.header.index).or_default();
            if let Some(own) = owned(&message) {
                let set = if is_given(&message) { &mut actual.addresses } else { &mut actual.made };
                set.insert(own);
            }
        }
        let four = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let six = RouteMessageBuilder::<Ipv6Addr>::new().build();
        let look = failed("see routes");
        for family in [four, six] {
            let mut routes = self.handle.route().get(family).execute();
            while let Some(message) = routes.try_next().await.map_err(&look)? {
                if let Some((index, gateway, metric)) = way_out(&message) {
                    all.entry(index).or_default().ways.insert((gateway, metric));
                }
            }
        }
        Ok(all)
    }

    /// Switches a link on or off.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub async fn switch(&self, index: u32, on: bool) -> Result<(), Fault> {
        let link = LinkUnspec::new_with_index(index);
        let (link, what) =
            if on { (link.up(), "switch a link on") } else { (link.down(), "switch a link off") };
        self.handle.link().set(link.build()).execute().await.map_err(failed(what))
    }

    /// Changes a link.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub async fn change(&self, index: u32, change: &Change) -> Result<(), Fault> {
        let (addresses, routes) = (self.handle.address(), self.handle.route());
        match change {
            Change::AddAddress(own) => {
                let add = addresses.add(index, own.address, own.bits);
                add.execute().await.map_err(failed(&format!("give a link {own}")))
            }
            Change::DropAddress(own) => {
                let message = addresses.add(index, own.address, own.bits).message_mut().clone();
                let done = addresses.del(message).execute().await;
                done.map_err(failed(&format!("take {own} from a link")))
            }
            Change::AddWay(gateway, metric) => {
                let done = routes.add(way(index, Some(*gateway), *metric, true)).execute().await;
                done.map_err(failed(&format!("go out by {gateway}")))
            }
            Change::DropWay(gateway, metric) => {
                let done = routes.del(way(index, *gateway, *metric, false)).execute().await;
                done.map_err(failed("forget a way out"))
            }
        }
    }
}

fn owned(message: &AddressMessage) -> Option<Owned> {
    let mut address = None;
    for attribute in &message.attributes {
        match attribute {
            // Where both are there, the other one is that of the far end.
            AddressAttribute::Local(own) => address = Some(*own),
            AddressAttribute::Address(own) => address = address.or(Some(*own)),
            _ => {}
        }
    }
    address.map(|address| Owned { address, bits: message.header.prefix_len })
}

/// Whether somebody gave a link this address: the kernel makes none of IPv4, and those of IPv6 that it makes end some
/// time or are of the link only.
fn is_given(message: &AddressMessage) -> bool {
    let header = &message.header;
    let is_six = owned(message).is_some_and(|own| own.address.is_ipv6());
    !is_six
        || header.flags.contains(AddressHeaderFlags::Permanent)
            && header.scope == AddressScope::Universe
}

/// Of a route to everywhere that is not the kernel's own: link, gateway and metric.
fn way_out(message: &RouteMessage) -> Option<(u32, Option<IpAddr>, u32)> {
    let header = &message.header;
    let is_way = header.destination_prefix_length == 0
        && header.table == RouteHeader::RT_TABLE_MAIN
        && header.kind == RouteType::Unicast;
    let (mut index, mut gateway, mut metric) = (None, None, 0);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(link) => index = Some(*link),
            RouteAttribute::Priority(priority) => metric = *priority,
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => {
                gateway = Some(IpAddr::from(*address));
            }
            RouteAttribute::Gateway(RouteAddress::Inet6(address)) => {
                gateway = Some(IpAddr::from(*address));
            }
            _ => {}
        }
    }
    let is_six = header.address_family == AddressFamily::Inet6;
    let is_ours = !is_six || header.protocol == RouteProtocol::Static;
    (is_way && is_ours).then_some((index?, gateway, metric))
}

fn way(index: u32, gateway: Option<IpAddr>, metric: u32, new: bool) -> RouteMessage {
    fn finish<T>(
        builder: RouteMessageBuilder<T>,
        index: u32,
        metric: u32,
        new: bool,
    ) -> RouteMessage {
        let builder = builder.output_interface(index).priority(metric);
        match new {
            true => builder.build(),
            // Whoever made it, and however.
            false => builder
                .protocol(RouteProtocol::Unspec)
                .scope(RouteScope::NoWhere)
                .kind(RouteType::Unspec)
                .build(),
        }
    }
    let four = RouteMessageBuilder::<Ipv4Addr>::new();
    match gateway {
        Some(IpAddr::V4(gateway)) => finish(four.gateway(gateway), index, metric, new),
        Some(IpAddr::V6(gateway)) => {
            let six = RouteMessageBuilder::<Ipv6Addr>::new();
            finish(six.gateway(gateway), index, metric, new)
        }
        None => finish(four, index, metric, new),
    }
}
