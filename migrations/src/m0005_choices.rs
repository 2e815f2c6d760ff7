//! What a session chose for itself: which tools of a server it offers, and for how long it lives unused.

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
        let tools = Table::alter()
            .table(SessionServers::Table)
            .add_column(ColumnDef::new(SessionServers::Tools).text())
            .to_owned();
        manager.alter_table(tools).await?;
        let idle_expiry = Table::alter()
            .table(Sessions::Table)
            .add_column(ColumnDef::new(Sessions::IdleExpiryMs).big_integer())
            .to_owned();
        manager.alter_table(idle_expiry).await?;
        // Those that have one are found without reading the others.
        let by_idle_expiry = Index::create()
            .name("sessions_by_idle_expiry")
            .table(Sessions::Table)
            .col(Sessions::IdleExpiryMs)
            .col(Sessions::LastUsedMs)
            .to_owned();
        manager.create_index(by_idle_expiry).await
    }
}

#[derive(DeriveIden)]
enum SessionServers {
    Table,
    Tools,
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    IdleExpiryMs,
    LastUsedMs,
}
