//! Words that the load and the fake backend must agree on: names of tools, and the text a call returns.

/// Length of the mark that makes the text of each call its own.
pub(crate) const MARK_BYTES: usize = 20;

/// What follows the mark in a text of a given size.
pub(crate) const FILLER: u8 = b'.';

/// Returns the text given.
pub(crate) const ECHO: &str = "echo";

/// Returns a text of the size given.
pub(crate) const BLOB: &str = "blob";

/// Own names of the tools of a backend that has `count` of them, in its order.
pub(crate) fn tool_names(count: u32) -> impl Iterator<Item = String> {
    let fillers = (2..count).map(|number| format!("search_records_{number:05}"));
    [ECHO.to_owned(), BLOB.to_owned()]
        .into_iter()
        .chain(fillers)
}

/// The mark of one call: `MARK_BYTES` long, safe inside a JSON string, different for every call of every connection.
pub(crate) fn mark(connection: usize, id: u64) -> String {
    format!("c{connection:07}-{id:011}")
}
