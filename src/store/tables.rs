//! How much is in each table, for who looks at a store without its content.

use super::{Store, StoreError};

impl Store {
    /// The tables by name, each with its number of rows. Counting reads all of them.
    pub fn tables(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.read("tables", |view| {
            let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
            let mut names = view.prepare(sql)?;
            let names = names.query_map([], |row| row.get::<_, String>(0))?;
            let count = |name: String| {
                let sql = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
                let rows = view.query_row(&sql, [], |row| row.get(0))?;
                Ok((name, rows))
            };
            names.map(|name| name.and_then(count)).collect()
        })
    }
}

/// Of the SQLite that is built in.
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}
