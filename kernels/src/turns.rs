//! Memory that threads share in turns.
//!
//! One thread leads. It says which parts of the memory the shares of a turn write, does the first share, and tells the next
//! turn, whether the others are done or not; whoever has done a share goes on with its share of the next turn when all shares
//! of this one are done. What a turn costs is therefore one cache line on its way between two cores. What no share of a turn
//! writes, all of them may read.
//!
//! Nobody waits for a thread that has no core: a share that has not been claimed in time is done by the leader.
//!
//! Audited unsafe: the memory is reached through a raw pointer, and what the leader tells through a cell. What keeps that
//! sound:
//!
//! - the parts of a turn are checked when it begins: inside the memory, and apart from each other. They come from the leader
//!   alone, and nobody reaches another byte to write;
//! - a share is claimed by one compare-and-swap from an older turn's number to this one's: it is done once, and its parts are
//!   given out once. They go back with the end of the share, as their lifetime says;
//! - a share begins when all shares of the turn before are done. The leader has the whole memory only between turns;
//! - what is told of a turn lies where nothing is written until all shares of the turn are done, and is read only by those that
//!   have claimed one. A second place takes the turn in between;
//! - no field is read before it is written: claims and numbers below their counts are, and [`Turns::within`] writes all others;
//! - what a share leaves is written by whoever does it, and read by the leader when all shares of the turn are done;
//! - who panics in a share ends the process.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::columns::Columns;

mod claims;
mod left;

pub use claims::Claim;
use claims::Matrices;
use left::Left;
pub use left::{Leave, MAX_LEFT};

/// The most parts of the memory that the shares of a turn write.
pub const MAX_CLAIMS: usize = 64;
/// The most shares that leave any, the first ones of a turn.
pub const LEAVING: usize = 2;
/// Rounds that the leader waits for a thread before it looks whether that has claimed its share.
const LATE: usize = 64;
/// Rounds of waiting before a thread lets others have its core (about a tenth of a millisecond).
const PATIENCE: usize = 2_000;
/// Bits of the number of shares.
const BITS: u32 = 8;
const MASK: usize = (1 << BITS) - 1;

/// Lines of memory that nothing else lies in, and that are not fetched because of a neighbour.
#[repr(align(128))]
struct Apart<T>(T);

/// What the leader tells of a turn.
#[repr(C)]
struct Told {
    note: [u32; 2],
    /// Shares of the turn before.
    before: u16,
    /// How many claims there are.
    count: u16,
    claims: [MaybeUninit<Claim>; MAX_CLAIMS],
}

/// Where turns are told, every other one here.
#[repr(C)]
struct Place {
    /// The number of the turn, and of its shares.
    turn: AtomicUsize,
    told: UnsafeCell<Told>,
}

/// A thread's share in all turns.
struct Seat {
    /// The last turn of which it has been claimed.
    claimed: Apart<AtomicUsize>,
    /// The last turn of which it is done.
    done: Apart<AtomicUsize>,
}

/// Memory that up to `N` threads share.
pub struct Turns<'a, const N: usize> {
    first: *mut u8,
    len: usize,
    places: [Apart<Place>; 2],
    seats: [Seat; N],
    left: [Apart<UnsafeCell<Left>>; LEAVING],
    /// Threads that help, or have helped.
    present: Apart<AtomicUsize>,
    led: AtomicBool,
    over: Apart<AtomicBool>,
    memory: PhantomData<&'a mut [u8]>,
}

// SAFETY: the memory is that of a mutable slice, which may be sent; who reaches what is said above.
unsafe impl<const N: usize> Send for Turns<'_, N> {}
// SAFETY: as above.
unsafe impl<const N: usize> Sync for Turns<'_, N> {}

/// Ends the process where a thread unwinds on whom others wait.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        #[cfg(feature = "std")]
        std::process::abort();
        #[cfg(not(feature = "std"))]
        loop {
            core::hint::spin_loop();
        }
    }
}

/// Waits a little, and longer where it has taken long.
fn pause(rounds: usize) {
    #[cfg(feature = "std")]
    if rounds > PATIENCE {
        return std::thread::yield_now();
    }
    let _ = (rounds, PATIENCE);
    core::hint::spin_loop();
}

/// A share of a turn, for whoever does it.
pub struct Share<'t> {
    first: *mut u8,
    len: usize,
    told: &'t Told,
    left: Option<&'t UnsafeCell<Left>>,
    turn: usize,
    /// Its number, and that of all shares.
    number: usize,
    of: usize,
}

