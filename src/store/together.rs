//! Operations that stand next to each other in a batch and are run together.
//!
//! A statement costs about the same however many rows it has: the way to the database's thread and back is most of it.

use std::collections::{HashMap, HashSet};

use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::{
    entity::{link, mcp_session},
    error::StoreError,
    operation::{self, Creation, Operation},
};

/// The operations that a batch begins with and that can be run together.
pub(super) enum Together<'a> {
    Creations(Vec<Creation<'a>>),
    McpSessions(McpSessions<'a>),
}

/// Changes of MCP sessions, in the order in which they are run: each is put before it is linked, and linked before it
/// is deleted. What is of two of them may be run in any order.
#[derive(Default)]
pub(super) struct McpSessions<'a> {
    put: Vec<&'a mcp_session::Model>,
    linked: Vec<&'a link::Model>,
    deleted: Vec<Uuid>,
    /// How far each has come.
    stages: HashMap<Uuid, Stage>,
    links: HashSet<(Uuid, Uuid, &'a str)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Put,
    Linked,
    Deleted,
}

impl<'a> Together<'a> {
    /// Gathers them; `None` where there are not several.
    pub(super) fn gather(operations: impl Iterator<Item = &'a Operation> + Clone) -> Option<Self> {
        let creations: Vec<Creation<'a>> = operations
            .clone()
            .map_while(Operation::as_creation)
            .collect();
        let mut mcp_sessions = McpSessions::default();
        let _count = operations
            .take_while(|operation| mcp_sessions.take(operation))
            .count();
        let found = if creations.is_empty() {
            Self::McpSessions(mcp_sessions)
        } else {
            Self::Creations(creations)
        };
        (found.len() > 1).then_some(found)
    }

    /// How many they are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Creations(creations) => creations.len(),
            Self::McpSessions(McpSessions {
                put,
                linked,
                deleted,
                ..
            }) => put.len() + linked.len() + deleted.len(),
        }
    }

    /// Runs them; tells whether each made, changed or deleted one record. After an error, or if it is not so, the
    /// transaction may hold a part of them: roll back.
    pub(super) async fn run(&self, database: &impl ConnectionTrait) -> Result<bool, StoreError> {
        match self {
            Self::Creations(creations) => {
                operation::create(creations, database).await?;
                Ok(true)
            }
            Self::McpSessions(McpSessions {
                put,
                linked,
                deleted,
                ..
            }) => {
                operation::put_mcp_sessions(put, database).await?;
                operation::put_links(linked, database).await?;
                let gone = operation::delete_mcp_sessions(deleted, database).await?;
                Ok(usize::try_from(gone) == Ok(deleted.len()))
            }
        }
    }
}

impl<'a> McpSessions<'a> {
    /// Takes an operation in that can be run with the others; tells whether it can.
    fn take(&mut self, operation: &'a Operation) -> bool {
        match operation {
            Operation::PutMcpSession(row) => {
                let takes = !self.stages.contains_key(&row.id);
                if takes {
                    self.stages.insert(row.id, Stage::Put);
                    self.put.push(row);
                }
                takes
            }
            Operation::PutLink(row) => {
                let key = (row.session_id, row.mcp_session_id, row.backend.as_str());
                let takes =
                    self.may_be(row.mcp_session_id, Stage::Linked) && self.links.insert(key);
                if takes {
                    self.stages.insert(row.mcp_session_id, Stage::Linked);
                    self.linked.push(row);
                }
                takes
            }
            Operation::DeleteMcpSession(id) => {
                let is_new = self.stages.get(id) != Some(&Stage::Deleted);
                // There is no row of the default one to be deleted.
                let takes = is_new && !id.is_nil();
                if takes {
                    self.stages.insert(*id, Stage::Deleted);
                    self.deleted.push(*id);
                }
                takes
            }
            _ => false,
        }
    }

    /// Whether an MCP session has not come further yet.
    fn may_be(&self, id: Uuid, stage: Stage) -> bool {
        self.stages.get(&id).is_none_or(|now| *now <= stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(id: Uuid) -> Operation {
        Operation::PutMcpSession(mcp_session::Model {
            id,
            session_id: Uuid::from_u128(1),
            revision: "2025-11-25".to_owned(),
            client_info: None,
            capabilities: None,
            wants: None,
            created_ms: 0,
            last_used_ms: 0,
        })
    }

    fn linked(id: Uuid, backend: &str) -> Operation {
        Operation::PutLink(link::Model {
            session_id: Uuid::from_u128(1),
            mcp_session_id: id,
            backend: backend.to_owned(),
            revision: "2025-11-25".to_owned(),
            backend_session: None,
            discovery: "{}".to_owned(),
        })
    }

    fn count(operations: &[Operation]) -> usize {
        Together::gather(operations.iter()).map_or(0, |found| found.len())
    }

    #[test]
    fn changes_of_mcp_sessions_are_run_together_as_far_as_their_order_means_nothing() {
        let [one, two] = [2, 3].map(Uuid::from_u128);
        let delete = Operation::DeleteMcpSession;
        let whole = [
            put(one),
            delete(two),
            linked(one, "a"),
            linked(one, "b"),
            linked(Uuid::nil(), "a"),
            linked(Uuid::nil(), "b"),
            delete(one),
        ];
        assert_eq!(count(&whole), 7);
        assert_eq!(count(&whole[..1]), 0, "one alone is not several");
        for (cut, why) in [
            (delete(one), "it is deleted already"),
            (put(one), "it would be deleted"),
            (linked(one, "c"), "it has no place any more"),
            (linked(Uuid::nil(), "a"), "the later one counts"),
            (delete(Uuid::nil()), "that has no row"),
            (Operation::DeleteSession(one), "that is another matter"),
        ] {
            let mut operations = vec![put(one), delete(one), linked(Uuid::nil(), "a")];
            operations.extend([cut, put(two)]);
            assert_eq!(count(&operations), 3, "{why}");
        }
    }
}
