//! When sessions were last used, found without reading all of them.

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
        let by_use = Index::create()
            .name("sessions_by_use")
            .table(Sessions::Table)
            .col(Sessions::LastUsedMs)
            .to_owned();
        manager.create_index(by_use).await
    }
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    LastUsedMs,
}
