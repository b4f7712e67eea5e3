//! Who shares a query, and with whom.

#![expect(clippy::disallowed_methods, reason = "these tasks end with their test")]

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::*;

/// A database with one number in it, under every key.
#[derive(Clone, Default)]
struct Number(Arc<Table>);

struct Table {
    number: AtomicU64,
    /// A query goes on when there is a permit for it.
    gate: Option<Semaphore>,
    /// The keys of each query.
    queries: Mutex<Vec<Vec<u32>>>,
    /// A row that cannot be read.
    broken: Option<u32>,
    gone: AtomicBool,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            number: AtomicU64::new(0),
            gate: None,
            queries: Mutex::default(),
            broken: None,
            gone: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
        }
    }
}

impl Number {
    fn gated() -> Self {
        Self(Arc::new(Table {
            gate: Some(Semaphore::new(0)),
            ..Table::default()
        }))
    }

    fn open(&self, queries: usize) {
        self.0.gate.as_ref().unwrap().add_permits(queries);
    }

    fn queries(&self) -> Vec<Vec<u32>> {
        self.0.queries.lock().unwrap().clone()
    }

    async fn until(&self, queries: usize) {
        while self.queries().len() < queries {
            tokio::task::yield_now().await;
        }
    }
}

impl CoalescedQuery for Number {
    type Key = u32;
    type Value = u64;
    type Version = u64;

    async fn fetch(&self, keys: &[u32]) -> Result<Fetched<Self>> {
        let table = &*self.0;
        let version = table.number.load(Ordering::SeqCst);
        let now = table.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        table.most_under_way.fetch_max(now, Ordering::SeqCst);
        // A statement sees what was committed when it begins, however long its answer takes.
        let number = table.number.load(Ordering::SeqCst);
        table.queries.lock().unwrap().push(keys.to_vec());
        if let Some(gate) = &table.gate {
            gate.acquire().await.unwrap().forget();
        } else {
            tokio::task::yield_now().await;
        }
        table.under_way.fetch_sub(1, Ordering::SeqCst);
        if table.gone.load(Ordering::SeqCst) {
            return Err(Fault::Unavailable {
                reason: "gone".to_owned(),
                retry_after: 5,
            });
        }
        if table.broken.is_some_and(|broken| keys.contains(&broken)) {
            return Err(Fault::Internal("broken".to_owned()));
        }
        let found = keys.iter().map(|key| (*key, number));
        Ok((version, found.collect()))
    }
}

fn coalescer(number: &Number) -> Arc<QueryCoalescer<Number>> {
    Arc::new(QueryCoalescer::new(number.clone(), &Tasks::new(), 2, 8))
}

