//! A second wallet that keeps no round in memory that is not open: whatever a test asks is asked of it, too, and answered alike.

use std::collections::BTreeMap;

use super::*;
use crate::history::{PastLines, RoundName};
use crate::image::RoundImage;

/// What a round of the history is known by: account, platform, id, and its game where it is known by that.
type Key = (String, [u8; PlatformKey::BYTES], u8, String, Option<String>);

pub(super) struct Shadow {
    wallet: Wallet,
    history: BTreeMap<Key, RoundImage>,
    settings: Settings,
    /// The configuration of the wallet beside it.
    catalog: Option<Arc<Catalog>>,
    sequence: Sequence,
    journal: Vec<(Stamp, Operation<CompactString>, Receipt)>,
}

impl Shadow {
    pub(super) fn new(beside: &Wallet) -> Self {
        let known = beside.catalog.clone();
        let mut catalog = Catalog::clone(known.as_deref().expect("a wallet that serves"));
        catalog.hot_ms = 0;
        let wallet = Wallet::new(Arc::new(catalog));
        let (settings, history, journal) = (wallet.settings().clone(), BTreeMap::new(), Vec::new());
        Self { wallet, history, settings, catalog: known, sequence: 0, journal }
    }

    /// Whether a test has changed what the wallet beside it is configured by.
    pub(super) fn is_apart(&self, beside: &Wallet) -> bool {
        let is_same = match (&beside.catalog, &self.catalog) {
            (Some(is), Some(was)) => Arc::ptr_eq(is, was),
            _ => false,
        };
        !is_same || Settings { hot_ms: 0, ..beside.settings().clone() } != self.settings
    }

    /// A renewal was journaled.
    pub(super) fn journal_account_renewals(&mut self, now_ms: Millis, account: &AccountRef<&str>) {
        let mut renewals = Vec::new();
        self.wallet.journal_account_renewals(account, |operation, receipt| {
            renewals.push((operation.map(|text| CompactString::from(*text)), receipt));
        });
        renewals.into_iter().for_each(|(operation, receipt)| self.keep(now_ms, operation, receipt));
    }

    fn keep(&mut self, now_ms: Millis, operation: Operation<CompactString>, receipt: Receipt) {
        self.sequence += 1;
        self.journal.push((Stamp { now_ms, sequence: self.sequence }, operation, receipt));
    }

    fn apply(
        &mut self,
        now_ms: Millis,
        operation: &Operation<&str>,
    ) -> (Outcome<CompactString>, Option<Receipt>) {
        let stamp = Stamp { now_ms, sequence: self.sequence + 1 };
        let mut effect = Effect::default();
        let outcome = match operation {
            Operation::GetStatement(of) => {
                let mut past = PastLines::new(of, self.wallet.settings().forgotten_until(now_ms));
                let of_account = |(key, _): &(&Key, &RoundImage)| key.0 == of.account.id();
                self.history.iter().filter(of_account).for_each(|(_, round)| past.add(round).unwrap());
                self.wallet.statement_with(now_ms, of, past, &mut effect)
            }
            operation => self.wallet.apply(stamp, operation, &mut effect),
        };
        let outcome = self.wallet.resolve(outcome, operation).map(CompactString::from);
        if let Some(receipt) = effect.changed {
            self.keep(now_ms, operation.map(|text| CompactString::from(*text)), receipt);
        }
        (outcome, effect.changed)
    }

    /// Does a step. What it answers, and the receipt of its change.
    pub(super) fn step(
        &mut self,
        now_ms: Millis,
        operation: &Operation<&str>,
    ) -> (Outcome<CompactString>, Option<Receipt>) {
        let mut recalled = Vec::new();
        let has_by_game = self.history.values().any(|round| round.is_by_game());
        if let Some(name) = RoundName::of(operation)
            && self.wallet.may_be_in_history(now_ms, &name, has_by_game)
        {
            let of = |(key, round): &(&Key, &RoundImage)| key.0 == name.account.id() && name.is_of(round);
            let found: Vec<RoundImage> =
                self.history.iter().filter(of).map(|(_, round)| round.clone()).collect();
            recalled.extend(
                found.iter().filter_map(|round| self.wallet.take_in(now_ms, &name.account, round).unwrap()),
            );
        }
        if let Some(round) = self.wallet.changes_cold(now_ms, operation) {
            let account = AccountRef::new(operation.account_id().unwrap());
            let recall = Operation::RecallRound(operation::RecallRound { account, round });
            assert!(self.apply(now_ms, &recall).1.is_some(), "{recall:?}");
        }
        let done = self.apply(now_ms, operation);
        recalled.into_iter().for_each(|recalled| self.wallet.let_recalled_go(recalled));
        self.cool(now_ms);
        done
    }

    /// What is cold goes to the history, and leaves memory.
    fn cool(&mut self, now_ms: Millis) {
        for mut image in images(&self.wallet, now_ms) {
            for round in image.cool(now_ms, self.wallet.settings()) {
                let game = round.is_by_game().then(|| round.game.clone());
                self.history
                    .insert((image.id.clone(), round.platform, round.kind, round.id.clone(), game), round);
            }
        }
        self.wallet.set_in_history(self.wallet.settings().cold_until(now_ms));
        self.wallet.tidy(now_ms, usize::MAX);
        let stays = |image: &AccountImage| {
            image.rounds.iter().all(|round| {
                let is_large = round.transactions.len() > limits::HISTORY_TRANSACTIONS_MAX;
                round.is_open() || is_large || round.is_unclaimed()
            })
        };
        assert!(images(&self.wallet, now_ms).iter().all(stays), "what is cold has left memory");
    }

    /// Tells the story again from its journal, without the history.
    pub(super) fn retell(&mut self, now_ms: Millis) {
        let mut renewals = Vec::new();
        self.wallet.journal_renewals(Millis::MAX, usize::MAX, |operation, receipt| {
            renewals.push((operation.map(|text| CompactString::from(*text)), receipt));
        });
        renewals.into_iter().for_each(|(operation, receipt)| self.keep(now_ms, operation, receipt));
        let mut again = Wallet::to_replay();
        again.configure(0, &self.settings).unwrap();
        for (stamp, operation, receipt) in &self.journal {
            let replayed = again.replay(Rules::V2, *stamp, &operation.as_deref(), receipt);
            assert_eq!(replayed, Ok(()), "{operation:?}: {receipt:?}");
        }
        let cooled = |wallet: &Wallet| {
            let mut images = images(wallet, now_ms);
            images.iter_mut().for_each(|image| drop(image.cool(now_ms, wallet.settings())));
            images
        };
        assert_eq!(cooled(&again), cooled(&self.wallet), "from the journal, without the history");
    }
}
