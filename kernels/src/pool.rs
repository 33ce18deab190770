//! Threads that share the items of a slice (feature `std`).
//!
//! Audited unsafe: workers see a caller's slice through a raw pointer. What keeps that sound:
//!
//! - an item is claimed by one compare-and-swap on a word that holds the job's number, how many items it has and how many
//!   are claimed, so that nobody gets an item twice or one of an older job;
//! - the caller returns only when every item is done, and the word says "all claimed" from then on, so that no worker
//!   touches the slice afterwards;
//! - a worker that panics ends the process: nobody can be left waiting for its item.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::vec::Vec;

/// Rounds of waiting before a worker sleeps (about a tenth of a millisecond), so that it is awake for the next step of a
/// run and costs nothing between runs.
const PATIENCE: usize = 8_000;
/// Bits of the count of items, and of the count of claimed ones.
const BITS: u32 = 16;
const MASK: u64 = (1 << BITS) - 1;
/// The number of a job that tells the workers to end.
const END: u64 = u64::MAX >> (2 * BITS);

/// What the workers do to an item.
#[derive(Clone, Copy)]
struct Job {
    call: unsafe fn(*const (), *mut (), usize),
    function: *const (),
    items: *mut (),
}

struct Shared {
    /// Number of the job, items, claimed items.
    state: AtomicU64,
    /// Items that are not done.
    left: AtomicUsize,
    job: UnsafeCell<Job>,
    /// Workers that have started.
    started: AtomicUsize,
    sleeping: AtomicUsize,
    /// Runs that are going on: meanwhile nobody sleeps.
    runs: AtomicUsize,
    bed: Mutex<()>,
    bell: Condvar,
}

// SAFETY: `job` is written by the caller alone while no item is claimable, and read by those that hold a claimed item;
// its pointers stand for a slice of `Send` items and a function pointer.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// Threads beside the caller's own. They sleep while nothing is to be done.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// One job at a time.
    turn: Mutex<u64>,
}

/// Ends the process where the worker unwinds.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        std::process::abort();
    }
}

