//! One token for all clients of a process, renewed before anybody needs the next.
//!
//! Tokens are fetched on a thread of their own, since librdkafka asks on threads that poll: while
//! one of those waits for HTTP, a consumer delivers nothing. Only the first token is waited for.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Error,
    endpoint::{self, DEADLINE, Token},
    properties::Grant,
};
use crate::clock::Clock;

/// Part of its life after which a token is renewed; librdkafka asks after 80 %.
const RENEW_AFTER: f64 = 0.6;
/// A token is renewed at the earliest after this, however short it lives.
const SOONEST: Duration = Duration::from_secs(1);
/// Pause after a failed attempt.
const RETRY: Duration = Duration::from_secs(5);
/// A client waits so long for the first token: for one attempt, and a margin.
const FIRST: Duration = DEADLINE.saturating_add(Duration::from_secs(2));
/// The same for a later one, which normally is there.
const LATER: Duration = Duration::from_secs(1);

/// Where clients have their tokens from. Clones share it; the first question starts its thread, and
/// the last clone ends it.
#[derive(Clone)]
pub struct Source(Arc<Handle>);

struct Handle(Arc<Shared>);

struct Shared {
    grant: Grant,
    clock: Clock,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// What became of the last attempt, if it failed.
    failure: Option<Error>,
    started: bool,
    /// An attempt is running or due at once.
    fetching: bool,
    closed: bool,
}

impl Source {
    /// Fetches nothing yet.
    pub fn new(grant: Grant) -> Self {
        let clock = Clock::without_offset();
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Handle(Arc::new(Shared { grant, clock, state, changed }))))
    }

    /// A token that is valid now. Waits for the first one, twelve seconds at most; later ones are
    /// there, unless the endpoint has been out of order for long.
    ///
    /// # Errors
    /// When there is none, with the reason of the last failed attempt.
    pub fn token(&self) -> Result<Token, Error> {
        let shared = &self.0.0;
        let mut state = shared.state();
        self.start(&mut state)?;
        let patience = if state.token.is_some() { LATER } else { FIRST };
        let lapsed = state.token.is_some() && shared.valid(&state).is_none();
        if lapsed && state.failure.is_none() && !state.fetching {
            // Time has passed unnoticed: the machine slept.
            state.fetching = true;
            shared.changed.notify_all();
        }
        let waiting = |state: &mut State| state.fetching && shared.valid(state).is_none();
        let (state, _) = shared
            .changed
            .wait_timeout_while(state, patience, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = shared.valid(&state) {
            return Ok(token.clone());
        }
        Err(state.failure.clone().unwrap_or_else(|| {
            let remedy = "it is being asked for; see the log if this lasts";
            endpoint::error(&shared.grant, "the next token is not there yet", remedy)
        }))
    }

    /// Why the last attempt gave no token, if it did not.
    pub fn failure(&self) -> Option<Error> {
        self.0.0.state().failure.clone()
    }

    fn start(&self, state: &mut State) -> Result<(), Error> {
        if state.started {
            return Ok(());
        }
        let shared = Arc::clone(&self.0.0);
        let thread = std::thread::Builder::new().name("kafka-token".into());
        thread.spawn(move || shared.run()).map_err(|source| {
            let why = format!("its thread cannot start: {source}");
            endpoint::error(&self.0.0.grant, why, "raise the limit of threads")
        })?;
        state.started = true;
        state.fetching = true;
        Ok(())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn valid<'s>(&self, state: &'s State) -> Option<&'s Token> {
        state.token.as_ref().filter(|token| token.expires > self.clock.wall())
    }

    fn run(&self) {
        loop {
            let result = self.fetch();
            let mut state = self.state();
            state.fetching = false;
            let pause = match result {
                Ok(token) => {
                    let pause = token.life.mul_f64(RENEW_AFTER).max(SOONEST);
                    state.failure = None;
                    state.token = Some(token);
                    pause
                }
                Err(error) => {
                    tracing::warn!(%error, "trying again");
                    state.failure = Some(error);
                    RETRY
                }
            };
            self.changed.notify_all();
            let resting = |state: &mut State| !state.closed && !state.fetching;
            let (mut state, _) = self
                .changed
                .wait_timeout_while(state, pause, resting)
                .unwrap_or_else(PoisonError::into_inner);
            if state.closed {
                return;
            }
            state.fetching = true;
        }
    }

    fn fetch(&self) -> Result<Token, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| {
            let why = format!("its runtime cannot start: {source}");
            endpoint::error(&self.grant, why, "raise the limit of open files")
        })?;
        let token = runtime.block_on(endpoint::fetch(&self.grant, &self.clock));
        // A name that does not resolve may hold a thread for longer than our deadline.
        runtime.shutdown_background();
        token
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.changed.notify_all();
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Source {}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.0.0.grant).finish()
    }
}
