//! A DHCP client that asks a server what to boot, without a machine: one request, and the offer.
//!
//! It sends the options that real firmware sends; RFC 2131, RFC 2132, RFC 4578 and RFC 8415 have the
//! formats.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};

use crate::lan::{Lan, Namespace};

const TIMEOUT: Duration = crate::wait::TIMEOUT;
/// How long to wait for an answer before asking again.
const AGAIN: Duration = Duration::from_millis(500);
const MAGIC: [u8; 4] = [99, 130, 83, 99];
const TRANSACTION: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];

/// The firmware that the client emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// iPXE.
    Ipxe,
    /// PXE of a BIOS.
    Bios,
    /// PXE of UEFI on `x86_64`.
    Uefi,
    /// HTTP boot of UEFI on `x86_64`.
    UefiHttp,
    /// PXE of UEFI on `aarch64`.
    UefiArm64,
    /// HTTP boot of UEFI on `aarch64`.
    UefiArm64Http,
}

/// What a server offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The file to boot: option 67, or the field of BOOTP; over IPv6 option 59.
    pub boot_file: Option<String>,
    /// The server to load it from.
    pub next_server: Option<Ipv4Addr>,
    /// All options.
    pub options: BTreeMap<u16, Vec<u8>>,
}

/// A DHCP client that is attached to a network.
#[derive(Debug)]
pub struct DhcpClient {
    mac: [u8; 6],
    interface: String,
    /// A separate one, so that its packets are not ours.
    namespace: Namespace,
}

impl DhcpClient {
    /// Attaches a client with this address.
    pub fn attach(lan: &Lan, mac: &str) -> Result<Self> {
        let mut octets = [0; 6];
        let mut parts = mac.split(':');
        for octet in &mut octets {
            let part = parts.next().context("a MAC address is too short")?;
            *octet = u8::from_str_radix(part, 16).context("not a MAC address")?;
        }
        let namespace = Namespace::new()?;
        let interface = lan.add_veth(mac, &namespace)?;
        Ok(Self {
            mac: octets,
            interface,
            namespace,
        })
    }

    /// Asks once over IPv4 (DISCOVER), and again until there is an answer.
    pub fn ask(&self, kind: ClientKind) -> Result<Offer> {
        self.inside(|| {
            let socket = UdpSocket::bind("0.0.0.0:68").context("cannot bind")?;
            socket.set_broadcast(true)?;
            let server = SocketAddr::from(([255, 255, 255, 255], 67));
            exchange(&socket, server, &self.discover(kind), offer)
        })
    }

    /// Asks once over IPv6 (SOLICIT).
    pub fn ask6(&self, kind: ClientKind) -> Result<Offer> {
        self.inside(|| {
            let index = if_nametoindex(self.interface.as_str()).context("no interface")?;
            let all = "ff02::1:2".parse().context("not an address")?;
            let socket = UdpSocket::bind("[::]:546").context("cannot bind")?;
            let server = SocketAddr::V6(SocketAddrV6::new(all, 547, 0, index));
            exchange(&socket, server, &self.solicit(kind), advertise)
        })
    }

    fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let working = scope.spawn(|| {
                let namespace = File::open(self.namespace.path())?;
                setns(namespace, CloneFlags::CLONE_NEWNET).context("cannot enter the network")?;
                work()
            });
            match working.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    fn discover(&self, kind: ClientKind) -> Vec<u8> {
        // A request, over Ethernet; "answer by broadcast", as there is no address yet.
        let mut packet = vec![1, 1, 6, 0];
        packet.extend(TRANSACTION);
        packet.extend([0, 0, 0x80, 0]);
        packet.resize(28, 0);
        packet.extend(self.mac);
        packet.resize(236, 0);
        packet.extend(MAGIC);
        let mut option = |code: u8, value: &[u8]| {
            packet.push(code);
            packet.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
            packet.extend(value);
        };
        option(53, &[1]);
        option(55, &[1, 3, 43, 54, 60, 66, 67, 150, 175]);
        let arch = kind.arch();
        option(93, &[0, arch]);
        let class = match kind {
            ClientKind::UefiHttp | ClientKind::UefiArm64Http => "HTTPClient",
            _ => "PXEClient",
        };
        let class = format!("{class}:Arch:{arch:05}:UNDI:003001");
        option(60, class.as_bytes());
        if kind == ClientKind::Ipxe {
            option(77, b"iPXE");
            // Priority, and one feature.
            option(175, &[1, 1, 0, 19, 1, 1]);
        }
        packet.push(255);
        packet
    }

