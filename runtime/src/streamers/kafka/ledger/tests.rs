use super::*;

/// A ledger to which these offsets have come.
fn ledger(commit: Option<(u64, &str)>, offsets: &[u64]) -> Arc<Ledger> {
    let hand = Arc::new(Hand::new(1_000));
    let ledger = Ledger::new(Arc::clone(&hand), commit);
    let arrived = ledger.arrived(offsets.iter().copied()).into_iter();
    hand.pick_up(arrived.filter(|it| *it != Arrival::Done).count());
    ledger
}

fn commit(ledger: &Ledger) -> Option<(u64, String)> {
    ledger.commit(|| None)
}

fn done(ledger: &Ledger, offsets: &[u64]) {
    for offset in offsets {
        ledger.settled(*offset, true);
    }
}

#[test]
fn nothing_done_is_nothing_to_commit() {
    let ledger = ledger(None, &[5, 6]);
    assert_eq!(commit(&ledger), None);
    ledger.settled(5, false);
    assert_eq!(commit(&ledger), None);
}

#[test]
fn it_is_idle_when_all_that_was_given_out_is_entered() {
    let ledger = ledger(None, &[5, 6]);
    done(&ledger, &[6]);
    assert!(!ledger.is_idle());
    ledger.settled(5, false);
    assert!(ledger.is_idle());
}

#[test]
fn what_all_before_is_done_is_committed_once() {
    let ledger = ledger(None, &[5, 6, 9]);
    done(&ledger, &[5, 6]);
    assert_eq!(commit(&ledger), Some((9, String::new())));
    assert_eq!(commit(&ledger), None);
    ledger.commit_again();
    assert_eq!(commit(&ledger), Some((9, String::new())));
    done(&ledger, &[9]);
    assert_eq!(ledger.commit(|| Some(12)), Some((12, String::new())));
}

#[test]
fn what_is_done_behind_and_what_was_tried_is_noted_and_read_again() {
    let all: Vec<_> = (100..110).collect();
    let before = ledger(None, &all);
    done(&before, &[102, 103, 104, 107]);
    before.released(101, 3);
    let (offset, note) = commit(&before).expect("a commit");
    assert_eq!((offset, &*note), (100, "fanfare-1 1*3 2-4 7-7"));

    let after = ledger(Some((offset, &note)), &[100]);
    let arrived = after.arrived([101, 102, 103, 104, 107, 108].into_iter());
    let tried = |attempts| Arrival::New { attempts };
    assert_eq!((&arrived[0], &arrived[5]), (&tried(3), &tried(0)));
    assert!(arrived[1..5].iter().all(|it| *it == Arrival::Done));
    done(&after, &[100]);
    assert_eq!(
        commit(&after),
        Some((101, "fanfare-1 0*3 1-3 6-6".to_owned()))
    );
}

#[test]
fn a_partition_that_begins_anew_is_noticed() {
    let ledger = ledger(Some((100, "fanfare-1 1-5")), &[]);
    assert_eq!(ledger.arrived([0].into_iter()), []);
    let ledger = super::tests::ledger(None, &[7]);
    let arrived = ledger.arrived([8, 7, 9].into_iter());
    assert_eq!(arrived, [Arrival::New { attempts: 0 }]);
}

#[test]
fn notes_that_are_too_many_are_cut_between_two() {
    let all: Vec<_> = (0..20_000).collect();
    let ledger = ledger(None, &all);
    let even: Vec<_> = (0..10_000).map(|half| half * 2).collect();
    done(&ledger, &even[1..]);
    let (offset, note) = commit(&ledger).expect("a commit");
    assert_eq!(offset, 0);
    assert!((MOST - 20..=MOST).contains(&note.len()), "{}", note.len());
    let before = Before::read(0, &note);
    assert!(
        before
            .done
            .iter()
            .all(|(first, last)| first == last && first % 2 == 0)
    );
}

#[test]
fn notes_of_others_say_nothing() {
    for note in ["", "leader=3", "fanfare-2 1-5", "fanfare-1 x-y 3 *"] {
        assert_eq!(Before::read(0, note), Before::default(), "{note}");
    }
}
