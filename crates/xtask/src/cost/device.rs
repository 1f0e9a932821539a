//! A device of the testbed over a blocking socket: opens, sends frames of text, reads frames.
//! It waits for nothing longer than a minute.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
/// Fixed, so that every run sends the same bytes.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// What the testbed sends by itself, and only in a session.
const ACK: &[u8] = b"[\"~wse:ack\",";
/// In a session a device acknowledges after so many messages, as every client does.
const UNACKNOWLEDGED: u64 = 32;

/// An accepted device.
pub(crate) struct Device {
    stream: BufReader<TcpStream>,
    session: bool,
    taken: u64,
    acknowledged: u64,
}

impl Device {
    /// Opens a connection, says hi as the user of that number and waits for the welcome.
    pub(crate) fn open(address: SocketAddr, user: usize, session: bool) -> Result<Device, String> {
        let stream = TcpStream::connect(address).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
        let stream = BufReader::with_capacity(1 << 16, stream);
        let mut device = Device { stream, session, taken: 0, acknowledged: 0 };
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: wse-default-json\r\n\r\n"
        );
        device.write(request.as_bytes())?;
        let answer = device.head()?;
        if !answer.starts_with("HTTP/1.1 101 ") {
            return Err(format!("the upgrade was answered {answer:?}"));
        }
        let session = if session { r#","session":{}"# } else { "" };
        device.write(&frame(&format!(r#"["~wse:hi",{{"identity":"user-{user}","meta":{{}}{session}}}]"#)))?;
        let welcome = device.frame()?;
        if !welcome.starts_with(b"[\"~wse:welcome\"") {
            return Err(format!("no welcome but {}", String::from_utf8_lossy(&welcome)));
        }
        Ok(device)
    }

    /// Sends frames, and an acknowledgement before them when it is due: in one write, so that the testbed
    /// does not wake for it alone.
    pub(crate) fn send(&mut self, frames: &[u8]) -> Result<(), String> {
        if !self.session || self.taken - self.acknowledged < UNACKNOWLEDGED {
            return self.write(frames);
        }
        self.acknowledged = self.taken;
        let ack = frame(&format!(r#"["~wse:ack",{},null]"#, self.taken));
        self.write(&[&ack, frames].concat())
    }

    /// The next message that is no acknowledgement.
    pub(crate) fn message(&mut self) -> Result<Vec<u8>, String> {
        loop {
            let message = self.frame()?;
            if !message.starts_with(ACK) {
                self.taken += 1;
                return Ok(message);
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.get_mut().write_all(bytes).map_err(failed)
    }

    fn head(&mut self) -> Result<String, String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.read::<1>()?);
        }
        Ok(String::from_utf8_lossy(&head).into_owned())
    }

    fn frame(&mut self) -> Result<Vec<u8>, String> {
        let [first, length] = self.read()?;
        let length = match length {
            126 => u64::from(u16::from_be_bytes(self.read()?)),
            127 => u64::from_be_bytes(self.read()?),
            length => u64::from(length),
        };
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).map_err(failed)?;
        match first {
            0x81 => Ok(payload),
            _ => Err(format!("a frame of another kind: {first:#x} {}", String::from_utf8_lossy(&payload))),
        }
    }

    fn read<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }
}

fn failed(error: std::io::Error) -> String {
    format!("connection failed: {error}")
}

/// A masked frame of text (RFC 6455 section 5.2).
pub(crate) fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        length @ ..126 => frame.push(0x80 | length as u8),
        length @ 126..65536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_frame_takes_as_many_bytes_as_it_needs() {
        for (length, head) in [(125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            assert_eq!(frame(&"x".repeat(length)).len(), head + MASK.len() + length);
        }
        assert_eq!(frame("ab")[6..], [b'a' ^ 0x37, b'b' ^ 0xfa]);
    }
}
