//! How many connections there are, and how long one may stay without showing who it is.
//!
//! A connection costs a descriptor, and descriptors are what the store needs to go on. So whoever has
//! not shown the token yet waits in a small *lobby* for a short time, and a newcomer takes the place of
//! who has waited longest there: strangers who only connect push each other out, while a program
//! shows its token with its first request. Whoever has shown it gets a *room*.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Connections that have not shown the token: more than programs open at one moment.
pub(super) const LOBBY: usize = 64;

/// How long one of them may take for that. Programs send their first request at once.
const LOBBY_LIMIT: Duration = Duration::from_secs(10);

/// How long a room is waited for: another connection may just be ending.
const ROOM_LIMIT: Duration = Duration::from_secs(1);

/// The connections of one way in.
#[derive(Debug)]
pub(super) struct Hall {
    rooms: Arc<Semaphore>,
    lobby: Mutex<Lobby>,
}

#[derive(Debug, Default)]
struct Lobby {
    next: u64,
    /// Who waits, the longest first.
    waiting: VecDeque<(u64, CancellationToken)>,
}

impl Hall {
    /// With so many rooms.
    pub(super) fn new(rooms: u32) -> Arc<Self> {
        let rooms = usize::try_from(rooms).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Arc::new(Self { rooms: Arc::new(Semaphore::new(rooms)), lobby: Mutex::default() })
    }

    /// Lets a connection into the lobby.
    pub(super) fn receive(self: &Arc<Self>) -> Arc<Visitor> {
        let leave = CancellationToken::new();
        let mut lobby = self.lobby();
        let id = lobby.next;
        lobby.next = lobby.next.wrapping_add(1);
        lobby.waiting.push_back((id, leave.clone()));
        if lobby.waiting.len() > LOBBY
            && let Some((_, longest)) = lobby.waiting.pop_front()
        {
            longest.cancel();
        }
        drop(lobby);
        let known = CancellationToken::new();
        Arc::new(Visitor { hall: Arc::clone(self), id, leave, known, room: OnceLock::new() })
    }

    fn lobby(&self) -> MutexGuard<'_, Lobby> {
        self.lobby.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection. Its place is free when the last clone is gone; a WebSocket has one, too.
#[derive(Debug)]
pub(super) struct Visitor {
    hall: Arc<Hall>,
    id: u64,
    leave: CancellationToken,
    known: CancellationToken,
    room: OnceLock<OwnedSemaphorePermit>,
}

impl Visitor {
    /// Gives a connection that has shown the token a room; false when there is none.
    pub(super) async fn enter(&self) -> bool {
        if self.room.get().is_some() {
            return true;
        }
        let room = Arc::clone(&self.hall.rooms).acquire_owned();
        let Ok(Ok(room)) = timeout(ROOM_LIMIT, room).await else { return false };
        // Of two requests at the same time, one gives its room back.
        let _ = self.room.set(room);
        self.leave_lobby();
        self.known.cancel();
        true
    }

    /// Resolves when the connection has to go, because it has not shown the token.
    pub(super) async fn is_turned_away(&self) {
        tokio::select! {
            biased;
            () = self.known.cancelled() => std::future::pending().await,
            () = self.leave.cancelled() => {}
            () = sleep(LOBBY_LIMIT) => {}
        }
    }

    fn leave_lobby(&self) {
        self.hall.lobby().waiting.retain(|(id, _)| *id != self.id);
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.leave_lobby();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_waited_longest_makes_room_for_a_newcomer() {
        let hall = Hall::new(1);
        let visitors: Vec<_> = (0..=LOBBY).map(|_| hall.receive()).collect();
        visitors[0].is_turned_away().await;
        assert!(visitors[1..].iter().all(|visitor| !visitor.leave.is_cancelled()));
        drop(visitors);
        assert_eq!(hall.lobby().waiting.len(), 0);
    }

    #[tokio::test]
    async fn who_has_shown_the_token_stays_while_strangers_come() {
        let hall = Hall::new(1);
        let known = hall.receive();
        assert!(known.enter().await && known.enter().await);
        let strangers: Vec<_> = (0..10 * LOBBY).map(|_| hall.receive()).collect();
        assert!(!known.leave.is_cancelled());
        assert_eq!(hall.lobby().waiting.len(), LOBBY);
        assert!(!strangers[0].enter().await, "the one room is taken");
        drop(known);
        assert!(strangers[0].enter().await);
    }
}
