//! A session of ours, and how it is kept alive.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::sleep;
use zookeeper_client::{Client, SessionId, SessionState, StateWatcher};

use super::super::{Failure, Loss, Moment};
use super::beats::Beats;
use super::either::{Either, either, now};
use super::hold::Hold;
use super::options::Options;
use super::{probe, problem};

/// A session. All that it has ends with it, here at the latest when it ends in the ensemble.
///
/// The client library keeps it alive by itself, but does not say when it was heard last. So it is asked for something that
/// goes through the leader, every quarter of the time that the session lasts; see [`Beats`] for what the answers prove.
pub(super) struct Session {
    id: SessionId,
    /// How long it outlives its last sign of life, as the server has it.
    timeout: Duration,
    state: Mutex<State>,
    end: watch::Sender<Option<Loss>>,
}

struct State {
    /// None when it has ended: the library ends the session when nobody has its client any more.
    client: Option<Arc<Client>>,
    /// Since when the server surely knows it.
    proven: Moment,
    holds: Vec<Weak<Hold>>,
}

impl Session {
    /// Begins one, and keeps it alive until it [ends](Self::end). One try with each host.
    pub(super) async fn begin(options: &Options) -> Result<Arc<Self>, Failure> {
        let begun = Moment::now();
        let client = match options.connect().await {
            Err(zookeeper_client::Error::NoHosts) => return Err(probe::why(options).await),
            client => client.map_err(problem::failure)?,
        };
        let state = State { client: Some(Arc::new(client.clone())), proven: begun, holds: Vec::new() };
        let session = Arc::new(Self {
            id: client.session_id(),
            timeout: client.session_timeout(),
            state: Mutex::new(state),
            end: watch::Sender::new(None),
        });
        let gap = session.timeout / 4;
        let keeper = Keeper {
            session: Arc::clone(&session),
            states: client.state_watcher(),
            beats: Beats::begin(begun, gap),
            gap,
        };
        tokio::spawn(keeper.run());
        Ok(session)
    }

    /// # Errors
    ///
    /// [`Failure::Lost`] when it has ended.
    pub(super) fn client(&self) -> Result<Arc<Client>, Failure> {
        self.state.lock().client.clone().ok_or_else(|| Failure::Lost(self.loss().unwrap_or(Loss::Ended)))
    }

    /// Whether what is granted now would not be lost at once.
    pub(super) fn is_alive(&self) -> bool {
        self.loss().is_none() && !self.remaining().is_zero()
    }

    pub(super) fn loss(&self) -> Option<Loss> {
        *self.end.borrow()
    }

    /// Is ready when it has ended.
    pub(super) async fn ended(&self) -> Loss {
        let mut end = self.end.subscribe();
        // The sender is in `self`.
        let loss = end.wait_for(Option::is_some).await.ok().and_then(|loss| *loss);
        loss.unwrap_or(Loss::Ended)
    }

    /// A lease that lasts as long as the session.
    pub(super) fn hold(&self, expires: Option<Duration>) -> Arc<Hold> {
        let mut state = self.state.lock();
        let hold = Hold::begin(state.proven, self.timeout, expires);
        match self.loss() {
            Some(loss) => hold.lose(loss),
            None => state.holds.push(Arc::downgrade(&hold)),
        }
        hold
    }

    /// The lease was told to last longer or shorter.
    pub(super) fn renew(&self, hold: &Hold) {
        let proven = self.state.lock().proven;
        hold.renew(proven, self.timeout);
    }

    /// Whether a node that was just made goes with this session. Servers of other makers are known to begin another one without
    /// a word, and then nothing of this one is left.
    pub(super) fn owns(&self, owner: i64) -> bool {
        if owner != self.id.0 {
            self.end(Loss::Ended);
        }
        owner == self.id.0
    }

