use super::*;
use rkyv::rancor::Error;

/// What version 0.1.0 stored, and what is read of it.
#[track_caller]
fn check(entry: Entry<'_>, expect: &Result<Change<'_>, Invalid>) {
    let receipt = Receipt { code: -7, cash: amount(100).unwrap(), version: 3, session_used_ms: 5 };
    let bytes = rkyv::to_bytes::<Error>(&Stored { receipt: StoredReceipt::new(&receipt), entry }).unwrap();
    let stored = rkyv::access::<ArchivedStored<'_>, Error>(&bytes).unwrap();
    assert_eq!(stored.change(), *expect);
    assert_eq!(stored.receipt(), Ok(receipt));
}

#[test]
fn settings() {
    let check = |count: usize, is_read: bool| {
        let names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        let stored = names.iter().map(|name| StoredDomain { name, currency: *b"GBP" });
        let entry = StoredSettings { session_idle_ms: 1, retention_ms: 2, domains: stored.collect() };
        let domains = names.iter().map(|name| DomainSettings {
            name: name.into(),
            currency: currency(b"GBP").unwrap(),
            calendar: None,
        });
        let expect = Settings {
            session_idle_ms: 1,
            retention_ms: 2,
            domains: domains.collect(),
            ..Settings::default()
        };
        let refused = Err("there are more domains than a configuration may have");
        let expect = if is_read { Ok(Change::Configure(expect)) } else { refused };
        super::tests::check(Entry::Configure(entry), &expect);
    };
    check(2, true);
    check(limits::DOMAINS_MAX, true);
    check(limits::DOMAINS_MAX + 1, false);
}
