//! `Host`: a node named by `host:port`, and the addresses that stand behind the name.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use khashmir::Scope;
use tokio::net::lookup_host;

use crate::failure::Failure;

/// `boot.example.org:9977` or `192.0.2.1:9977`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host(String);

impl Host {
    /// The IPv4 addresses behind the name: the protocol knows no others.
    pub(crate) async fn resolve(&self) -> Result<Vec<SocketAddr>, String> {
        let addrs = lookup_host(&self.0).await.map_err(|error| error.to_string())?;
        let addrs: Vec<_> = addrs.filter(|addr| addr.is_ipv4() && Scope::ANY.admits(*addr)).collect();
        if addrs.is_empty() { Err("no IPv4 address that can be asked".to_owned()) } else { Ok(addrs) }
    }
}

impl FromStr for Host {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let text = text.trim();
        let invalid = |reason: &str, example: &str| {
            Failure::usage(format!("{text:?} is not a HOST:PORT: {reason}")).help(format!("write {example}"))
        };
        let Some((host, port)) = text.rsplit_once(':') else {
            let host = if text.is_empty() { "boot.example.org" } else { text };
            return Err(invalid("the port is missing", &format!("{host}:9977")));
        };
        if host.is_empty() {
            return Err(invalid("the host is missing", &format!("127.0.0.1:{port}")));
        }
        if host.contains(':') {
            return Err(invalid("the protocol knows IPv4 addresses only", "127.0.0.1:9977"));
        }
        if text.parse().is_ok_and(|addr: SocketAddr| addr.port() != 0 && !Scope::ANY.admits(addr)) {
            return Err(invalid("no node can be at this address", &format!("127.0.0.1:{port}")));
        }
        match port.parse::<u16>() {
            Ok(0) | Err(_) => Err(invalid("the port is a number from 1 to 65535", &format!("{host}:9977"))),
            Ok(_) => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bootstrap hosts, resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts(pub(crate) Vec<(Host, Result<Vec<SocketAddr>, String>)>);

impl Hosts {
    pub(crate) async fn resolve(hosts: &[Host]) -> Self {
        let mut resolved = Vec::with_capacity(hosts.len());
        for host in hosts {
            resolved.push((host.clone(), host.resolve().await));
        }
        Self(resolved)
    }

    pub(crate) fn addrs(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.0.iter().flat_map(|(_, addrs)| addrs.iter().flatten().copied())
    }

    /// Are all of them on this machine? Not if there is none.
    pub(crate) fn are_local(&self) -> bool {
        self.addrs().next().is_some() && self.addrs().all(|addr| addr.ip().is_loopback())
    }

    /// The scope in which every one of them is admitted.
    pub(crate) fn scope(&self) -> Scope {
        self.addrs().fold(Scope::PUBLIC, |scope, addr| scope.or(Scope::of(addr.ip())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_needs_a_port() {
        assert_eq!("boot.example.org:9977".parse::<Host>().unwrap().to_string(), "boot.example.org:9977");
        for (text, advice) in [
            ("boot.example.org", "write boot.example.org:9977"),
            ("", "write boot.example.org:9977"),
            (":9977", "write 127.0.0.1:9977"),
            ("host:0", "write host:9977"),
            ("host:65536", "write host:9977"),
            ("[::1]:9977", "write 127.0.0.1:9977"),
            ("::1:9977", "write 127.0.0.1:9977"),
            ("0.0.0.0:9", "write 127.0.0.1:9"),
            ("224.0.0.1:9", "write 127.0.0.1:9"),
            ("192.0.2.1:0", "write 192.0.2.1:9977"),
        ] {
            assert_eq!(text.parse::<Host>().unwrap_err().help.as_deref(), Some(advice), "{text:?}");
        }
    }

    #[tokio::test]
    async fn addresses_tell_the_scope() {
        let resolve = async |text: &str| Hosts::resolve(&[text.parse().unwrap()]).await;
        assert!(resolve("127.0.0.1:9").await.are_local());
        assert!(!resolve("192.168.1.5:9").await.are_local());
        assert_eq!(resolve("192.168.1.5:9").await.scope(), Scope { private: true, loopback: false });
        assert_eq!(resolve("192.0.2.1:9").await.scope(), Scope::PUBLIC);
        assert!(!Hosts::default().are_local());
    }
}
