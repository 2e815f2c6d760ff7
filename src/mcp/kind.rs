//! The three kinds of lists whose changes are announced.

use super::method::{PROMPTS_CHANGED, RESOURCES_CHANGED, TOOLS_CHANGED};

/// A kind of list that a backend may announce to be another now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// Tools.
    Tools,
    /// Prompts.
    Prompts,
    /// Resources and their templates.
    Resources,
}

impl ListKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Tools, Self::Prompts, Self::Resources];

    /// The notification that tells of a change.
    #[must_use]
    pub const fn changed(self) -> &'static str {
        match self {
            Self::Tools => TOOLS_CHANGED,
            Self::Prompts => PROMPTS_CHANGED,
            Self::Resources => RESOURCES_CHANGED,
        }
    }

    /// The kind that a notification is about, if it is about one.
    #[must_use]
    pub fn of(notification: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.changed() == notification)
    }

    /// The server capability that such lists belong to.
    #[must_use]
    pub const fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
        }
    }

    /// The member of a modern subscription's filter that asks for such changes.
    ///
    /// Spec: 2026-07-28 basic/patterns/subscriptions, "Notification Filter".
    #[must_use]
    pub const fn filter_member(self) -> &'static str {
        match self {
            Self::Tools => "toolsListChanged",
            Self::Prompts => "promptsListChanged",
            Self::Resources => "resourcesListChanged",
        }
    }
}
