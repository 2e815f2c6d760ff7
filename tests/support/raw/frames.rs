//! Frames of HTTP/2, made and read by hand. Spec: RFC 9113, sections 4 and 6; RFC 7541, appendix A.

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GO_AWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// The setting of the bytes that a stream takes before it is asked.
pub const INITIAL_WINDOW: u16 = 4;

/// A frame that came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code that stands there.
    pub fn code(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// A frame, whether or not it may be so.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// How a client begins, with these settings.
pub fn hello(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut payload = Vec::new();
    for (setting, value) in settings {
        payload.extend(setting.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    bytes.extend(frame(SETTINGS, 0, 0, &payload));
    bytes
}

/// A request to `localhost` with these headers, as they are.
pub fn request(
    stream: u32,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    is_whole: bool,
) -> Vec<u8> {
    // `:scheme: http`; then names of the static table with values of our own.
    let mut block = vec![0x86];
    for (index, value) in [(2, method), (4, path), (1, "localhost")] {
        block.push(index);
        text(&mut block, value);
    }
    for (name, value) in headers {
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    let flags = END_HEADERS | if is_whole { END_STREAM } else { 0 };
    frame(HEADERS, flags, stream, &block)
}

/// The frames in these bytes, but for one that is cut off.
pub fn read(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while bytes.len() >= 9 {
        let length = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        let end = 9 + usize::try_from(length).unwrap();
        if bytes.len() < end {
            break;
        }
        frames.push(Frame {
            kind: bytes[3],
            stream: u32::from_be_bytes(bytes[5..9].try_into().unwrap()) & 0x7fff_ffff,
            payload: bytes[9..end].to_vec(),
        });
        bytes = &bytes[end..];
    }
    frames
}

/// A text without Huffman's code, its length in seven bits and more.
fn text(block: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    if length < 127 {
        block.push(u8::try_from(length).unwrap());
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        block.push(u8::try_from(length).unwrap());
    }
    block.extend(text.as_bytes());
}