    fn solicit(&self, kind: ClientKind) -> Vec<u8> {
        let mut packet = vec![1];
        packet.extend(TRANSACTION.iter().skip(1));
        let mut option = |code: u16, value: &[u8]| {
            packet.extend(code.to_be_bytes());
            packet.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
            packet.extend(value);
        };
        // Its name is its address (DUID-LL).
        let mut name = vec![0, 3, 0, 1];
        name.extend(self.mac);
        option(1, &name);
        option(3, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        option(6, &[0, 59, 0, 60]);
        option(8, &[0, 0]);
        if kind == ClientKind::Ipxe {
            option(15, &[0, 4, b'i', b'P', b'X', b'E']);
        }
        option(61, &[0, kind.arch()]);
        packet
    }
}

impl ClientKind {
    /// Its type in option 93.
    fn arch(self) -> u8 {
        match self {
            Self::Bios => 0,
            Self::Ipxe | Self::Uefi => 7,
            Self::UefiHttp => 16,
            Self::UefiArm64 => 11,
            Self::UefiArm64Http => 19,
        }
    }
}

/// Sends the question until an answer is understood.
fn exchange(
    socket: &UdpSocket,
    server: SocketAddr,
    question: &[u8],
    read: impl Fn(&[u8]) -> Option<Offer>,
) -> Result<Offer> {
    socket.set_read_timeout(Some(AGAIN))?;
    let deadline = Instant::now() + TIMEOUT;
    let mut buffer = [0; 4096];
    loop {
        ensure!(Instant::now() < deadline, "no server answers");
        // An interface that has just come up may not be ready to send.
        let _ = socket.send_to(question, server);
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            if let Some(offer) = read(buffer.get(..length).unwrap_or_default()) {
                return Ok(offer);
            }
        }
    }
}

/// Reads an OFFER.
fn offer(packet: &[u8]) -> Option<Offer> {
    let is_ours = packet.first() == Some(&2) && packet.get(4..8)? == TRANSACTION;
    if !is_ours || packet.get(236..240)? != MAGIC {
        return None;
    }
    let mut options = BTreeMap::new();
    let mut rest = packet.get(240..)?;
    while let [code, after @ ..] = rest {
        rest = match code {
            0 => after,
            255 => break,
            _ => {
                let (length, after) = after.split_first()?;
                let (value, after) = after.split_at_checked(usize::from(*length))?;
                options.insert(u16::from(*code), value.to_vec());
                after
            }
        };
    }
    if options.get(&53).map(Vec::as_slice) != Some(&[2]) {
        return None;
    }
    let server: [u8; 4] = packet.get(20..24)?.try_into().ok()?;
    let file = options.get(&67).map(Vec::as_slice);
    Some(Offer {
        boot_file: text(file.unwrap_or(packet.get(108..236)?)),
        next_server: Some(Ipv4Addr::from(server)).filter(|it| !it.is_unspecified()),
        options,
    })
}

/// Reads an ADVERTISE.
fn advertise(packet: &[u8]) -> Option<Offer> {
    if packet.first() != Some(&2) || packet.get(1..4)? != TRANSACTION.get(1..)? {
        return None;
    }
    let mut options = BTreeMap::new();
    let mut rest = packet.get(4..)?;
    while let [c1, c2, l1, l2, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*l1, *l2]));
        let (value, after) = after.split_at_checked(length)?;
        options.insert(u16::from_be_bytes([*c1, *c2]), value.to_vec());
        rest = after;
    }
    Some(Offer {
        boot_file: options.get(&59).and_then(|value| text(value)),
        next_server: None,
        options,
    })
}

/// A text up to its first zero; `None` if there is none.
fn text(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(bytes).into_owned()).filter(|text| !text.is_empty())
}

impl Offer {
    /// The file to boot, which there must be.
    pub fn boots(&self) -> Result<&str> {
        match &self.boot_file {
            Some(file) => Ok(file),
            None => bail!("nothing to boot is offered: {self:?}"),
        }
    }
}
