//! The same for each of some shards, on threads.

use std::thread::{Builder, scope};

/// Runs this for each of `items`, on a thread of its own where the system has one, and here where it has none: one after the
/// other takes longer, and comes to the same.
///
/// # Panics
/// Where one of them panics.
pub(crate) fn each<T: Sync, R: Send>(items: &[T], run: impl Fn(usize, &T) -> R + Sync) -> Vec<R> {
    let run = &run;
    scope(|scope| {
        let start = |(at, item)| (at, item, Builder::new().spawn_scoped(scope, move || run(at, item)));
        let threads: Vec<_> = items.iter().enumerate().map(start).collect();
        let joined = threads.into_iter().map(|(at, item, thread)| match thread {
            Ok(thread) => thread.join().expect("no thread of these panics"),
            Err(_) => run(at, item),
        });
        joined.collect()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_comes_of_each_is_in_their_order() {
        let items: Vec<usize> = (0..40).collect();
        let found = super::each(&items, |at, item| (at, item * 10));
        assert!(found.iter().enumerate().all(|(at, is)| *is == (at, at * 10)), "{found:?}");
        assert_eq!((found.len(), super::each(&[(); 0], |_, ()| ()).len()), (40, 0));
    }
}
