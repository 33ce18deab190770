//! Threads that share the items of a slice (feature `std`).
//!
//! Every worker has a share of the items, its own ones, which it claims at once. What it has not claimed when the caller is
//! done with its own share, the caller does as well, so that nobody waits for a worker that has no core. Each cache line is
//! written by one side alone as long as nobody is late: a job costs one line there and one line back.
//!
//! Audited unsafe: workers see a caller's slice through a raw pointer. What keeps that sound:
//!
//! - a share is claimed by one compare-and-swap from an older job's number to this one's, so that nobody gets a share twice
//!   or one of an older job;
//! - the caller returns only when every share is done, and all of them are claimed from then on, so that no worker touches
//!   the slice or the job afterwards;
//! - who panics meanwhile ends the process: nobody can be left waiting for a share, or with a slice that is gone.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::vec::Vec;

/// Rounds of waiting before a worker sleeps (about a tenth of a millisecond), so that it is awake for the next step of a
/// run and costs nothing between runs.
const PATIENCE: usize = 8_000;
/// Rounds that the caller waits for a worker before it looks whether that has claimed its share.
const LATE: usize = 64;
/// Bits of the count of items.
const BITS: u32 = 16;
const MASK: u64 = (1 << BITS) - 1;
/// The number of a job that tells the workers to end.
const END: u64 = u64::MAX >> BITS;

/// What is done to the items.
#[derive(Clone, Copy)]
struct Job {
    call: unsafe fn(*const (), *mut (), usize),
    function: *const (),
    items: *mut (),
}

/// Lines of memory that nothing else lies in, and that are not fetched because of a neighbour.
#[repr(align(128))]
struct Apart<T>(T);

/// What the caller tells.
struct Told {
    /// Number of the job, and items.
    state: AtomicU64,
    job: UnsafeCell<Job>,
}

/// A worker's share of the items.
struct Share {
    /// The last job of which it has been claimed: by the worker, or by a caller that would have waited.
    claimed: Apart<AtomicU64>,
    /// The last job of which the worker is done with it.
    done: Apart<AtomicU64>,
}

struct Shared {
    told: Apart<Told>,
    shares: Vec<Share>,
    /// Workers that have started.
    started: AtomicUsize,
    sleeping: AtomicUsize,
    /// Runs that are going on: meanwhile nobody sleeps.
    runs: AtomicUsize,
    bed: Mutex<()>,
    bell: Condvar,
}

// SAFETY: `job` is written by the caller alone while every share is claimed and done, and read by those that claimed one;
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

