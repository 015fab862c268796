//! Accounts in PostgreSQL. A call is one prepared statement on a pooled connection, and answers once it has
//! committed.

use std::future::Future;
use std::io::{self, Write as _};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::demo;
use crate::store::{Alert, Credit, ErrorCode, Funds, Offer, Play, Redeemed, Refusal, Store, new_token};

/// Tables and functions.
const SCHEMA: &str = include_str!("postgres.sql");

/// How often tokens are let go that nobody has redeemed.
const SWEEP: Duration = Duration::from_secs(60);

/// What the functions answer: a code, and cash and version where they may be told.
type Row = (i32, Option<i64>, Option<i64>);

/// The store.
#[derive(Clone, Debug)]
pub struct Postgres {
    pool: PgPool,
}

impl Postgres {
    /// Connects, and fills an empty database with the demo's accounts.
    ///
    /// # Errors
    /// A sentence: no database, or one that is not empty.
    pub async fn open(url: &str, connections: u32, players: u32) -> Result<Self, String> {
        let failed = |error: sqlx::Error| format!("the database {url}: {error}");
        let options = PgConnectOptions::from_str(url).map_err(failed)?.application_name("axum-postgres");
        let pool = PgPoolOptions::new()
            .min_connections(connections)
            .max_connections(connections)
            // A ping before each use would be a second round trip.
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(failed)?;
        let store = Self { pool };
        store.fill(players).await.map_err(failed)?;
        Ok(store)
    }

    async fn fill(&self, players: u32) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await?;
        sqlx::query(
            "INSERT INTO accounts (name, country, cash, version) \
             SELECT name, $1, $2, 1 FROM (VALUES ($3)) AS first (name) \
             UNION ALL SELECT $4 || '/player-' || lpad(n::text, greatest(6, length(n::text)), '0'), $1, $2, 1 \
             FROM generate_series(1, $5) AS n",
        )
        .bind(demo::COUNTRY)
        .bind(demo::CASH)
        .bind(demo::FIRST_ACCOUNT)
        .bind(demo::DOMAIN)
        .bind(i64::from(players))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO sessions (key, account) \
             SELECT CASE name WHEN $1 THEN $2 ELSE 'demo-' || split_part(name, '-', 2) END, id FROM accounts",
        )
        .bind(demo::FIRST_ACCOUNT)
        .bind(demo::FIRST_SESSION)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        // What a database that has been up for a while has behind it.
        sqlx::raw_sql("VACUUM (ANALYZE)").execute(&self.pool).await?;
        sqlx::raw_sql("CHECKPOINT").execute(&self.pool).await?;
        Ok(())
    }

    /// Lets tokens go that are past their time, for as long as it is polled.
    pub async fn sweep(self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            let swept = sqlx::query("DELETE FROM tokens WHERE expires_at <= now()").execute(&self.pool).await;
            if let Err(error) = swept {
                unanswered(&error);
            }
        }
    }

    /// Closes the connections once they are free.
    pub async fn close(self) {
        self.pool.close().await;
    }
}

/// What the platform is told of an error of the database; the log has the error itself.
fn unanswered(error: &sqlx::Error) -> Refusal {
    // Who reads this has nothing else to be told by.
    let _ = writeln!(io::stderr(), "axum-postgres: {error}");
    Refusal::bare(ErrorCode::UNKNOWN)
}

async fn funds(row: impl Future<Output = Result<Row, sqlx::Error>> + Send) -> Result<Funds, Refusal> {
    let (code, cash, version) = row.await.map_err(|error| unanswered(&error))?;
    let funds = cash.zip(version).map(|(cash, version)| Funds { cash, version });
    match (ErrorCode(code), funds) {
        (ErrorCode::SUCCESS, Some(funds)) => Ok(funds),
        (code, funds) => Err(Refusal { code, funds }),
    }
}