/// What a share writes, part by part, with the place of each in the memory.
pub struct Own<'t> {
    first: *mut u8,
    claims: core::slice::Iter<'t, Claim>,
    number: u32,
}

impl<'t> Share<'t> {
    /// What the leader noted.
    pub fn note(&self) -> [u32; 2] {
        self.told.note
    }

    /// Its number among the shares, and how many those are.
    pub fn place(&self) -> (usize, usize) {
        (self.number, self.of)
    }

    fn claims(&self) -> &'t [Claim] {
        let all = self.told.claims.get(..usize::from(self.told.count)).unwrap_or_default();
        // SAFETY: so many have been written.
        unsafe { core::slice::from_raw_parts(all.as_ptr().cast(), all.len()) }
    }

    /// What this share writes; what nobody does in this turn, as pieces with their places, in order; and where it leaves
    /// what only the leader reads.
    pub fn parts(self) -> (Own<'t>, impl Iterator<Item = (usize, &'t [u8])>, Leave<'t>) {
        let Self { first, len, left, turn, .. } = self;
        let claims = self.claims();
        let own = Own { first, claims: claims.iter(), number: self.number as u32 };
        let ends = Matrices::new(claims).flatten().chain(core::iter::once((len, len)));
        let mut start = 0usize;
        let others = ends.map(move |(next, end)| {
            let count = next.wrapping_sub(start);
            // SAFETY: the matrices were found to lie inside the memory and one behind the other, so that these bytes are between
            // two of them, or at an end. No share of the turn writes them.
            let piece = (start, unsafe { core::slice::from_raw_parts(first.wrapping_add(start), count) });
            start = end;
            piece
        });
        (own, others, Leave { left, turn })
    }
}

impl<'t> Iterator for Own<'t> {
    type Item = (usize, Columns<'t>);

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.number;
        let claim = self.claims.find(|claim| claim.share == number)?;
        let start = claim.start as usize;
        let shape = [claim.rows, claim.pitch, claim.width].map(|n| n as usize);
        // SAFETY: the claim was found to lie inside the memory and apart from all others, and is given out here only: this
        // value comes from a share, which one thread has once.
        Some((start, unsafe { Columns::from_raw(self.first.wrapping_add(start), shape) }))
    }
}

