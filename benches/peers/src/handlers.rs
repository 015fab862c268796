//! A handler for each call (protocol §3, §4).

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;

use crate::demo;
use crate::gate::{App, Call};
use crate::money::Amount;
use crate::protocol::{self, Answer, Outcome, Split, Text};
use crate::store::{self, ErrorCode, Kind, Offer, Play, Refusal, Store};

/// The type of a deposit that was made elsewhere, which the wallet does not take.
const DEPOSIT_ELSEWHERE: &str = "811";

/// Bytes of a body (protocol §1).
const BODY_BYTES_MAX: usize = 64 * 1024;

type Done = Result<Answer, Refusal>;

/// The ten calls over a store.
pub(crate) fn router<S: Store>(store: S) -> Router {
    Router::new()
        .route("/v1.0/balance", post(balance::<S>))
        .route("/v1.0/session/createtoken", post(create_token::<S>))
        .route("/v1.0/session/redeemtoken", post(redeem_token::<S>))
        .route("/v1.0/gameround/placebet", post(place_bet::<S>))
        .route("/v1.0/gameround/awardwinnings", post(award_winnings::<S>))
        .route("/v1.0/gameround/rollbackbet", post(rollback_bet::<S>))
        .route("/v1.0/gameround/voidbet", post(void_bet::<S>))
        .route("/v1.0/gameround/end", post(end::<S>))
        .route("/v1.0/accounttransaction/credit", post(credit::<S>))
        .route("/v1.0/alertwalletcallbacknotification", post(alert::<S>))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(App::new(store))
}

async fn balance<S: Store>(State(app): State<Arc<App<S>>>, Call(call): Call<protocol::Balance>) -> Done {
    in_domain(&call.account)?;
    let funds = app.store.balance(&call.account).await?;
    if call.game.is_some_and(|game| &*game != demo::GAME) {
        return Err(Refusal::with(ErrorCode::GAME_NOT_FOUND, funds));
    }
    Ok(Answer::new(None, Some(funds)))
}

async fn create_token<S: Store>(
    State(app): State<Arc<App<S>>>,
    Call(call): Call<protocol::CreateToken>,
) -> Done {
    in_domain(&call.account)?;
    let token = app.store.create_token(&call.account, &*call.game == demo::GAME).await?;
    Ok(Answer::new(Some(Outcome::Token { token }), None))
}

async fn redeem_token<S: Store>(
    State(app): State<Arc<App<S>>>,
    Call(call): Call<protocol::RedeemToken>,
) -> Done {
    let store::Redeemed { account, session, country } = app.store.redeem_token(&call.token).await?;
    let redeemed = Outcome::Redeemed { account, currency: demo::CURRENCY, country, session };
    Ok(Answer::new(Some(redeemed), None))
}

async fn place_bet<S: Store>(State(app): State<Arc<App<S>>>, Call(call): Call<protocol::PlaceBet>) -> Done {
    let amount = minor_units(call.amount, &call.currency)?;
    let play = Play {
        kind: Kind::Bet,
        account: &call.account,
        session: Some(&call.session),
        round: &call.round,
        transaction: &call.transaction,
        original: None,
        amount,
        starts: call.starts,
        ends: call.ends,
        offer: offer(&call.currency, &call.game),
    };
    let funds = played(&app.store, &play).await?;
    Ok(done(call.transaction, Some(Split::cash(amount)), funds))
}

async fn award_winnings<S: Store>(
    State(app): State<Arc<App<S>>>,
    Call(call): Call<protocol::AwardWinnings>,
) -> Done {
    let play = Play {
        kind: Kind::Win,
        account: &call.account,
        session: call.session.key(),
        round: &call.round,
        transaction: &call.transaction,
        original: None,
        amount: minor_units(call.amount, &call.currency)?,
        starts: call.starts,
        ends: call.ends,
        offer: offer(&call.currency, &call.game),
    };
    let funds = played(&app.store, &play).await?;
    Ok(done(call.transaction, None, funds))
}

