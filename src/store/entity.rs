//! The tables, as the migrations made them. Rows only: no decision is made here.

/// Table `sessions`.
pub(super) mod session {
    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, DeriveEntityModel)]
    #[sea_orm(table_name = "sessions")]
    pub(in crate::store) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: Option<String>,
        pub naming: String,
        pub created_ms: i64,
        pub last_used_ms: i64,
        pub owner: Option<String>,
        /// For how long it lives unused; null for as long as the gateway says.
        pub idle_expiry_ms: Option<i64>,
    }

    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub(in crate::store) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Table `session_servers`: the backends of a session, in `position`'s order.
pub(super) mod server {
    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, DeriveEntityModel)]
    #[sea_orm(table_name = "session_servers")]
    pub(in crate::store) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub session_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub backend: String,
        pub position: i32,
        /// Sealed.
        pub credential: Option<Vec<u8>>,
        /// JSON: which of its tools are offered; null for all.
        pub tools: Option<String>,
    }

    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub(in crate::store) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Table `mcp_sessions`.
pub(super) mod mcp_session {
    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, DeriveEntityModel)]
    #[sea_orm(table_name = "mcp_sessions")]
    pub(in crate::store) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub session_id: Uuid,
        pub revision: String,
        /// JSON.
        pub client_info: Option<String>,
        /// JSON.
        pub capabilities: Option<String>,
        /// JSON.
        pub wants: Option<String>,
        pub created_ms: i64,
        pub last_used_ms: i64,
    }

    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub(in crate::store) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Table `links`: what a connection learned. The nil UUID is the default MCP session.
pub(super) mod link {
    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, DeriveEntityModel)]
    #[sea_orm(table_name = "links")]
    pub(in crate::store) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub session_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub mcp_session_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub backend: String,
        pub revision: String,
        /// Sealed: the fingerprint of its provider, a line break, and the backend's own MCP session if there is one.
        pub backend_session: Option<Vec<u8>>,
        /// JSON.
        pub discovery: String,
    }

    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub(in crate::store) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
