//! Those who have a lock and those who want it.

use lockutils::distributed::{Contender, Share};

use super::bench::Bench;
use super::client::{Client, Held};

fn take(client: &Client, name: &str, share: Share, identifier: &str) -> Held {
    client.take_request(client.request(name, share).identified(identifier))
}

/// All that is shown of a contender but its place, with the token of its grant where it has one. Those who hold have had their
/// turn, and are shown first in any order; here, in that of their names.
#[track_caller]
fn must_be(shown: &[Contender], expected: &[(&str, Share, Option<&Held>)]) {
    let mut shown = shown.to_vec();
    let holders = shown.iter().take_while(|other| other.holds).count();
    shown[..holders].sort_by(|one, other| one.identifier.cmp(&other.identifier));
    let said: Vec<_> =
        shown.iter().map(|other| (other.identifier.as_str(), other.share, other.holds)).collect();
    let known: Vec<_> = expected.iter().map(|(who, share, held)| (*who, *share, held.is_some())).collect();
    assert_eq!(said, known);
    for (contender, (_, _, held)) in shown.iter().zip(expected) {
        let token = held.map_or(0, |grant| grant.token());
        assert!([0, token].contains(&contender.token), "{contender:?} has {token}");
        assert!(!contender.place.is_empty(), "{contender:?}");
    }
}

pub(super) fn is_empty_where_nobody_is(bench: &Bench) {
    let (client, name) = (bench.client(), bench.name("free"));
    must_be(&client.contenders(&name, Share::Write), &[]);
    client.release(&client.take(&name, Share::Write)).expect("it is held");
    must_be(&client.contenders(&name, Share::Write), &[]);
}

pub(super) fn shows_who_holds(bench: &Bench) {
    let ([holder, other], name) = (bench.clients(), bench.name("held"));
    for identifier in ["", "web-3", "größe: {a b}, 名前", "a\"b\\c"] {
        let grant = take(&holder, &name, Share::Write, identifier);
        for client in [&holder, &other] {
            must_be(&client.contenders(&name, Share::Write), &[(identifier, Share::Write, Some(&grant))]);
        }
        holder.release(&grant).expect("it is held");
    }
}

pub(super) fn shows_all_in_their_order(bench: &Bench) {
    let ([one, two, three, four, looks], name) = (bench.clients(), bench.name("order"));
    let queue = |client: &Client, share, identifier: &str| {
        client.queue_request(client.request(&name, share).fair().identified(identifier))
    };
    let first = take(&one, &name, Share::Read, "first");
    let second = take(&two, &name, Share::Read, "second");
    let third = queue(&three, Share::Write, "third");
    let fourth = queue(&four, Share::Permit(3), "fourth");
    let (read, write, permit) = (Share::Read, Share::Write, Share::Permit(3));
    // The lock is the name, whatever is to be had of it.
    for share in [read, write, permit] {
        must_be(
            &looks.contenders(&name, share),
            &[
                ("first", read, Some(&first)),
                ("second", read, Some(&second)),
                ("third", write, None),
                ("fourth", permit, None),
            ],
        );
    }
    one.release(&first).expect("it is held");
    two.release(&second).expect("it is held");
    let third = third.grant();
    must_be(&looks.contenders(&name, write), &[("third", write, Some(&third)), ("fourth", permit, None)]);
    three.release(&third).expect("it is held");
    let fourth = fourth.grant();
    must_be(&looks.contenders(&name, permit), &[("fourth", permit, Some(&fourth))]);
    four.release(&fourth).expect("it is held");
}