async fn rollback_bet<S: Store>(
    State(app): State<Arc<App<S>>>,
    Call(call): Call<protocol::RollbackBet>,
) -> Done {
    let play = Play {
        kind: Kind::Rollback,
        account: &call.account,
        session: call.session.key(),
        round: &call.round,
        transaction: &call.transaction,
        original: Some(&call.original),
        amount: minor_units(call.amount, &call.currency)?,
        starts: false,
        ends: call.ends,
        offer: offer(&call.currency, &call.game),
    };
    let funds = played(&app.store, &play).await?;
    Ok(done(call.transaction, None, funds))
}

async fn void_bet<S: Store>(State(app): State<Arc<App<S>>>, Call(call): Call<protocol::VoidBet>) -> Done {
    let play = Play {
        kind: Kind::Void,
        account: &call.account,
        session: call.session.key(),
        round: &call.round,
        transaction: &call.transaction,
        original: None,
        amount: minor_units(call.amount, &call.currency)?,
        starts: false,
        ends: call.ends,
        offer: offer(&call.currency, &call.game),
    };
    let funds = played(&app.store, &play).await?;
    Ok(done(call.transaction, None, funds))
}

async fn end<S: Store>(State(app): State<Arc<App<S>>>, Call(call): Call<protocol::End>) -> Done {
    in_domain(&call.account)?;
    let funds = app.store.end(&call.account, &call.round, offer(&call.currency, &call.game)).await?;
    Ok(Answer::new(None, Some(funds)))
}

async fn credit<S: Store>(State(app): State<Arc<App<S>>>, Call(call): Call<protocol::Credit>) -> Done {
    if &*call.kind == DEPOSIT_ELSEWHERE {
        return Err(Refusal::bare(ErrorCode::NOT_AUTHENTICATED));
    }
    let amount = minor_units(call.amount, &call.currency)?;
    in_domain(&call.account)?;
    let credit = store::Credit {
        account: &call.account,
        transaction: &call.transaction,
        amount,
        in_currency: &*call.currency == demo::CURRENCY,
    };
    let funds = app.store.credit(&credit).await?;
    Ok(done(call.transaction, None, funds))
}

async fn alert<S: Store>(State(app): State<Arc<App<S>>>, Call(call): Call<protocol::Alert>) -> Done {
    in_domain(&call.account)?;
    let details = serde_json::to_string(&call).map_err(|_| Refusal::bare(ErrorCode::UNKNOWN))?;
    let alert = store::Alert { account: &call.account, action: &call.action, details: &details };
    let funds = app.store.alert(&alert).await?;
    Ok(Answer::new(None, Some(funds)))
}

async fn played<S: Store>(store: &S, play: &Play<'_>) -> Result<store::Funds, Refusal> {
    in_domain(play.account)?;
    store.play(play).await
}

fn done(reference: Text<50>, split: Option<Split>, funds: store::Funds) -> Answer {
    Answer::new(Some(Outcome::Done { reference, split }), Some(funds))
}

fn offer(currency: &str, game: &str) -> Offer {
    Offer { in_currency: currency == demo::CURRENCY, has_game: game == demo::GAME }
}

/// The domain is known and served.
fn in_domain(account: &str) -> Result<(), Refusal> {
    match account.split_once('/') {
        Some((demo::DOMAIN, _)) => Ok(()),
        _ => Err(Refusal::bare(ErrorCode::ACCOUNT_NOT_FOUND)),
    }
}

/// An amount in minor units. What is in another currency is refused for that, further up the ladder.
fn minor_units(amount: Amount, currency: &str) -> Result<i64, Refusal> {
    match amount.minor_units() {
        Some(minor) => Ok(minor),
        None if currency != demo::CURRENCY => Ok(0),
        None => Err(Refusal::bare(ErrorCode::NOT_AUTHENTICATED)),
    }
}
