//! Operations that stand next to each other in a batch and are run together.
//!
//! The way to the database's thread and back is most of what a statement costs, however many rows it has. So those of one
//! kind become one statement, and statements go that way together.

use std::collections::{HashMap, HashSet};

use sea_orm::{ConnectionTrait, DbBackend, QueryTrait, Statement};
use uuid::Uuid;

use super::{
    entity::{link, mcp_session},
    error::StoreError,
    operation::{self, Creation, Operation},
};

/// The operations that a batch begins with and that can be run together, one or more.
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
    /// Gathers them; `None` where there are none.
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
        (found.len() > 0).then_some(found)
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

    /// What runs them, in this order; `None` where something is to be looked for between.
    pub(super) fn statements(&self, backend: DbBackend) -> Option<Vec<Statement>> {
        match self {
            Self::Creations(creations) => Some(creating(creations, backend)),
            Self::McpSessions(it) if it.linked.is_empty() => Some(it.changing(backend)),
            Self::McpSessions(_) => None,
        }
    }

    /// Runs them. After an error the transaction may hold a part of them: roll back.
    pub(super) async fn run(&self, database: &impl ConnectionTrait) -> Result<(), StoreError> {
        let backend = database.get_database_backend();
        let statements = match self {
            Self::Creations(creations) => creating(creations, backend),
            Self::McpSessions(it) if it.linked.is_empty() => it.changing(backend),
            Self::McpSessions(it) => it.link(database).await?,
        };
        database.execute_raw(joined(statements, backend)).await?;
        Ok(())
    }
}

impl<'a> McpSessions<'a> {
    /// Puts those that are new, sees that all that are linked are there, and gives what is left to be run.
    async fn link(&self, database: &impl ConnectionTrait) -> Result<Vec<Statement>, StoreError> {
        let backend = database.get_database_backend();
        let putting = self.putting(backend);
        if !putting.is_empty() {
            database.execute_raw(joined(putting, backend)).await?;
        }
        if !operation::have_homes(&self.linked, database).await? {
            return Err(StoreError::Gone);
        }
        let mut left = vec![operation::putting_links(&self.linked).build(backend)];
        left.extend(self.deleting(backend));
        Ok(left)
    }

    /// What changes them where none is linked.
    fn changing(&self, backend: DbBackend) -> Vec<Statement> {
        let mut statements = self.putting(backend);
        statements.extend(self.deleting(backend));
        statements
    }

    fn putting(&self, backend: DbBackend) -> Vec<Statement> {
        let is_any = !self.put.is_empty();
        let putting = is_any.then(|| operation::putting_mcp_sessions(&self.put).build(backend));
        putting.into_iter().collect()
    }

    fn deleting(&self, backend: DbBackend) -> Vec<Statement> {
        if self.deleted.is_empty() {
            return Vec::new();
        }
        let (links, mcp_sessions) = operation::deleting_mcp_sessions(&self.deleted);
        vec![links.build(backend), mcp_sessions.build(backend)]
    }

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

fn creating(creations: &[Creation<'_>], backend: DbBackend) -> Vec<Statement> {
    let (sessions, servers) = operation::creating(creations);
    let servers = servers.map(|servers| servers.build(backend));
    [sessions.build(backend)]
        .into_iter()
        .chain(servers)
        .collect()
}

/// Several statements as one text, and their values one after the other, as SQLite takes them.
pub(super) fn joined(statements: Vec<Statement>, backend: DbBackend) -> Statement {
    let (mut texts, mut values) = (Vec::new(), Vec::new());
    for statement in statements {
        texts.push(statement.sql);
        values.extend(statement.values.into_iter().flat_map(|values| values.0));
    }
    Statement::from_sql_and_values(backend, texts.join("; "), values)
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
        assert_eq!(count(&whole[..1]), 1, "one alone, too");
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
