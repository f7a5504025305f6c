//! Where a worker's next start comes from: a schedule (open model) or its own last answer (closed).

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use plimsoll_model::time::Nanos;
use tokio::sync::Notify;

/// Leave to start one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// Its number in the cell, from 0, over all shards.
    pub seq: u64,
    /// When it was to start.
    pub intended: Nanos,
}

/// Gives a worker its next work, or `None` when there will be no more.
pub trait Source {
    /// What is given.
    type Work;
    /// Wait for the next.
    fn next(&mut self) -> impl Future<Output = Option<Self::Work>>;
}

/// The idle workers of a pool, and the door through which work is handed to them. The last to
/// become idle is the first to work again, so that few connections carry a light load.
pub struct Seats<W> {
    idle: RefCell<Vec<Rc<Seat<W>>>>,
    live: Cell<usize>,
    cap: usize,
    closed: Cell<bool>,
    freed: Notify,
}

/// One worker's place: holds the work handed to it.
struct Seat<W> {
    work: Cell<Option<W>>,
    waker: Cell<Option<Waker>>,
}

/// What [`Seats::hand`] did with the work.
pub enum Handed<W> {
    /// An idle worker has it.
    Taken,
    /// No worker is idle and there may be one more: run a worker on this source.
    Spawn(SeatSource<W>),
    /// Every worker that may exist is busy.
    Full(W),
}

impl<W> Seats<W> {
    /// Room for at most `cap` workers.
    pub fn new(cap: usize) -> Rc<Self> {
        Rc::new(Seats {
            idle: RefCell::default(),
            live: Cell::new(0),
            cap,
            closed: Cell::new(false),
            freed: Notify::new(),
        })
    }

    /// Hand `work` to a worker. Does not allocate unless a worker has to be added.
    pub fn hand(self: &Rc<Self>, work: W) -> Handed<W> {
        let idle = self.idle.borrow_mut().pop();
        if let Some(seat) = idle {
            seat.work.set(Some(work));
            if let Some(waker) = seat.waker.take() {
                waker.wake();
            }
            return Handed::Taken;
        }
        if self.live.get() >= self.cap {
            return Handed::Full(work);
        }
        self.live.set(self.live.get() + 1);
        let seat = Rc::new(Seat { work: Cell::new(Some(work)), waker: Cell::new(None) });
        Handed::Spawn(SeatSource { seats: Rc::clone(self), seat })
    }

    /// Wait until a worker becomes idle. May return for one that is taken again at once.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// No more work will come: idle workers end now, busy ones after what they have in hand.
    pub fn close(&self) {
        self.closed.set(true);
        for seat in self.idle.take() {
            if let Some(waker) = seat.waker.take() {
                waker.wake();
            }
        }
    }
}

/// The source of a worker with a seat.
pub struct SeatSource<W> {
    seats: Rc<Seats<W>>,
    seat: Rc<Seat<W>>,
}

impl<W> Source for SeatSource<W> {
    type Work = W;

    async fn next(&mut self) -> Option<W> {
        if let Some(work) = self.seat.work.take() {
            return Some(work);
        }
        self.seats.idle.borrow_mut().push(Rc::clone(&self.seat));
        self.seats.freed.notify_one();
        poll_fn(|cx| {
            if let Some(work) = self.seat.work.take() {
                return Poll::Ready(Some(work));
            }
            if self.seats.closed.get() {
                return Poll::Ready(None);
            }
            self.seat.waker.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await
    }
}

impl<W> Drop for SeatSource<W> {
    fn drop(&mut self) {
        self.seats.live.set(self.seats.live.get() - 1);
        self.seats.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn the_last_idle_worker_is_the_first_to_work() {
        let seats = Seats::new(2);
        let (Handed::Spawn(mut a), Handed::Spawn(mut b)) = (seats.hand(1), seats.hand(2)) else {
            panic!("an empty pool spawns")
        };
        assert!(matches!(seats.hand(3), Handed::Full(3)));
        assert_eq!((a.next().await, b.next().await), (Some(1), Some(2)));
        let order = RefCell::new(Vec::new());
        let worker = async |name, source: &mut SeatSource<i32>| {
            while let Some(work) = source.next().await {
                order.borrow_mut().push((name, work));
            }
        };
        let feed = async {
            tokio::task::yield_now().await;
            assert!(matches!(seats.hand(4), Handed::Taken));
            assert!(matches!(seats.hand(5), Handed::Taken));
            seats.close();
        };
        tokio::join!(worker("a", &mut a), worker("b", &mut b), feed);
        order.borrow_mut().sort();
        assert_eq!(*order.borrow(), [("a", 5), ("b", 4)]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_dropped_worker_leaves_room_for_another() {
        let seats = Seats::new(1);
        let Handed::Spawn(only) = seats.hand(1) else { panic!("an empty pool spawns") };
        assert!(matches!(seats.hand(2), Handed::Full(2)));
        drop(only);
        assert!(matches!(seats.hand(2), Handed::Spawn(_)));
    }
}
