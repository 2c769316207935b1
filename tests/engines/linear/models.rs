//! What things would do if everybody came one after the other.

use stateright::semantics::SequentialSpec;

/// What a call gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The number is this.
    Value(u64),
    /// It is done.
    Done,
    /// The token is too old.
    Fenced,
    /// The lock is had with this token.
    Token(u64),
    /// An update is done, that found this number, with this token.
    Updated { from: u64, token: u64 },
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// The lock is taken.
    Take,
    /// The number is read, with a token.
    Enter(u64),
    /// The number is changed, with a token.
    Write { token: u64, value: u64 },
    /// The number is read without a lock.
    Look,
    /// From the question for the lock until the number is changed to this, as one step.
    Update(u64),
}

/// A number that is kept together with the highest token that was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Register {
    value: u64,
    highest: u64,
}

impl SequentialSpec for Register {
    type Op = Call;
    type Ret = Answer;

    fn invoke(&mut self, call: &Call) -> Answer {
        match *call {
            Call::Look => return Answer::Value(self.value),
            Call::Enter(token) | Call::Write { token, .. } if token < self.highest => return Answer::Fenced,
            Call::Enter(token) => self.highest = token,
            Call::Write { token, value } => (self.highest, self.value) = (token, value),
            Call::Take | Call::Update(_) => unreachable!("it is no call of a register"),
        }
        if let Call::Enter(_) = call { Answer::Value(self.value) } else { Answer::Done }
    }
}

/// A lock that gives a larger token to each who takes it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens {
    last: u64,
}

impl SequentialSpec for Tokens {
    type Op = Call;
    type Ret = Answer;

    /// Of one who has not told its token.
    fn invoke(&mut self, _: &Call) -> Answer {
        Answer::Done
    }

    fn is_valid_step(&mut self, _: &Call, answer: &Answer) -> bool {
        let before = self.last;
        let Answer::Token(token) = answer else { return false };
        self.last = *token;
        *token > before
    }
}

/// A number that is changed by whole updates: each finds what the last one has written, and has a larger token.
#[derive(Clone, Debug, Default)]
pub(super) struct Updates {
    value: u64,
    token: u64,
}

impl SequentialSpec for Updates {
    type Op = Call;
    type Ret = Answer;

    /// Of one who has not told what it has found.
    fn invoke(&mut self, call: &Call) -> Answer {
        if let Call::Update(value) = call {
            self.value = *value;
        }
        Answer::Value(self.value)
    }

    fn is_valid_step(&mut self, call: &Call, answer: &Answer) -> bool {
        match (call, answer) {
            (Call::Look, Answer::Value(seen)) => *seen == self.value,
            (Call::Update(value), Answer::Updated { from, token }) => {
                let is_next = *from == self.value && *token > self.token;
                (self.value, self.token) = (*value, *token);
                is_next
            }
            _ => false,
        }
    }
}
