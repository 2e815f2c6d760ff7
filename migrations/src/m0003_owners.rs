//! Whose a session is; nobody's, where it was made while callers were not authenticated.

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
        let owner = Table::alter()
            .table(Sessions::Table)
            .add_column(ColumnDef::new(Sessions::Owner).text())
            .to_owned();
        manager.alter_table(owner).await?;
        // A caller's own sessions are listed in the order of their ids.
        let by_owner = Index::create()
            .name("sessions_by_owner")
            .table(Sessions::Table)
            .col(Sessions::Owner)
            .col(Sessions::Id)
            .to_owned();
        manager.create_index(by_owner).await
    }
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    Id,
    Owner,
}
