//! As much HTTP/1.1 as both ends of the gateway need here: nothing is counted but the gateway, and nothing varies.

use std::io::{self, BufRead};

/// One message: its first line, its headers, each `name: value` in lower case, and its body.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) first_line: String,
    headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Reads a message whose body has a length; `None` at the end of the connection.
    pub(crate) fn read(stream: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(first_line) = line(stream)? else {
            return Ok(None);
        };
        let mut message = Self {
            first_line,
            headers: Vec::new(),
            body: Vec::new(),
        };
        while let Some(header) = line(stream)?.filter(|line| !line.is_empty()) {
            let header = match header.split_once(':') {
                Some((name, value)) => format!("{}:{value}", name.to_ascii_lowercase()),
                None => header,
            };
            message.headers.push(header);
        }
        let length = message.header("content-length").unwrap_or("0");
        let length = length.parse().map_err(io::Error::other)?;
        message.body.resize(length, 0);
        stream.read_exact(&mut message.body)?;
        Ok(Some(message))
    }

    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter_map(|header| {
            let (found, value) = header.split_once(':')?;
            (found == name).then(|| value.trim())
        });
        values.next()
    }

    /// The body's text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn line(stream: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = stream.read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}
