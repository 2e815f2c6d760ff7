//! Public ids of tasks: `provider.id`, so that each request about one says whose it is.

use crate::mcp::name::{BackendName, Naming};

const SEPARATOR: &str = ".";

/// The public id of a backend's task.
#[must_use]
pub fn public_id(naming: Naming, backend: &BackendName, own: &str) -> String {
    match naming {
        Naming::None => own.to_owned(),
        _ => format!("{backend}{SEPARATOR}{own}"),
    }
}

/// Finds the backend that a public id speaks of, by position, and the task's id there.
#[must_use]
pub fn route<'a>(
    naming: Naming,
    backends: &[BackendName],
    public: &'a str,
) -> Option<(usize, &'a str)> {
    if naming == Naming::None {
        return (backends.len() == 1 && !public.is_empty()).then_some((0, public));
    }
    let (provider, own) = public.split_once(SEPARATOR)?;
    let position = backends.iter().position(|name| name.as_str() == provider)?;
    (!own.is_empty()).then_some((position, own))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_task_of_nobody_is_not_found() {
        let backends = ["docs".parse().unwrap(), "web".parse().unwrap()];
        for public in ["", "docs", "docs.", "other.1", "1"] {
            assert_eq!(route(Naming::Auto, &backends, public), None, "{public}");
        }
        assert_eq!(route(Naming::None, &backends, "1"), None);
    }

    proptest! {
        #[test]
        fn a_public_id_leads_back_to_its_task(own in ".{1,40}") {
            let backends = ["docs".parse().unwrap(), "web_2".parse().unwrap()];
            for naming in [Naming::Auto, Naming::Dot, Naming::Underscores] {
                let public = public_id(naming, &backends[1], &own);
                prop_assert_eq!(route(naming, &backends, &public), Some((1, own.as_str())));
            }
            let public = public_id(Naming::None, &backends[0], &own);
            prop_assert_eq!(route(Naming::None, &backends[..1], &public), Some((0, own.as_str())));
        }
    }
}