impl<const N: usize> Turns<'_, N> {
    /// Claims share `number` of a turn; false where somebody has.
    fn claim(&self, number: usize, turn: usize) -> bool {
        let Some(Seat { claimed, .. }) = self.seats.get(number) else { return false };
        let last = claimed.0.load(Ordering::Relaxed);
        last < turn && claimed.0.compare_exchange(last, turn, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Whether share `number` of a turn is done, or there is none.
    fn is_done(&self, number: usize, turn: usize) -> bool {
        self.seats.get(number).is_none_or(|seat| seat.done.0.load(Ordering::Acquire) >= turn)
    }

    /// Does a share.
    ///
    /// # Safety
    /// The caller has claimed it, or leads and it is the first; all shares of the turn before are done.
    unsafe fn run(&self, number: usize, (turn, of): (usize, usize), work: &(impl Fn(Share<'_>) + ?Sized)) {
        let Some(place) = self.places.get(turn & 1) else { return };
        // SAFETY: what is told stays while a share is not done.
        let told = unsafe { &*place.0.told.get() };
        let left = self.left.get(number).map(|left| &left.0);
        work(Share { first: self.first, len: self.len, told, left, turn, number, of });
        if let Some(seat) = self.seats.get(number) {
            seat.done.0.store(turn, Ordering::Release);
        }
    }

    /// Does shares of the turns that another thread leads until that is done, or for a while nobody does: `work` is called on
    /// each.
    pub fn help(&self, work: &(impl Fn(Share<'_>) + ?Sized)) {
        let guard = Guard;
        let number = self.present.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut turn = 1usize;
        while let Some(of) = self.wait(turn) {
            // One turn after the other: of the last two that were told, either may still have this share.
            if number < of && self.claim(number, turn) {
                // SAFETY: what is told stays while this share is not done.
                let before = self.places.get(turn & 1).map_or(0, |place| unsafe { (*place.0.told.get()).before });
                for share in 1..usize::from(before) {
                    // Its own one too, which the leader may be doing.
                    let mut rounds = 0usize;
                    while !self.is_done(share, turn.wrapping_sub(1)) {
                        rounds = rounds.wrapping_add(1);
                        pause(rounds);
                    }
                }
                // SAFETY: claimed; the leader had done the first share of the turn before when it told this one, and the others
                // have been waited for.
                unsafe { self.run(number, (turn, of), work) };
            }
            turn = turn.wrapping_add(1);
        }
        core::mem::forget(guard);
    }

    /// Waits for this turn: the number of its shares, or 0 where it has passed. `None` where all is over, or nobody leads.
    fn wait(&self, turn: usize) -> Option<usize> {
        let place = self.places.get(turn & 1)?;
        let mut rounds = 0usize;
        loop {
            let told = place.0.turn.load(Ordering::Acquire);
            if told >> BITS >= turn {
                return Some(if told >> BITS == turn { told & MASK } else { 0 });
            }
            let left = rounds > PATIENCE && !self.led.load(Ordering::Relaxed);
            if self.over.0.load(Ordering::Relaxed) || left {
                return None;
            }
            rounds = rounds.wrapping_add(1);
            pause(rounds);
        }
    }
}

/// Who tells the turns.
pub struct Leader<'t, 'a, const N: usize, W: Fn(Share<'_>) + ?Sized> {
    turns: &'t Turns<'a, N>,
    work: &'t W,
    /// The last turn, and its shares.
    turn: usize,
    shares: usize,
    guard: Guard,
}

impl<'a, const N: usize> Turns<'a, N> {
    /// Of this memory, in a place for it, of which what is not needed yet is left as it is: to write all of it would take as
    /// long as a step.
    pub fn within<'p>(place: &'p mut MaybeUninit<Self>, memory: &'a mut [u8]) -> &'p Self {
        const { assert!(N <= MASK) };
        let (to, none) = (place.as_mut_ptr(), || Apart(AtomicUsize::new(0)));
        // SAFETY: every field is written where it lies, but claims and numbers, which may be anything.
        unsafe {
            (&raw mut (*to).first).write(memory.as_mut_ptr());
            (&raw mut (*to).len).write(memory.len());
            let places: *mut Apart<Place> = (&raw mut (*to).places).cast();
            for k in 0..2 {
                let place = &raw mut (*places.wrapping_add(k)).0;
                (&raw mut (*place).turn).write(AtomicUsize::new(0));
                let told = UnsafeCell::raw_get(&raw const (*place).told);
                (&raw mut (*told).note).write([0; 2]);
                (&raw mut (*told).before).write(0);
                (&raw mut (*told).count).write(0);
            }
            let left: *mut Apart<UnsafeCell<Left>> = (&raw mut (*to).left).cast();
            for k in 0..LEAVING {
                let left = UnsafeCell::raw_get(&raw const (*left.wrapping_add(k)).0);
                (&raw mut (*left).turn).write(0);
                (&raw mut (*left).count).write(0);
            }
            let seats: *mut Seat = (&raw mut (*to).seats).cast();
            for k in 0..N {
                seats.wrapping_add(k).write(Seat { claimed: none(), done: none() });
            }
            (&raw mut (*to).present).write(none());
            (&raw mut (*to).led).write(AtomicBool::new(false));
            (&raw mut (*to).over).write(Apart(AtomicBool::new(false)));
            place.assume_init_ref()
        }
    }

    /// Leads; `work` is called on shares. `None` where somebody has led: that is once.
    pub fn lead<'t, W: Fn(Share<'_>) + ?Sized>(&'t self, work: &'t W) -> Option<Leader<'t, 'a, N, W>> {
        let first = !self.led.swap(true, Ordering::AcqRel);
        first.then(|| Leader { turns: self, work, turn: 0, shares: 0, guard: Guard })
    }
}

impl<const N: usize, W: Fn(Share<'_>) + ?Sized> Leader<'_, '_, N, W> {
    /// Tells a turn of `shares` shares, and does the first. `claims` are what they write, in the order of their places; a note
    /// goes to all. `None`, and nothing is done, where claims meet, are not in order or outside the memory, or there are too many
    /// of them or of shares.
    pub fn turn(&mut self, note: [u32; 2], shares: usize, claims: &[Claim]) -> Option<()> {
        let turns = self.turns;
        let mut matrices = Matrices::new(claims);
        let sound = matrices.all(|matrix| matrix.is_some_and(|(_, end)| end <= turns.len));
        let turn = self.turn.wrapping_add(1);
        if !sound || claims.len() > MAX_CLAIMS || shares == 0 || shares > N || turn > usize::MAX >> BITS {
            return None;
        }
        let place = turns.places.get(turn & 1)?;
        // SAFETY: of the last turn that was told here all shares are done, and nobody can claim one.
        let told = unsafe { &mut *place.0.told.get() };
        (told.note, told.before, told.count) = (note, self.shares as u16, claims.len() as u16);
        told.claims.iter_mut().zip(claims).for_each(|(to, claim)| _ = to.write(*claim));
        place.0.turn.store(turn << BITS | shares, Ordering::Release);
        self.settle();
        (self.turn, self.shares) = (turn, shares);
        // SAFETY: the first share is the leader's; of the turn before all are done.
        unsafe { turns.run(0, (turn, shares), self.work) };
        Some(())
    }

    /// Waits until all shares of the last turn are done, and does those that nobody has claimed.
    pub fn settle(&mut self) {
        let turn = self.turn;
        for number in 1..self.shares {
            let mut rounds = 0usize;
            while !self.turns.is_done(number, turn) {
                // The thread is at its share, unless it had to give up its core, or has not come yet.
                let present = number <= self.turns.present.0.load(Ordering::Relaxed);
                if (rounds == LATE || !present) && self.turns.claim(number, turn) {
                    // SAFETY: claimed, of a turn whose first share this thread has done: that of the turn before was done then.
                    unsafe { self.turns.run(number, (turn, self.shares), self.work) };
                }
                rounds = rounds.wrapping_add(1);
                pause(rounds);
            }
        }
        self.shares = 0;
    }

    /// What a share of the last turn has left, if it has.
    pub fn left(&mut self, number: usize) -> Option<&[i32]> {
        self.settle();
        // SAFETY: all shares of the last turn are done, and none comes while this is borrowed.
        let left = unsafe { &*self.turns.left.get(number)?.0.get() };
        let numbers = left.numbers.get(..left.count).filter(|_| left.turn == self.turn && self.turn > 0)?;
        // SAFETY: so many have been written.
        Some(unsafe { core::slice::from_raw_parts(numbers.as_ptr().cast(), numbers.len()) })
    }

    /// The whole memory, between two turns.
    pub fn alone(&mut self) -> &mut [u8] {
        self.settle();
        // SAFETY: no share is left to be done, and none comes while this is borrowed.
        unsafe { core::slice::from_raw_parts_mut(self.turns.first, self.turns.len) }
    }

    /// Ends the last turn, and with it all.
    pub fn end(mut self) {
        self.settle();
        self.turns.over.0.store(true, Ordering::Release);
        core::mem::forget(self.guard);
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use std::vec::Vec;

    const LEN: usize = 960;
    const ROWS: usize = 15;

    /// What element `i` of one half is made from, of the other one.
    fn made(i: usize, other: &[u8]) -> u8 {
        other[(i * 7 + 3) % LEN].wrapping_mul(3).wrapping_add(i as u8)
    }

    /// The parts of a half from `start` on, as bytes or as columns.
    fn claims(start: usize, shares: usize, columns: bool) -> Vec<Claim> {
        let all = if columns { LEN / ROWS } else { LEN };
        let cut = |k: usize| all * k / shares;
        let claim = |k: usize| {
            let (first, width) = ((start + cut(k)) as u32, (cut(k + 1) - cut(k)) as u32);
            let bytes = Claim::bytes(k as u32, first, width);
            if columns { Claim { rows: ROWS as u32, pitch: (LEN / ROWS) as u32, ..bytes } } else { bytes }
        };
        (0..shares).map(claim).collect()
    }

    /// Makes the half that the note names.
    fn make(share: Share<'_>) {
        let [start, _] = share.note();
        let (own, others, _) = share.parts();
        let other = others.filter(|(_, piece)| !piece.is_empty()).last().unwrap();
        assert_eq!((other.0, other.1.len()), (LEN - start as usize, LEN));
        for (place, mut columns) in own {
            for row in 0..columns.rows() {
                let first = place - start as usize + row * columns.pitch();
                let bytes = columns.bytes(row).unwrap();
                bytes.iter_mut().enumerate().for_each(|(k, to)| *to = made(first + k, other.1));
            }
        }
    }

    fn half(turn: usize) -> usize {
        LEN * (turn & 1)
    }

    /// So many turns by a leader and some others, of which every one comes `late` turns after the one before it.
    fn turns<const N: usize>(helpers: usize, count: usize, late: usize, work: &(dyn Fn(Share<'_>) + Sync)) {
        let mut memory: Vec<u8> = (0..2 * LEN).map(|k| (k * k) as u8).collect();
        let mut want = memory.clone();
        let begun = AtomicUsize::new(0);
        let mut place = MaybeUninit::uninit();
        let turns = Turns::<N>::within(&mut place, &mut memory);
        std::thread::scope(|scope| {
            for k in 0..helpers {
                let (turns, begun) = (&turns, &begun);
                scope.spawn(move || {
                    while begun.load(Ordering::Relaxed) < (k * late).min(count) {
                        std::thread::yield_now();
                    }
                    turns.help(work);
                });
            }
            let mut leader = turns.lead(work).unwrap();
            assert!(turns.lead(work).is_none());
            for turn in 0..count {
                begun.store(turn + 1, Ordering::Relaxed);
                let shares = 1 + turn % N;
                leader.turn([half(turn) as u32, 0], shares, &claims(half(turn), shares, turn % 3 == 0)).unwrap();
                if turn % 5 == 0 {
                    leader.alone()[half(turn)] ^= 1;
                }
            }
            leader.end();
        });
        for turn in 0..count {
            let (a, b) = want.split_at_mut(LEN);
            let (to, from) = if turn & 1 == 0 { (a, b) } else { (b, a) };
            to.iter_mut().enumerate().for_each(|(i, to)| *to = made(i, from));
            to[0] ^= u8::from(turn % 5 == 0);
        }
        assert!(memory == want, "{helpers} helpers, {N} shares");
    }

    #[test]
    fn every_share_is_done_once_and_in_its_turn() {
        for helpers in 0..5 {
            turns::<2>(helpers, 3000, 0, &make);
            turns::<3>(helpers, 1000, 100, &make);
            turns::<8>(helpers, 200, 3, &make);
        }
    }

    /// More threads than cores, of which many lose theirs while they are waited for.
    #[test]
    fn shares_change_hands() {
        let stolen = AtomicU32::new(0);
        let leader = std::thread::current().id();
        for _ in 0..20 {
            turns::<8>(7, 100, 0, &|share| {
                if share.place().0 > 0 && std::thread::current().id() == leader {
                    stolen.fetch_add(1, Ordering::Relaxed);
                }
                make(share);
            });
        }
        assert!(stolen.load(Ordering::Relaxed) > 0);
    }

    #[test]
    fn those_who_are_slow_are_waited_for() {
        let done = AtomicU32::new(0);
        turns::<3>(2, 60, 0, &|share| {
            if share.place().0 > 0 {
                std::thread::sleep(std::time::Duration::from_micros(300));
            }
            done.fetch_add(1, Ordering::Relaxed);
            make(share);
        });
        assert_eq!(done.load(Ordering::Relaxed), 60 * 2);
    }

    #[test]
    fn without_a_leader_there_is_nothing_to_help() {
        Turns::<2>::within(&mut MaybeUninit::uninit(), &mut [1; 64]).help(&|_| panic!("nobody told a turn"));
    }

    #[test]
    fn what_meets_is_refused() {
        let mut memory = [0; 100];
        let mut place = MaybeUninit::uninit();
        let turns = Turns::<3>::within(&mut place, &mut memory);
        let count = AtomicU32::new(0);
        let work = |_: Share<'_>| _ = count.fetch_add(1, Ordering::Relaxed);
        let mut leader = turns.lead(&work).unwrap();
        let bytes = |parts: &[(u32, u32)]| -> Vec<Claim> {
            parts.iter().enumerate().map(|(k, &(start, len))| Claim::bytes(k as u32, start, len)).collect()
        };
        let columns = |start, width| Claim { share: 0, start, width, rows: 5, pitch: 10 };
        for (claims, sound) in [
            (bytes(&[(0, 50), (50, 50)]), true),
            (bytes(&[]), true),
            (bytes(&[(0, 51), (50, 50)]), false),
            (bytes(&[(0, 50), (50, 51)]), false),
            (bytes(&[(50, 50), (0, 50)]), false),
            (bytes(&[(0, 50), (60, 0)]), false),
            (bytes(&[(u32::MAX, u32::MAX)]), false),
            (std::vec![columns(3, 4), columns(7, 6)], true),
            (std::vec![columns(3, 4), columns(7, 7)], false),
            (std::vec![columns(3, 5), columns(7, 6)], false),
            (std::vec![columns(3, 4), Claim { pitch: 11, ..columns(7, 6) }], false),
            (std::vec![columns(3, 4), columns(7, 6), Claim::bytes(1, 53, 2)], true),
            (std::vec![columns(3, 4), columns(7, 6), Claim::bytes(1, 52, 2)], false),
            (std::vec![Claim::bytes(1, 0, 4), columns(3, 4)], false),
            (std::vec![columns(3, 11)], false),
            (std::vec![Claim { rows: 0, ..columns(3, 4) }], false),
            (std::vec![Claim { rows: 11, ..columns(3, 4) }], false),
            (std::vec![Claim { rows: u32::MAX, pitch: u32::MAX, ..columns(3, 4) }], false),
        ] {
            count.store(0, Ordering::Relaxed);
            let told = leader.turn([0; 2], 2, &claims).is_some();
            leader.settle();
            assert_eq!((told, count.load(Ordering::Relaxed)), (sound, if sound { 2 } else { 0 }), "{claims:?}");
        }
        let many: Vec<(u32, u32)> = (0..=MAX_CLAIMS as u32).map(|k| (k, 1)).collect();
        assert!(leader.turn([0; 2], 2, &bytes(&many)).is_none() && leader.turn([0; 2], 4, &[]).is_none());
        assert!(leader.turn([0; 2], 0, &[]).is_none());
        leader.end();
    }

    #[test]
    fn shares_get_what_is_theirs_and_all_read_the_rest() {
        let mut memory: Vec<u8> = (0..100).collect();
        let mut place = MaybeUninit::uninit();
        let turns = Turns::<2>::within(&mut place, &mut memory);
        let columns = |share, start, width| Claim { share, start, width, rows: 3, pitch: 10 };
        let work = |share: Share<'_>| {
            let number = share.place().0;
            let (own, others, leave) = share.parts();
            assert_eq!(leave.numbers(&[7, number as i32][..=number]), Some(()));
            let pieces: Vec<(usize, usize)> = others.map(|(start, piece)| (start, piece.len())).collect();
            assert_eq!(pieces, [(0, 5), (9, 11), (48, 2), (60, 40)]);
            let own: Vec<_> = own.map(|(start, c)| (start, c.rows(), c.width(), c.into_bytes().is_some())).collect();
            let want = [[(5, 1, 4, true), (20, 3, 6, false)], [(26, 3, 2, false), (50, 1, 10, true)]];
            assert_eq!(own, want[number]);
        };
        let mut leader = turns.lead(&work).unwrap();
        let claims = [Claim::bytes(0, 5, 4), columns(0, 20, 6), columns(1, 26, 2), Claim::bytes(1, 50, 10)];
        assert!(leader.left(0).is_none());
        leader.turn([0; 2], 2, &claims).unwrap();
        let left = [0, 1, 2].map(|number| leader.left(number).map(<[i32]>::to_vec));
        assert_eq!(left, [Some(std::vec![7]), Some(std::vec![7, 1]), None]);
        leader.end();
    }

    #[test]
    fn too_much_is_not_left() {
        let mut memory = [0; 10];
        let mut place = MaybeUninit::uninit();
        let turns = Turns::<3>::within(&mut place, &mut memory);
        let many = [5; MAX_LEFT + 1];
        let work = |share: Share<'_>| {
            let ([many_of_them, _], (number, _)) = (share.note(), share.place());
            let left = share.parts().2.numbers(&many[..many_of_them as usize]);
            assert_eq!(left.is_some(), number < LEAVING && many_of_them as usize <= MAX_LEFT);
        };
        let mut leader = turns.lead(&work).unwrap();
        for count in [MAX_LEFT, MAX_LEFT + 1, 1] {
            leader.turn([count as u32, 0], 3, &[]).unwrap();
            let want = (count <= MAX_LEFT).then_some(count);
            assert_eq!([0, 1, 2].map(|k| leader.left(k).map(<[i32]>::len)), [want, want, None]);
        }
        leader.end();
    }
}
