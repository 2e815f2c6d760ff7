//! Boxes of what is large, made where they will be.
//!
//! The compiler sees to that, and nothing tells where it does not: there, a profile shows a copy as large as what is made
//! (benches/README.md, "What no instruction count shows"). What prevented it was a captured value of an odd size.

use std::pin::Pin;

/// Makes something in memory of its own. `Box::new` is given what was made already, and moves all of it there: of a future
/// that is thousands of bytes, of which a few are in use at first.
#[expect(clippy::inline_always, reason = "a call of it would move what is made")]
#[inline(always)]
pub fn boxed<T>(make: impl FnOnce() -> T) -> Box<T> {
    Box::write(Box::new_uninit(), make())
}

/// The same, to be polled.
#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
pub fn pinned<T>(make: impl FnOnce() -> T) -> Pin<Box<T>> {
    Box::into_pin(boxed(make))
}