async fn waiting(coalescer: &QueryCoalescer<Number>, count: usize) {
    while coalescer.0.state().waiting.len() < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn requests_during_queries_share_the_next_query() {
    let number = Number::gated();
    let coalescer = coalescer(&number);
    let mut asked = JoinSet::new();
    for key in 0..2 {
        let coalescer = Arc::clone(&coalescer);
        asked.spawn(async move { coalescer.ask(key).await });
        number.until(usize::try_from(key).unwrap() + 1).await;
    }
    assert_eq!(number.queries(), [vec![0], vec![1]], "each at once");
    // What is committed now, those two need not see. Those who come now must.
    number.0.number.store(7, Ordering::SeqCst);
    let mut late = JoinSet::new();
    for key in [5, 6, 5, 1, 7] {
        let coalescer = Arc::clone(&coalescer);
        late.spawn(async move { coalescer.ask(key).await });
    }
    waiting(&coalescer, 5).await;
    assert_eq!(number.queries().len(), 2);
    number.open(1);
    number.until(3).await;
    let mut shared = number.queries()[2].clone();
    shared.sort_unstable();
    assert_eq!(shared, [1, 5, 6, 7], "each key once");
    number.open(2);
    while let Some(answer) = asked.join_next().await {
        assert_eq!(answer.unwrap().unwrap().found, Some(0));
    }
    while let Some(answer) = late.join_next().await {
        let seven = VersionedValue {
            version: 7,
            found: Some(7),
        };
        assert_eq!(answer.unwrap().unwrap(), seven);
    }
    assert_eq!(coalescer.0.state().free, 2);
}

/// The rule itself, in many orders: no answer is older than its question.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_is_read_after_its_request_arrived() {
    let number = Number::default();
    let coalescer = coalescer(&number);
    let mut asked = JoinSet::new();
    for asker in 0..24_u32 {
        let (number, coalescer) = (number.clone(), Arc::clone(&coalescer));
        asked.spawn(async move {
            for round in 0..400 {
                if (asker + round) % 5 == 0 {
                    number.0.number.fetch_add(1, Ordering::SeqCst);
                }
                let before = number.0.number.load(Ordering::SeqCst);
                let answer = coalescer.ask((asker + round) % 12).await.unwrap();
                let found = answer.found.unwrap();
                assert!(found >= before, "{found} is older than {before}");
                assert!(answer.version <= found, "the version is taken before");
            }
        });
    }
    while let Some(done) = asked.join_next().await {
        done.unwrap();
    }
    let queries = number.queries();
    assert!(queries.len() < 24 * 400, "some were shared");
    assert!(queries.iter().all(|keys| keys.len() <= 8));
    assert!(number.0.most_under_way.load(Ordering::SeqCst) <= 2);
    assert_eq!(coalescer.0.state().free, 2);
}

#[tokio::test]
async fn cancelled_request_does_not_block_the_others() {
    let number = Number::gated();
    let coalescer = coalescer(&number);
    let ask = |key| {
        let coalescer = Arc::clone(&coalescer);
        tokio::spawn(async move { coalescer.ask(key).await })
    };
    let first = [ask(0), ask(1)];
    number.until(2).await;
    let (gone, stays) = (ask(2), ask(3));
    waiting(&coalescer, 2).await;
    gone.abort();
    for asker in first {
        asker.abort();
        assert!(asker.await.unwrap_err().is_cancelled());
    }
    number.open(1);
    assert_eq!(stays.await.unwrap().unwrap().found, Some(0));
    // The place is given back a moment after the answer.
    while coalescer.0.state().free < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn unreadable_row_fails_only_its_own_request() {
    let number = Number(Arc::new(Table {
        broken: Some(4),
        gate: Some(Semaphore::new(0)),
        ..Table::default()
    }));
    let coalescer = coalescer(&number);
    let ask = |key| {
        let coalescer = Arc::clone(&coalescer);
        tokio::spawn(async move { coalescer.ask(key).await })
    };
    let first = [ask(0), ask(1)];
    number.until(2).await;
    let (good, bad) = (ask(3), ask(4));
    waiting(&coalescer, 2).await;
    number.open(100);
    for asker in first {
        assert!(asker.await.unwrap().is_ok());
    }
    assert!(good.await.unwrap().is_ok());
    assert!(matches!(bad.await.unwrap(), Err(Fault::Internal(_))));
}

#[tokio::test]
async fn failed_query_fails_all_requests_that_wait_for_it() {
    let number = Number::gated();
    number.0.gone.store(true, Ordering::SeqCst);
    let coalescer = coalescer(&number);
    let ask = |key| {
        let coalescer = Arc::clone(&coalescer);
        tokio::spawn(async move { coalescer.ask(key).await })
    };
    let first = [ask(0), ask(1)];
    number.until(2).await;
    let late = [ask(2), ask(3), ask(4)];
    waiting(&coalescer, 3).await;
    number.open(3);
    for asker in first.into_iter().chain(late) {
        assert!(matches!(
            asker.await.unwrap(),
            Err(Fault::Unavailable { .. })
        ));
    }
    assert_eq!(number.queries().len(), 3);
}
