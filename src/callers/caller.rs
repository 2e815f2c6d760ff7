//! One caller: its name, and what it may do with whose sessions.

use std::sync::Arc;

use super::Name;

/// Whoever sent a request.
///
/// Rights are asked of it and of nobody else, so that each question has one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// None: callers are not authenticated, and there is one for everybody.
    name: Option<Arc<str>>,
    operator: bool,
}

impl Caller {
    /// The one caller of a gateway that authenticates none.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self {
            name: None,
            operator: true,
        }
    }

    /// A caller of the callers file.
    #[must_use]
    pub fn of_key(name: &Name, operator: bool) -> Self {
        Self {
            name: Some(name.as_str().into()),
            operator,
        }
    }

    /// A caller that an authorization server vouches for. Neither an issuer nor a caller of the callers file has white
    /// space in its name, so that no two names are ever the same.
    #[must_use]
    pub fn of_token(issuer: &str, subject: &str, operator: bool) -> Self {
        Self {
            name: Some(format!("{issuer} {subject}").into()),
            operator,
        }
    }

    /// Its name; the anonymous caller has none.
    #[must_use]
    pub const fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    /// Whether it may list, describe and delete everybody's sessions.
    #[must_use]
    pub const fn is_operator(&self) -> bool {
        self.operator
    }

    /// Whether it may use a session of that owner: call its tools with the credentials in it. Not even an
    /// operator may use somebody else's.
    #[must_use]
    pub fn may_use(&self, owner: Option<&str>) -> bool {
        match &self.name {
            None => true,
            Some(name) => owner == Some(name),
        }
    }

    /// Whether it may know of a session of that owner, and delete it.
    #[must_use]
    pub fn may_see(&self, owner: Option<&str>) -> bool {
        self.operator || self.may_use(owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str, operator: bool) -> Caller {
        Caller::of_key(&name.parse().unwrap(), operator)
    }

    #[test]
    fn a_session_is_its_owners() {
        let ada = caller("ada", false);
        assert!(ada.may_use(Some("ada")) && ada.may_see(Some("ada")));
        for other in [Some("bob"), Some("Ada"), Some(""), None] {
            assert!(!ada.may_use(other) && !ada.may_see(other), "{other:?}");
        }
    }

    #[test]
    fn an_operator_sees_all_and_uses_only_its_own() {
        let root = caller("root", true);
        for other in [Some("ada"), None] {
            assert!(root.may_see(other) && !root.may_use(other), "{other:?}");
        }
        assert!(root.may_use(Some("root")));
    }

    #[test]
    fn without_authentication_everything_is_everybodys() {
        let anyone = Caller::anonymous();
        for owner in [Some("ada"), None] {
            assert!(anyone.may_see(owner) && anyone.may_use(owner));
        }
    }
}
