//! Calls that overlap, and whether they have an order.

use std::thread;

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use super::models::{Answer, Call};

/// What a client has called, and what was answered.
#[derive(Clone, Debug)]
pub(super) struct Called {
    pub(super) client: u64,
    pub(super) call: Call,
    pub(super) begun: u64,
    /// When it was answered, and what; never, if the client has died meanwhile: then it was done or not.
    pub(super) answered: Option<(u64, Answer)>,
}

/// The checker calls itself for each call.
const STACK: usize = 1 << 30;

/// Whether there is an order of the calls in which a thing like this would have answered so, and in which no call comes before
/// one that was answered before it began.
pub(super) fn are_linearizable<S>(thing: S, calls: &[Called]) -> bool
where
    S: SequentialSpec<Op = Call, Ret = Answer> + Clone + Send + 'static,
{
    let tester = tester(thing, calls);
    let check = thread::Builder::new().stack_size(STACK).spawn(move || tester.is_consistent());
    check.expect("a thread").join().expect("the checker does not panic")
}

fn tester<S>(thing: S, calls: &[Called]) -> LinearizabilityTester<u64, S>
where
    S: SequentialSpec<Op = Call, Ret = Answer> + Clone,
{
    let mut tester = LinearizabilityTester::new(thing);
    // At one time, what begins comes first: it may have come first.
    let begins = calls.iter().map(|called| (called.begun, false, called));
    let ends = calls.iter().filter_map(|called| Some((called.answered.as_ref()?.0, true, called)));
    let mut steps: Vec<_> = begins.chain(ends).collect();
    steps.sort_by_key(|(at, is_end, _)| (*at, *is_end));
    for (_, is_end, called) in steps {
        let step = match &called.answered {
            Some((_, answer)) if is_end => tester.on_return(called.client, answer.clone()),
            _ => tester.on_invoke(called.client, called.call.clone()),
        };
        step.map(drop).expect("a client does one thing after the other");
    }
    tester
}
