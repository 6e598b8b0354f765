//! A client that does what the RFCs ask of one, and no more.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use crate::services::boot_stage::LIMIT;

pub(super) struct Client {
    pub(super) socket: UdpSocket,
    server: SocketAddr,
    /// How long it waits for an answer before it says the same again.
    patience: Duration,
}

pub(super) struct Fetched {
    pub(super) bytes: Vec<u8>,
    /// As the server acknowledged them: `blksize 1428 tsize 0`.
    pub(super) options: String,
}

/// On a wire that loses packets.
const SOON: Duration = Duration::from_millis(100);
/// Nothing is heard where so long nothing comes.
const SILENCE: Duration = Duration::from_millis(200);

impl Client {
    /// On a wire that loses nothing nothing is said twice, however slow the machine is.
    pub(super) fn new(server: SocketAddr) -> Self {
        Self::with_patience(server, LIMIT)
    }

    pub(super) fn on_lossy_wire(server: SocketAddr) -> Self {
        Self::with_patience(server, SOON)
    }

    fn with_patience(server: SocketAddr, patience: Duration) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(patience)).unwrap();
        Self { socket, server, patience }
    }

    pub(super) fn send(&self, bytes: &[u8]) {
        self.send_to(bytes, self.server);
    }

    pub(super) fn send_to(&self, bytes: &[u8], to: SocketAddr) {
        self.socket.send_to(bytes, to).unwrap();
    }

    pub(super) fn request(&self, path: &str, options: &str) {
        let mut words = vec![path, "octet"];
        words.extend(options.split_whitespace());
        let texts: String = words.iter().map(|word| format!("{word}\0")).collect();
        self.send(format!("\0\x01{texts}").as_bytes());
    }

    pub(super) fn receive(&self) -> io::Result<(Vec<u8>, SocketAddr)> {
        let mut buffer = vec![0; 70_000];
        let (length, from) = self.socket.recv_from(&mut buffer)?;
        buffer.truncate(length);
        Ok((buffer, from))
    }

    /// The whole file, or the server's error.
    pub(super) fn fetch(&self, path: &str, options: &str) -> Result<Fetched, String> {
        let (first, from) = self.retry(|| self.request(path, options))?;
        let (mut block_size, mut window, mut taken) = (512, 1, String::new());
        let mut bytes = Vec::new();
        let mut have = 0;
        match first[..2] {
            [0, 6] => {
                let texts = String::from_utf8(first[2..].to_vec()).unwrap();
                let words: Vec<_> = texts.split_terminator('\0').collect();
                for pair in words.chunks(2) {
                    match pair[0] {
                        "blksize" => block_size = pair[1].parse().unwrap(),
                        "windowsize" => window = pair[1].parse().unwrap(),
                        _ => {}
                    }
                }
                taken = words.join(" ");
            }
            [0, 3] if first[2..4] == [0, 1] => {
                bytes.extend(&first[4..]);
                have = 1;
                if bytes.len() < block_size {
                    self.acknowledge(1, from);
                    return Ok(Fetched { bytes, options: taken });
                }
            }
            _ => return Err(String::from_utf8_lossy(&first).into()),
        }
        bytes.extend(self.go_on(from, have, block_size, window)?);
        Ok(Fetched { bytes, options: taken })
    }

    /// The rest after so many blocks.
    pub(super) fn go_on(
        &self,
        from: SocketAddr,
        have: u64,
        block_size: usize,
        window: u64,
    ) -> Result<Vec<u8>, String> {
        let (mut have, mut acknowledged, mut bytes) = (have, have, Vec::new());
        let mut last = self.retry(|| self.acknowledge(have, from))?;
        loop {
            let (packet, source) = &last;
            if *source == from && packet[..2] == [0, 3] {
                let number = u16::from_be_bytes([packet[2], packet[3]]);
                if number == (have + 1) as u16 {
                    have += 1;
                    bytes.extend(&packet[4..]);
                    if packet.len() - 4 < block_size {
                        self.acknowledge(have, from);
                        return Ok(bytes);
                    }
                    if have - acknowledged >= window {
                        acknowledged = have;
                        self.acknowledge(have, from);
                    }
                } else if number.wrapping_sub(have as u16) < 0x8000 {
                    // One before it was lost (RFC 7440 section 4).
                    acknowledged = have;
                    self.acknowledge(have, from);
                }
            } else if packet[..2] == [0, 5] {
                return Err(String::from_utf8_lossy(packet).into());
            }
            last = match self.receive() {
                Ok(next) => next,
                Err(_) => {
                    acknowledged = have;
                    self.retry(|| self.acknowledge(have, from))?
                }
            };
        }
    }

    fn acknowledge(&self, block: u64, to: SocketAddr) {
        let [high, low] = (block as u16).to_be_bytes();
        self.send_to(&[0, 4, high, low], to);
    }

    pub(super) fn hears_nothing(&self) -> bool {
        self.socket.set_read_timeout(Some(SILENCE)).unwrap();
        let heard = self.receive();
        self.socket.set_read_timeout(Some(self.patience)).unwrap();
        heard.is_err()
    }

    fn retry(&self, send: impl Fn()) -> Result<(Vec<u8>, SocketAddr), String> {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            send();
            match self.receive() {
                Ok(received) => return Ok(received),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("no answer".into())
    }
}
