//! What a client wants to hear besides its answers: it is told so after a restart, too.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait must find the signature as the trait has it"
)]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let wants = Table::alter()
            .table(McpSessions::Table)
            .add_column(ColumnDef::new(McpSessions::Wants).text())
            .to_owned();
        manager.alter_table(wants).await
    }
}

#[derive(DeriveIden)]
enum McpSessions {
    Table,
    Wants,
}