fn word(job: u64, items: usize) -> u64 {
    job << (2 * BITS) | (items as u64 & MASK) << BITS
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Shared {
    /// Claims an item of the current job; `Err` is the state where there is none.
    fn claim(&self) -> Result<usize, u64> {
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            let (items, claimed) = (state >> BITS & MASK, state & MASK);
            if claimed >= items {
                return Err(state);
            }
            match self.state.compare_exchange_weak(state, state + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(claimed as usize),
                Err(now) => state = now,
            }
        }
    }

    /// Does every item that it can claim.
    fn help(&self) -> u64 {
        loop {
            let index = match self.claim() {
                Ok(index) => index,
                Err(state) => return state,
            };
            // SAFETY: the caller waits for this item, so the job stands; nobody else has this index.
            unsafe {
                let Job { call, function, items } = *self.job.get();
                call(function, items, index);
            }
            self.left.fetch_sub(1, Ordering::Release);
        }
    }

    fn work(&self) {
        let guard = Guard;
        self.started.fetch_add(1, Ordering::Release);
        loop {
            let seen = self.help();
            if seen >> (2 * BITS) == END {
                break;
            }
            self.wait(seen);
        }
        core::mem::forget(guard);
    }

    /// Waits until the state is another one: awake for a while and as long as a run goes on, then asleep.
    fn wait(&self, seen: u64) {
        let mut rounds = 0;
        while rounds < PATIENCE || self.runs.load(Ordering::Relaxed) > 0 {
            if self.state.load(Ordering::Acquire) != seen {
                return;
            }
            core::hint::spin_loop();
            rounds += 1;
        }
        let mut bed = lock(&self.bed);
        self.sleeping.fetch_add(1, Ordering::SeqCst);
        while self.state.load(Ordering::SeqCst) == seen && self.runs.load(Ordering::SeqCst) == 0 {
            bed = self.bell.wait(bed).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        self.sleeping.fetch_sub(1, Ordering::SeqCst);
    }

    /// Publishes a state and wakes who sleeps.
    fn publish(&self, state: u64) {
        self.state.store(state, Ordering::SeqCst);
        self.wake();
    }

    /// Wakes who sleeps.
    fn wake(&self) {
        if self.sleeping.load(Ordering::SeqCst) > 0 {
            drop(lock(&self.bed));
            self.bell.notify_all();
        }
    }
}

impl Pool {
    /// A pool of `threads` threads, the caller's own counted. All of them have started when it returns, so that none
    /// allocates later.
    ///
    /// # Errors
    /// The operating system gives no more threads.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        unsafe fn nothing(_: *const (), _: *mut (), _: usize) {}
        let job = Job { call: nothing, function: core::ptr::null(), items: core::ptr::null_mut() };
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            left: AtomicUsize::new(0),
            job: UnsafeCell::new(job),
            started: AtomicUsize::new(0),
            sleeping: AtomicUsize::new(0),
            runs: AtomicUsize::new(0),
            bed: Mutex::new(()),
            bell: Condvar::new(),
        });
        let mut pool = Self { shared, workers: Vec::new(), turn: Mutex::new(0) };
        for _ in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let worker = std::thread::Builder::new().name("ocellus".into()).spawn(move || shared.work())?;
            pool.workers.push(worker);
        }
        while pool.shared.started.load(Ordering::Acquire) < pool.workers.len() {
            std::thread::yield_now();
        }
        Ok(pool)
    }

    /// Threads, the caller's own counted.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// A run of many calls of [`Pool::each`] begins: the workers wake, and stay awake until as many runs have ended.
    pub fn begin(&self) {
        self.shared.runs.fetch_add(1, Ordering::SeqCst);
        self.shared.wake();
    }

    /// A run ends.
    pub fn end(&self) {
        // One that has not begun is not counted.
        let _ = self.shared.runs.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |runs| runs.checked_sub(1));
    }

    /// Calls `f` on every item and returns when all calls have; calls may run at once, and in any order. No allocation.
    /// Called from within `f` it would wait for itself.
    pub fn each<T: Send>(&self, items: &mut [T], f: fn(&mut T)) {
        unsafe fn one<T>(function: *const (), items: *mut (), index: usize) {
            // SAFETY: `function` is the `fn(&mut T)` that this `one::<T>` was published with.
            let f = unsafe { core::mem::transmute::<*const (), fn(&mut T)>(function) };
            // SAFETY: `index` is below the length of the slice behind `items`, and claimed by this thread alone.
            f(unsafe { &mut *items.cast::<T>().add(index) });
        }
        for items in items.chunks_mut(MASK as usize) {
            let mut turn = lock(&self.turn);
            // The number of a job comes again after 2^32 of them: a worker does not sleep between reading and claiming.
            *turn = (*turn + 1) % END;
            // SAFETY: no item is claimable and none is being done, so nobody reads the job.
            unsafe {
                *self.shared.job.get() =
                    Job { call: one::<T>, function: f as *const (), items: items.as_mut_ptr().cast() }
            };
            self.shared.left.store(items.len(), Ordering::Release);
            self.shared.publish(word(*turn, items.len()));
            self.shared.help();
            let mut rounds = 0;
            while self.shared.left.load(Ordering::Acquire) > 0 {
                // The others are at their last items, unless they had to give up their core.
                rounds += 1;
                if rounds > PATIENCE { std::thread::yield_now() } else { core::hint::spin_loop() }
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.publish(word(END, 0));
        for worker in self.workers.drain(..) {
            // A worker that panicked has ended the process.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_stay_awake_in_a_run_and_sleep_after_it() {
        let pool = Pool::new(3).unwrap();
        let asleep = || {
            let start = std::time::Instant::now();
            while pool.shared.sleeping.load(Ordering::SeqCst) < 2 && start.elapsed().as_secs() < 20 {
                std::thread::yield_now();
            }
            pool.shared.sleeping.load(Ordering::SeqCst)
        };
        assert_eq!(asleep(), 2);
        pool.begin();
        let start = std::time::Instant::now();
        while pool.shared.sleeping.load(Ordering::SeqCst) > 0 && start.elapsed().as_secs() < 20 {
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_eq!(pool.shared.sleeping.load(Ordering::SeqCst), 0);
        let mut items = [1; 9];
        pool.each(&mut items, |item| *item += 1);
        assert_eq!(items, [2; 9]);
        pool.end();
        assert_eq!(asleep(), 2);
        pool.end();
        assert_eq!(asleep(), 2);
    }

    #[test]
    fn every_item_is_done_once() {
        for threads in [1, 2, 3, 8] {
            let pool = Pool::new(threads).unwrap();
            assert_eq!(pool.threads(), threads);
            for round in 0..300usize {
                let mut items: Vec<usize> = (0..round % 40).collect();
                pool.each(&mut items, |item| *item = *item * 3 + 1);
                assert!(items.iter().enumerate().all(|(k, &item)| item == k * 3 + 1), "{threads} {round}");
            }
        }
    }

    #[test]
    fn a_pool_that_slept_wakes() {
        let pool = Pool::new(3).unwrap();
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let mut items = [1u32; 64];
            pool.each(&mut items, |item| *item += 1);
            assert_eq!(items, [2; 64]);
        }
    }

    #[test]
    fn several_callers_take_turns() {
        let pool = Pool::new(2).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let mut items = [5u64; 9];
                        pool.each(&mut items, |item| *item *= 2);
                        assert_eq!(items, [10; 9]);
                    }
                });
            }
        });
    }
}
