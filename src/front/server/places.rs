//! How many connections each address has, so that one cannot take those of all.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The connections that are open, by the addresses they come from.
#[derive(Debug)]
pub(super) struct Places {
    /// Connections of one address.
    most: usize,
    /// Connections of this machine's own programs: agents, proxies and tests share one address.
    most_of_loopback: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    client: IpAddr,
}

impl Places {
    /// As many for each address, and half of all connections for this machine if that is more.
    pub(super) fn new(most: usize, connections_max: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_of_loopback: most.max(connections_max / 2),
            taken: Mutex::default(),
        })
    }

    /// Takes a place for a connection from that address; `None` where it has all it may have.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let client = client(address);
        let most = if client.is_loopback() {
            self.most_of_loopback
        } else {
            self.most
        };
        let mut taken = self.taken();
        let count = taken.entry(client).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place {
            places: Arc::clone(self),
            client,
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.client);
            }
        }
    }
}

/// Who is behind an address: of IPv6, whoever has it has the 2⁶⁴ others of its network, too.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            Ipv6Addr::from(network).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let places = Places::new(2, 100);
        let take = |text: &str| places.take(text.parse().unwrap());
        let (first, second) = (take("192.0.2.1"), take("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(take("192.0.2.1").is_none());
        assert!(take("192.0.2.2").is_some(), "another one has its own");
        drop(first);
        let third = take("192.0.2.1");
        assert!(third.is_some());
        drop((second, third));
        assert!(places.taken().is_empty(), "nothing is kept of who is gone");
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let places = Places::new(1, 100);
        let take = |text: &str| places.take(text.parse().unwrap());
        let _first = take("2001:db8:0:1::1").unwrap();
        assert!(take("2001:db8:0:1:ffff::2").is_none());
        assert!(take("2001:db8:0:2::1").is_some());
    }

    #[test]
    fn this_machine_has_half_of_all() {
        let places = Places::new(1, 6);
        for address in ["127.0.0.1", "::1"] {
            let take = || places.take(address.parse().unwrap());
            let held = [take(), take(), take()];
            assert!(held.iter().all(Option::is_some) && take().is_none());
        }
    }
}
