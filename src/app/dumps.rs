//! No picture of the process's memory on the disk: it would hold every credential in the clear.

/// Keeps the system from writing one when the process dies, and other programs of the same user from
/// reading its memory and its environment.
#[cfg(target_os = "linux")]
pub(super) fn turn_off() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // The limit alone does not bind a program that the system hands dumps to.
    let off = setrlimit(Resource::Core, none)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    if let Err(error) = off {
        tracing::warn!(%error, "core dumps could not be turned off; one would hold credentials");
    }
}

/// Elsewhere that is the operator's to see to.
#[cfg(not(target_os = "linux"))]
pub(super) const fn turn_off() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    #[test]
    fn the_system_has_nothing_to_dump() {
        super::turn_off();
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
    }
}
