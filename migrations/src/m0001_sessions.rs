//! The first schema: sessions and their backends, MCP sessions, and what connections learned.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait must find the signature as the trait has it"
)]
impl MigrationTrait for Migration {
    /// SQLite would otherwise keep half a schema when the process is killed in between.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(sessions()).await?;
        manager.create_table(session_servers()).await?;
        manager.create_table(mcp_sessions()).await?;
        manager.create_table(links()).await?;
        manager
            .create_index(index("mcp_sessions_of_session", McpSessions::SessionId))
            .await?;
        manager
            .create_index(index("mcp_sessions_by_use", McpSessions::LastUsedMs))
            .await?;
        let links_of_mcp_session = Index::create()
            .name("links_of_mcp_session")
            .table(Links::Table)
            .col(Links::McpSessionId)
            .to_owned();
        manager.create_index(links_of_mcp_session).await
    }
}

fn index(name: &str, column: McpSessions) -> IndexCreateStatement {
    Index::create()
        .name(name)
        .table(McpSessions::Table)
        .col(column)
        .to_owned()
}

fn sessions() -> TableCreateStatement {
    Table::create()
        .table(Sessions::Table)
        .col(ColumnDef::new(Sessions::Id).uuid().not_null().primary_key())
        .col(ColumnDef::new(Sessions::Name).text())
        .col(ColumnDef::new(Sessions::Naming).text().not_null())
        .col(ColumnDef::new(Sessions::CreatedMs).big_integer().not_null())
        .col(
            ColumnDef::new(Sessions::LastUsedMs)
                .big_integer()
                .not_null(),
        )
        .to_owned()
}

fn session_servers() -> TableCreateStatement {
    Table::create()
        .table(SessionServers::Table)
        .col(ColumnDef::new(SessionServers::SessionId).uuid().not_null())
        .col(ColumnDef::new(SessionServers::Backend).text().not_null())
        .col(
            ColumnDef::new(SessionServers::Position)
                .integer()
                .not_null(),
        )
        .col(ColumnDef::new(SessionServers::Credential).blob())
        .primary_key(
            Index::create()
                .col(SessionServers::SessionId)
                .col(SessionServers::Backend),
        )
        .foreign_key(&mut within_session(
            SessionServers::Table,
            SessionServers::SessionId,
        ))
        .to_owned()
}

fn mcp_sessions() -> TableCreateStatement {
    Table::create()
        .table(McpSessions::Table)
        .col(
            ColumnDef::new(McpSessions::Id)
                .uuid()
                .not_null()
                .primary_key(),
        )
        .col(ColumnDef::new(McpSessions::SessionId).uuid().not_null())
        .col(ColumnDef::new(McpSessions::Revision).text().not_null())
        .col(ColumnDef::new(McpSessions::ClientInfo).text())
        .col(ColumnDef::new(McpSessions::Capabilities).text())
        .col(
            ColumnDef::new(McpSessions::CreatedMs)
                .big_integer()
                .not_null(),
        )
        .col(
            ColumnDef::new(McpSessions::LastUsedMs)
                .big_integer()
                .not_null(),
        )
        .foreign_key(&mut within_session(
            McpSessions::Table,
            McpSessions::SessionId,
        ))
        .to_owned()
}

/// The default MCP session's links carry the nil UUID, so `mcp_session_id` cannot refer to
/// `mcp_sessions`: a column of a primary key holds no null in PostgreSQL.
fn links() -> TableCreateStatement {
    Table::create()
        .table(Links::Table)
        .col(ColumnDef::new(Links::SessionId).uuid().not_null())
        .col(ColumnDef::new(Links::McpSessionId).uuid().not_null())
        .col(ColumnDef::new(Links::Backend).text().not_null())
        .col(ColumnDef::new(Links::Revision).text().not_null())
        .col(ColumnDef::new(Links::BackendSession).blob())
        .col(ColumnDef::new(Links::Discovery).text().not_null())
        .primary_key(
            Index::create()
                .col(Links::SessionId)
                .col(Links::McpSessionId)
                .col(Links::Backend),
        )
        .foreign_key(&mut within_session(Links::Table, Links::SessionId))
        .to_owned()
}

/// A reference to `sessions`: what belongs to a session goes with it.
fn within_session<T, C>(table: T, column: C) -> ForeignKeyCreateStatement
where
    T: IntoTableRef,
    C: IntoIden,
{
    ForeignKey::create()
        .from(table, column)
        .to(Sessions::Table, Sessions::Id)
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    Id,
    Name,
    Naming,
    CreatedMs,
    LastUsedMs,
}

#[derive(DeriveIden)]
enum SessionServers {
    Table,
    SessionId,
    Backend,
    Position,
    Credential,
}

#[derive(DeriveIden)]
enum McpSessions {
    Table,
    Id,
    SessionId,
    Revision,
    ClientInfo,
    Capabilities,
    CreatedMs,
    LastUsedMs,
}

#[derive(DeriveIden)]
enum Links {
    Table,
    SessionId,
    McpSessionId,
    Backend,
    Revision,
    BackendSession,
    Discovery,
}
