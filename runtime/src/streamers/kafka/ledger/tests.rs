use super::*;

/// A ledger to which these offsets have come.
fn ledger(commit: Option<(u64, &str)>, offsets: &[u64]) -> Arc<Ledger> {
    let hand = Arc::new(Hand::new(1_000));
    let ledger = Ledger::new(Arc::clone(&hand), commit);
    for offset in offsets {
        if let Arrival::New { .. } = ledger.arrived(*offset) {
            hand.pick_up();
        }
    }
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
    assert_eq!(after.arrived(101), Arrival::New { attempts: 3 });
    for offset in [102, 103, 104, 107] {
        assert_eq!(after.arrived(offset), Arrival::Done, "{offset}");
    }
    assert_eq!(after.arrived(108), Arrival::New { attempts: 0 });
    done(&after, &[100]);
    assert_eq!(
        commit(&after),
        Some((101, "fanfare-1 0*3 1-3 6-6".to_owned()))
    );
}

#[test]
fn a_partition_that_begins_anew_is_noticed() {
    let ledger = ledger(Some((100, "fanfare-1 1-5")), &[]);
    assert_eq!(ledger.arrived(0), Arrival::Backwards);
    let ledger = super::tests::ledger(None, &[7]);
    assert_eq!(ledger.arrived(7), Arrival::Backwards);
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