impl Store for Postgres {
    async fn balance(&self, account: &str) -> Result<Funds, Refusal> {
        let row: Option<(i64, i64)> = sqlx::query_as("SELECT cash, version FROM accounts WHERE name = $1")
            .bind(account)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| unanswered(&error))?;
        let (cash, version) = row.ok_or(Refusal::bare(ErrorCode::ACCOUNT_NOT_FOUND))?;
        Ok(Funds { cash, version })
    }

    async fn create_token(&self, account: &str, has_game: bool) -> Result<String, Refusal> {
        let token = new_token()?;
        let row: Option<(i64, i64)> = sqlx::query_as(
            "WITH found AS ( \
                 SELECT a.id, a.cash, a.version, s.key FROM accounts a JOIN sessions s ON s.account = a.id \
                 WHERE a.name = $1 ORDER BY s.number DESC LIMIT 1 \
             ), minted AS ( \
                 INSERT INTO tokens SELECT $2, id, key, now() + interval '60 s' FROM found WHERE $3 \
             ) \
             SELECT cash, version FROM found",
        )
        .bind(account)
        .bind(&token)
        .bind(has_game)
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| unanswered(&error))?;
        match row {
            None => Err(Refusal::bare(ErrorCode::ACCOUNT_NOT_FOUND)),
            Some((cash, version)) if !has_game => {
                Err(Refusal::with(ErrorCode::GAME_NOT_FOUND, Funds { cash, version }))
            }
            Some(_) => Ok(token),
        }
    }

    async fn redeem_token(&self, token: &str) -> Result<Redeemed, Refusal> {
        let row: Option<(String, String, String)> = sqlx::query_as(
            "WITH used AS ( \
                 DELETE FROM tokens WHERE token = $1 AND expires_at > now() RETURNING account, session \
             ) \
             SELECT a.name, used.session, a.country FROM used JOIN accounts a ON a.id = used.account",
        )
        .bind(token)
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| unanswered(&error))?;
        let (account, session, country) = row.ok_or(Refusal::bare(ErrorCode::SESSION_NOT_FOUND))?;
        Ok(Redeemed { account, session, country })
    }

    async fn play(&self, play: &Play<'_>) -> Result<Funds, Refusal> {
        let row = sqlx::query_as("SELECT * FROM play($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
            .bind(play.kind as i16)
            .bind(play.account)
            .bind(play.session)
            .bind(play.round)
            .bind(play.transaction)
            .bind(play.original)
            .bind(play.amount)
            .bind(play.starts)
            .bind(play.ends)
            .bind(play.offer.in_currency)
            .bind(play.offer.has_game);
        funds(row.fetch_one(&self.pool)).await
    }

    async fn end(&self, account: &str, round: &str, offer: Offer) -> Result<Funds, Refusal> {
        let row = sqlx::query_as("SELECT * FROM end_round($1, $2, $3, $4)")
            .bind(account)
            .bind(round)
            .bind(offer.in_currency)
            .bind(offer.has_game);
        funds(row.fetch_one(&self.pool)).await
    }

    async fn credit(&self, credit: &Credit<'_>) -> Result<Funds, Refusal> {
        let row = sqlx::query_as("SELECT * FROM credit($1, $2, $3, $4)")
            .bind(credit.account)
            .bind(credit.transaction)
            .bind(credit.amount)
            .bind(credit.in_currency);
        funds(row.fetch_one(&self.pool)).await
    }

    async fn alert(&self, alert: &Alert<'_>) -> Result<Funds, Refusal> {
        let row: Option<(i64, i64)> = sqlx::query_as(
            "WITH found AS (SELECT id, cash, version FROM accounts WHERE name = $1), \
             noted AS (INSERT INTO alerts SELECT id, $2, $3 FROM found) \
             SELECT cash, version FROM found",
        )
        .bind(alert.account)
        .bind(alert.action)
        .bind(alert.details)
        .fetch_optional(&self.pool)
        .await
        .map_err(|error| unanswered(&error))?;
        let (cash, version) = row.ok_or(Refusal::bare(ErrorCode::ACCOUNT_NOT_FOUND))?;
        Ok(Funds { cash, version })
    }
}