    /// It is over: all that depends on it is lost. What the server still has of it goes when the library can tell it.
    pub(super) fn end(&self, why: Loss) {
        let mut state = self.state.lock();
        let is_first = self.end.send_if_modified(|end| {
            let is_first = end.is_none();
            end.get_or_insert(why);
            is_first
        });
        let (holds, client) = (std::mem::take(&mut state.holds), state.client.take());
        drop(state);
        if is_first {
            holds.iter().filter_map(Weak::upgrade).for_each(|hold| hold.lose(why));
        }
        // Only now may the server give it away.
        drop(client);
    }

    /// How long it lasts if nothing more is heard of it, less a hundredth as [leases](super::super::Lease) have it.
    fn remaining(&self) -> Duration {
        let proven = self.state.lock().proven;
        proven.after(self.timeout.saturating_sub(self.timeout / 100)).since(Moment::now())
    }

    fn prove(&self, proven: Moment) {
        let mut state = self.state.lock();
        state.proven = state.proven.max(proven);
        let holds: Vec<_> = state.holds.iter().filter_map(Weak::upgrade).collect();
        state.holds = holds.iter().map(Arc::downgrade).collect();
        // The last owner of one may be gone by now: then it must not be dropped under the lock.
        drop(state);
        for hold in holds {
            hold.renew(proven, self.timeout);
        }
    }
}

/// Who keeps a session alive.
struct Keeper {
    session: Arc<Session>,
    states: StateWatcher,
    beats: Beats,
    gap: Duration,
}

/// Why there is no more to do.
type Over = Loss;

impl Keeper {
    async fn run(mut self) {
        let mut last = Moment::now();
        loop {
            match self.rest(last).await {
                Ok(()) => last = Moment::now(),
                Err(over) => return self.session.end(over),
            }
            if let Err(over) = self.beat(last).await {
                return self.session.end(over);
            }
        }
    }

    /// Until it is time for the next request: a while after the last one, or when the connection was made anew.
    async fn rest(&mut self, last: Moment) -> Result<(), Over> {
        let pause = last.after(self.gap).since(Moment::now());
        let session = &self.session;
        let end = async { either(session.ended(), sleep(session.remaining())).await };
        match either(either(self.states.changed(), sleep(pause)), end).await {
            Either::Second(Either::First(loss)) => return Err(loss),
            Either::Second(Either::Second(())) => return Err(Loss::Expired),
            Either::First(Either::Second(())) => return Ok(()),
            Either::First(Either::First(state)) => see(state)?,
        }
        self.beats.broke();
        self.connected().await
    }

    /// Until there is a connection.
    async fn connected(&mut self) -> Result<(), Over> {
        loop {
            let state = self.states.state();
            see(state)?;
            if state == SessionState::SyncConnected {
                return Ok(());
            }
            let session = &self.session;
            let end = async { either(session.ended(), sleep(session.remaining())).await };
            match either(self.states.changed(), end).await {
                // It is looked at again.
                Either::First(_) => {}
                Either::Second(Either::First(loss)) => return Err(loss),
                Either::Second(Either::Second(())) => return Err(Loss::Expired),
            }
        }
    }

    /// Asks for something that the leader has to answer.
    async fn beat(&mut self, sent: Moment) -> Result<(), Over> {
        let Ok(client) = self.session.client() else {
            return Err(self.session.loss().unwrap_or(Loss::Ended));
        };
        let session = &self.session;
        let end = async { either(session.ended(), sleep(session.remaining())).await };
        let answer = either(client.sync("/"), end).await;
        match answer {
            Either::First(Ok(())) => {
                // A connection that was lost while it was under way proves nothing.
                if let Some(state) = now(self.states.changed()).await {
                    see(state)?;
                }
                self.session.prove(self.beats.answered(sent));
                Ok(())
            }
            Either::First(Err(error)) if problem::passes(&error) => {
                self.beats.failed(sent);
                sleep(self.gap / 16).await;
                self.connected().await
            }
            Either::First(Err(_)) => Err(Loss::Ended),
            Either::Second(Either::First(loss)) => Err(loss),
            Either::Second(Either::Second(())) => Err(Loss::Expired),
        }
    }
}

fn see(state: SessionState) -> Result<(), Over> {
    if state.is_terminated() { Err(Loss::Ended) } else { Ok(()) }
}