/// Ends the process where a thread unwinds that others share a slice with.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        std::process::abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Share {
    /// Claims it of this job; false where somebody has.
    fn claim(&self, job: u64) -> bool {
        let last = self.claimed.0.load(Ordering::Relaxed);
        last < job && self.claimed.0.compare_exchange(last, job, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

impl Shared {
    /// Does the items of a share that has been claimed of the job that is told: every so many from this one on.
    ///
    /// # Safety
    /// The job stands until this returns, and nobody else does the share.
    unsafe fn run(&self, share: usize, items: usize) {
        // SAFETY: the caller's promise.
        let Job { call, function, items: first } = unsafe { *self.told.0.job.get() };
        let mut index = share;
        while index < items {
            // SAFETY: the caller's promise; the index is below the length of the slice.
            unsafe { call(function, first, index) };
            index = index.wrapping_add(self.shares.len()).wrapping_add(1);
        }
    }

    /// A worker, whose share begins with item `number`.
    fn work(&self, share: &Share, number: usize) {
        let guard = Guard;
        self.started.fetch_add(1, Ordering::Release);
        let mut seen = 0;
        loop {
            seen = self.wait(seen);
            let (job, items) = (seen >> BITS, (seen & MASK) as usize);
            if job == END {
                break;
            }
            if number < items && share.claim(job) {
                // SAFETY: the caller waits for this share, so the job stands; nobody else can claim it.
                unsafe { self.run(number, items) };
                share.done.0.store(job, Ordering::Release);
            }
        }
        core::mem::forget(guard);
    }

    /// Waits until the state is another one: awake for a while and as long as a run goes on, then asleep.
    fn wait(&self, seen: u64) -> u64 {
        let mut rounds = 0;
        while rounds < PATIENCE || self.runs.load(Ordering::Relaxed) > 0 {
            let state = self.told.0.state.load(Ordering::Acquire);
            if state != seen {
                return state;
            }
            core::hint::spin_loop();
            rounds += 1;
        }
        let mut bed = lock(&self.bed);
        self.sleeping.fetch_add(1, Ordering::SeqCst);
        while self.told.0.state.load(Ordering::SeqCst) == seen && self.runs.load(Ordering::SeqCst) == 0 {
            bed = self.bell.wait(bed).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        self.sleeping.fetch_sub(1, Ordering::SeqCst);
        self.told.0.state.load(Ordering::Acquire)
    }

    /// Publishes a state and wakes who sleeps.
    fn publish(&self, job: u64, items: usize) {
        self.told.0.state.store(job << BITS | (items as u64 & MASK), Ordering::SeqCst);
        self.wake();
    }

    /// Wakes who sleeps.
    fn wake(&self) {
        if self.sleeping.load(Ordering::SeqCst) > 0 {
            drop(lock(&self.bed));
            self.bell.notify_all();
        }
    }

    /// Waits until a worker is done with its share, or does it in its place.
    fn finish(&self, share: &Share, number: usize, job: u64, items: usize) {
        let mut rounds = 0;
        while share.done.0.load(Ordering::Acquire) != job {
            if rounds == LATE && share.claim(job) {
                // SAFETY: the job stands, and the worker can no longer claim this share.
                return unsafe { self.run(number, items) };
            }
            // The worker is at its last items, unless it had to give up its core.
            rounds += 1;
            if rounds > PATIENCE { std::thread::yield_now() } else { core::hint::spin_loop() }
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
        let number = || Apart(AtomicU64::new(0));
        let shared = Arc::new(Shared {
            told: Apart(Told { state: AtomicU64::new(0), job: UnsafeCell::new(job) }),
            shares: (1..threads).map(|_| Share { claimed: number(), done: number() }).collect(),
            started: AtomicUsize::new(0),
            sleeping: AtomicUsize::new(0),
            runs: AtomicUsize::new(0),
            bed: Mutex::new(()),
            bell: Condvar::new(),
        });
        let mut pool = Self { shared, workers: Vec::new(), turn: Mutex::new(0) };
        for number in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let work = move || {
                if let Some(share) = shared.shares.get(number.wrapping_sub(1)) {
                    shared.work(share, number);
                }
            };
            pool.workers.push(std::thread::Builder::new().name("ocellus".into()).spawn(work)?);
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
            // SAFETY: `index` is below the length of the slice behind `items`, and of a share that this thread alone has.
            f(unsafe { &mut *items.cast::<T>().add(index) });
        }
        for items in items.chunks_mut(MASK as usize) {
            let mut turn = lock(&self.turn);
            // There are jobs for years, one every microsecond.
            *turn += 1;
            let (shared, job, count) = (&*self.shared, *turn, items.len());
            // SAFETY: every share of the last job is done, and none can be claimed, so nobody reads the job.
            unsafe {
                *shared.told.0.job.get() =
                    Job { call: one::<T>, function: f as *const (), items: items.as_mut_ptr().cast() }
            };
            let guard = Guard;
            shared.publish(job, count);
            // SAFETY: the job stands, and no worker has the first share.
            unsafe { shared.run(0, count) };
            for (share, number) in shared.shares.iter().zip(1..count) {
                shared.finish(share, number, job, count);
            }
            core::mem::forget(guard);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.publish(END, 0);
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
