//! What an examination asks of a server: grants, accounts, durability. Reads only.

use mmm_proto::Span;

use super::session::{Deadline, column};
use super::{Server, ServerError, dialect};

impl Server {
    /// The grants of the account by which we came.
    pub(crate) async fn grants(&self, limit: Span) -> Result<Vec<String>, ServerError> {
        self.first_column("reading its own grants", dialect::GRANTS, limit).await
    }

    /// That account, as `'user'@'host'`.
    pub(crate) async fn current_user(&self, limit: Span) -> Result<String, ServerError> {
        let rows = self.first_column("asking who it is", dialect::CURRENT_USER, limit).await?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// Every account that writes under `read_only`.
    ///
    /// # Errors
    /// Also when the account does not see those of others.
    pub(crate) async fn bypasses(
        &self,
        old: bool,
        limit: Span,
    ) -> Result<Vec<String>, ServerError> {
        // Without this right the list below is short, and looks well.
        self.first_column("reading mysql.global_priv", dialect::SEES_ACCOUNTS, limit).await?;
        self.first_column("listing privileged accounts", dialect::bypasses(old), limit).await
    }

    /// `sync_binlog`, `innodb_flush_log_at_trx_commit`, semi-sync as source and as replica.
    pub(crate) async fn durability(&self, limit: Span) -> Result<[Option<String>; 4], ServerError> {
        let by = Deadline::after(limit);
        let mut session = self.session(by).await?;
        let rows = session.rows("reading its settings", dialect::DURABILITY, by).await?;
        self.keep(session);
        Ok([0, 1, 2, 3].map(|place| rows.first().and_then(|row| column(row, place))))
    }

    async fn first_column(
        &self,
        step: &str,
        sql: &str,
        limit: Span,
    ) -> Result<Vec<String>, ServerError> {
        let by = Deadline::after(limit);
        let mut session = self.session(by).await?;
        let rows = session.rows(step, sql, by).await;
        self.keep(session);
        Ok(rows?.iter().filter_map(|row| column(row, 0)).collect())
    }
}
