//! The table of cases, by the modules where they stand, each with what it needs of an engine and its fixture.

use lockutils::distributed::Promise;

use super::bench::Bench;
use super::{
    Hand, cancelling, closing, crowds, destroying, engines, expiry, fairness, leases, listing, names, order,
    releasing, sessions, sharing, tokens,
};

/// One thing that every engine must do.
pub(crate) struct Case {
    /// With its module.
    pub(crate) name: &'static str,
    /// An engine without one of these need not do it.
    pub(crate) needs: &'static [Promise],
    /// Where the fixture cannot do this, it cannot be asked.
    pub(crate) hands: &'static [Hand],
    pub(crate) run: fn(&Bench),
}

/// Gives all lines to a macro: each has the case, the promises that it needs, and what the fixture must be able to do.
macro_rules! cases {
    ($give_to:ident! $($more:tt)*) => {
        $give_to! { $($more)*
            engines {
                its_promises_are_those_of_its_line [];
                what_it_does_not_promise_it_refuses [];
                its_clients_are_in_one_cluster [];
            }
            sharing {
                a_try_shares_or_is_busy [Readers Permits];
                a_wait_is_queued_and_granted_after_the_release [Readers Permits];
                writers_exclude_each_other [];
                readers_are_many [Readers];
                permits_are_so_many_as_there_are [Permits];
                permits_wait_for_a_lock_that_stays [Permits Persists];
                another_number_of_permits_is_refused [Permits];
                two_waits_of_one_client_are_both_served [Readers Permits];
                who_waits_without_a_limit_is_served [];
            }
            order {
                ten_waiters_have_their_turn_as_they_came [ArrivalOrder];
                a_reader_stays_behind_a_waiting_writer [ArrivalOrder Readers];
            }
            tokens {
                grow_over_a_thousand_holders [Readers Permits];
            }
            cancelling {
                a_hundred_waits_can_be_dropped_in_a_crowd [];
                an_enter_can_be_dropped_at_every_step [];
                a_wait_can_be_dropped_before_its_turn [];
                a_grant_that_nobody_has_seen_is_given_back [];
                a_dropped_grant_is_given_back [];
            }
            releasing {
                twice_is_once [];
                is_seen_by_a_look [];
                goes_on_when_the_answer_is_dropped [];
                after_a_loss_touches_nobody [Expires];
            }
            expiry {
                ends_a_lock_at_its_time [Expires];
                can_be_put_off [Expires];
                may_be_as_late_as_can_be_said [Expires];
                can_be_brought_forward [Expires];
                cannot_be_put_off_afterwards [Expires];
                comes_also_for_one_who_does_not_look [Expires];
                is_counted_from_the_grant [Expires];
                is_nothing_for_a_lock_that_is_kept_alive [];
            }
            leases {
                are_kept_alive_while_the_process_lives [];
                are_not_told_of_what_was_let_go [];
                tell_of_their_end_once [];
            }
            closing {
                ends_waits [];
                is_known_before_another_has_it [];
                is_not_needed_to_let_go_what_is_to_stay [Persists];
                leaves_no_wait_for_what_was_to_stay [Persists];
                leaves_what_is_to_stay [Persists];
                lets_everything_go [];
            }
            destroying {
                is_nothing_where_nobody_is [];
                lets_those_go_on_who_wait [];
                takes_it_from_all_who_share_it [Readers Permits];
                takes_it_from_its_holder [];
            }
            listing {
                is_empty_where_nobody_is [];
                shows_all_in_their_order [Contenders Readers Permits];
                shows_who_holds [];
            }
            fairness {
                permits_let_a_writer_in [Permits];
                readers_let_a_writer_in [Readers];
                writers_let_a_reader_in [Readers];
                writers_let_a_writer_in [];
            }
            sessions {
                lose_what_is_removed [] by hand [Entries];
                queue_anew_where_their_place_was_removed [Contenders] by hand [Entries];
                that_end_are_made_anew_by_those_who_wait [Contenders] by hand [Sessions];
                that_end_lose_their_locks [] by hand [Sessions];
            }
            names {
                are_taken_as_they_are [];
            }
            crowds {
                lose_no_update [];
                of_all_kinds_exclude_each_other [Readers Permits];
                of_names_fit_into_one_client [];
                of_requests_pass_a_wait [];
            }
        }
    };
}

macro_rules! table {
    ($($module:ident { $($case:ident [$($need:ident)*] $(by hand [$($hand:ident)*])?;)* })*) => {
        pub(crate) static CASES: &[Case] = &[$($(Case {
            name: concat!(stringify!($module), "::", stringify!($case)),
            needs: &[$(Promise::$need),*],
            hands: &[$($(Hand::$hand),*)?],
            run: $module::$case,
        },)*)*];
    };
}

cases!(table!);
