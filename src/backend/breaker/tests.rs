//! When a breaker opens, whom it lets through, and when it closes.

use super::*;

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn unwell(number: u64) -> Sign {
    Sign::Unwell(Witness::of(number))
}

/// A breaker that has just been opened, at 100 s.
fn opened() -> Breaker {
    let breaker = Breaker::default();
    for _ in 1..GONE {
        assert_eq!(breaker.note(Sign::Unreachable, at(100)), None);
        assert_eq!(breaker.ask(at(100)), Verdict::Passes);
    }
    let turn = breaker.note(Sign::Unreachable, at(100));
    assert_eq!(turn, Some(Turn::Opened));
    breaker
}

#[test]
fn it_opens_when_nearly_all_of_the_last_attempts_found_nobody() {
    let breaker = opened();
    let retry_in = BREAKER_PAUSE;
    assert_eq!(breaker.ask(at(100)), Verdict::Fails { retry_in });
    assert_eq!(breaker.shut_for(at(100)), Some(retry_in));
    let again = breaker.note(Sign::Unreachable, at(100));
    assert_eq!(again, None, "it is told once");
}

#[test]
fn a_provider_that_answers_some_stays_open_to_all() {
    let breaker = Breaker::default();
    for _ in 0..100 {
        for sign in [Sign::There, Sign::Unreachable, Sign::Unreachable] {
            assert_eq!(breaker.note(sign, at(1)), None);
        }
    }
    assert_eq!(breaker.ask(at(1)), Verdict::Passes);
}

#[test]
fn one_connection_alone_does_not_take_a_provider_away_from_others() {
    let breaker = Breaker::default();
    for _ in 0..1000 {
        assert_eq!(breaker.note(unwell(7), at(1)), None);
    }
    // Nor with one lost connection beside it.
    assert_eq!(breaker.note(Sign::Unreachable, at(1)), None);
    assert_eq!(breaker.ask(at(1)), Verdict::Passes);
    // A second one that fares no better makes it so for all.
    let turns: Vec<_> = (0..3).map(|_| breaker.note(unwell(8), at(1))).collect();
    assert_eq!(turns, [None, None, Some(Turn::Opened)]);
}

#[test]
fn one_probe_at_a_time_goes_through_when_the_pause_is_over() {
    let breaker = opened();
    assert_eq!(breaker.ask(at(102)), Verdict::Probes);
    let retry_in = Duration::ZERO;
    assert_eq!(breaker.ask(at(102)), Verdict::Fails { retry_in });
    assert_eq!(breaker.ask(at(5000)), Verdict::Fails { retry_in });
    // One that showed nothing makes way for another.
    assert_eq!(breaker.probed(None, at(103)), None);
    assert_eq!(breaker.ask(at(103)), Verdict::Probes);
    let turn = breaker.probed(Some(Sign::There), at(104));
    assert_eq!(turn, Some(Turn::Closed));
    assert_eq!(breaker.ask(at(104)), Verdict::Passes);
    assert_eq!(breaker.note(Sign::Unreachable, at(104)), None, "anew");
}

#[test]
fn pauses_grow_with_each_probe_that_fails() {
    let breaker = opened();
    let mut now = at(200);
    let mut expected = BREAKER_PAUSE;
    for session in 0..100 {
        assert_eq!(breaker.ask(now), Verdict::Probes);
        expected = (expected * 2).min(BREAKER_PAUSE_MAX);
        assert_eq!(breaker.probed(Some(unwell(session)), now), None);
        assert_eq!(breaker.shut_for(now), Some(expected));
        now += expected;
    }
    assert_eq!(expected, BREAKER_PAUSE_MAX);
}

#[test]
fn a_witness_that_had_its_share_does_not_make_pauses_longer() {
    let breaker = Breaker::default();
    for _ in 0..ONE_WITNESS {
        breaker.note(unwell(7), at(100));
        breaker.note(unwell(8), at(100));
    }
    assert_eq!(breaker.shut_for(at(100)), Some(BREAKER_PAUSE));
    let probe = |sign, now| {
        assert_eq!(breaker.ask(now), Verdict::Probes);
        breaker.probed(Some(sign), now);
        breaker.shut_for(now).unwrap()
    };
    for round in 2..50 {
        assert_eq!(probe(unwell(7), at(100 * round)), BREAKER_PAUSE);
    }
    // Another one's word is news, until it has had its share too.
    assert_eq!(probe(unwell(9), at(6000)), BREAKER_PAUSE * 2);
    assert_eq!(probe(unwell(7), at(7000)), BREAKER_PAUSE * 2);
    assert_eq!(probe(Sign::Unreachable, at(8000)), BREAKER_PAUSE * 4);
}

#[test]
fn any_answer_closes_it() {
    let breaker = opened();
    let turn = breaker.note(Sign::There, at(100));
    assert_eq!(turn, Some(Turn::Closed));
    assert_eq!(breaker.ask(at(100)), Verdict::Passes);
    let breaker = opened();
    assert_eq!(breaker.ask(at(102)), Verdict::Probes);
    breaker.note(Sign::There, at(102));
    // The probe that fails after all has nothing to say any more.
    assert_eq!(breaker.probed(Some(Sign::Unreachable), at(103)), None);
    assert_eq!(breaker.ask(at(103)), Verdict::Passes);
}

#[test]
fn of_many_that_come_at_once_one_probes() {
    let breaker = opened();
    let probes = std::thread::scope(|scope| {
        let ask = || breaker.ask(at(300)) == Verdict::Probes;
        let asking: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        let verdicts = asking.into_iter().map(|it| it.join().unwrap());
        verdicts.filter(|probes| *probes).count()
    });
    assert_eq!(probes, 1);
}
