//! Reads what proxies write about a request: `X-Forwarded-For`, `-Proto` and `-Host`, or `Forwarded`
//! (RFC 7239).
//!
//! One family is read, never a mixture: a proxy writes one and may pass on what its client wrote in
//! the other.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, header::FORWARDED, uri::Scheme};

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";

/// What the proxies say, as far as it can be read.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) address: Option<IpAddr>,
    pub(super) scheme: Option<Scheme>,
    pub(super) host: Option<String>,
}

/// Reads the hops from the nearest one on, as far as they are trusted.
pub(super) fn read(headers: &HeaderMap, trusted: impl Fn(IpAddr) -> bool) -> Told {
    if [FOR, PROTO, HOST]
        .iter()
        .any(|name| headers.contains_key(*name))
    {
        of_lists(headers, trusted)
    } else {
        of_elements(headers, trusted)
    }
}

fn of_lists(headers: &HeaderMap, trusted: impl Fn(IpAddr) -> bool) -> Told {
    let list = |name: &str| -> Vec<&str> {
        let values = headers.get_all(name).iter();
        let texts = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
        let mut entries: Vec<&str> = texts.map(str::trim).collect();
        // The nearest hop first.
        entries.reverse();
        entries
    };
    let addresses = list(FOR);
    let (hop, address) = client(addresses.iter().map(|text| read_address(text)), trusted);
    // A list may have an entry for each hop, or one for all of them.
    let at_hop = |entries: Vec<&str>| {
        let entry = entries.get(hop).or(entries.last()).copied();
        entry.filter(|entry| !entry.is_empty()).map(str::to_owned)
    };
    Told {
        address,
        scheme: at_hop(list(PROTO)).and_then(|text| read_scheme(&text)),
        host: at_hop(list(HOST)),
    }
}

fn of_elements(headers: &HeaderMap, trusted: impl Fn(IpAddr) -> bool) -> Told {
    let mut elements: Vec<Vec<(String, String)>> = Vec::new();
    for value in headers.get_all(FORWARDED) {
        let Some(read) = value.to_str().ok().and_then(read_elements) else {
            // What stands before a line that cannot be read belongs to nobody.
            elements.clear();
            continue;
        };
        elements.extend(read);
    }
    elements.reverse();
    let of = |element: &[(String, String)], name: &str| {
        let mut pairs = element.iter();
        pairs
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty())
    };
    let addresses = elements
        .iter()
        .map(|element| of(element, "for").and_then(|text| read_address(&text)));
    let (hop, address) = client(addresses, trusted);
    // What the hop that met the client does not say, a nearer one may.
    let known = elements.get(..=hop).unwrap_or_default();
    let nearest = |name: &str| known.iter().rev().find_map(|element| of(element, name));
    Told {
        address,
        scheme: nearest("proto").and_then(|text| read_scheme(&text)),
        host: nearest("host"),
    }
}

/// Finds the first address that is no trusted proxy's, else the last one that can be read; and at which
/// hop that is.
fn client(
    addresses: impl Iterator<Item = Option<IpAddr>>,
    trusted: impl Fn(IpAddr) -> bool,
) -> (usize, Option<IpAddr>) {
    let mut found = (0, None);
    for (hop, address) in addresses.enumerate() {
        let Some(address) = address else {
            found.0 = hop;
            break;
        };
        found = (hop, Some(address));
        if !trusted(address) {
            break;
        }
    }
    found
}

/// Reads an address with or without a port, an IPv6 one with or without brackets.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip()));
    address.map(|address| address.to_canonical())
}

fn read_scheme(text: &str) -> Option<Scheme> {
    if text.eq_ignore_ascii_case("https") {
        Some(Scheme::HTTPS)
    } else if text.eq_ignore_ascii_case("http") {
        Some(Scheme::HTTP)
    } else {
        None
    }
}

/// Splits one line into elements of names and values; `None` for one whose quotes do not close.
fn read_elements(line: &str) -> Option<Vec<Vec<(String, String)>>> {
    let (mut elements, mut pairs, mut pair) = (Vec::new(), Vec::new(), String::new());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => loop {
                match characters.next()? {
                    '"' => break,
                    '\\' => pair.push(characters.next()?),
                    other => pair.push(other),
                }
            },
            ';' | ',' => {
                pairs.extend(read_pair(&std::mem::take(&mut pair)));
                if character == ',' {
                    elements.push(std::mem::take(&mut pairs));
                }
            }
            other => pair.push(other),
        }
    }
    pairs.extend(read_pair(&pair));
    elements.push(pairs);
    Some(elements)
}

fn read_pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    Some((name.trim().to_owned(), value.trim().to_owned()))
}
