//! What the system dropped before we could take it, as its table of sockets tells (proc_pid_net(5)).
//!
//! Asked for when somebody wants to know: the option that has the system say so with each datagram (`SO_RXQ_OVFL`) costs
//! every receive, and tells of a loss only with the next datagram that finds room.

use std::fs::read_to_string;
use std::net::{SocketAddr, SocketAddrV4};

use tokio::net::UdpSocket;

const TABLE: &str = "/proc/self/net/udp";

/// Datagrams to `socket` that found no room in its buffer; `None` if the system does not tell.
pub(super) fn of(socket: &UdpSocket) -> Option<u64> {
    let SocketAddr::V4(addr) = socket.local_addr().ok()? else { return None };
    find(&read_to_string(TABLE).ok()?, addr)
}

/// The last column of the row whose second is `addr`.
fn find(table: &str, addr: SocketAddrV4) -> Option<u64> {
    let name = format!("{:08X}:{:04X}", u32::from_ne_bytes(addr.ip().octets()), addr.port());
    let row = table.lines().find(|row| row.split_ascii_whitespace().nth(1) == Some(&name))?;
    row.split_ascii_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_row_is_found_by_its_address() {
        let table = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  711: 0100007F:26F9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 17
  712: 00000000:26F9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 0
";
        let losses = |addr: &str| find(table, addr.parse().unwrap());
        assert_eq!(losses("127.0.0.1:9977"), Some(17));
        assert_eq!(losses("0.0.0.0:9977"), Some(0));
        assert_eq!(losses("127.0.0.1:9978"), None);
    }
}
