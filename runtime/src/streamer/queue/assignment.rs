//! Which subscriber of a group gets which line.

use super::line::{Line, SubscriberId};

/// Shares the lines out evenly, moving no more of them than that takes.
pub(super) fn assign(lines: &mut [Line], subscribers: &[SubscriberId]) {
    let load = |id: &SubscriberId| {
        let owned = lines.iter().filter(|line| line.owner == Some(*id));
        (owned.count(), *id)
    };
    let mut loads: Vec<_> = subscribers.iter().map(load).collect();
    for line in &mut *lines {
        if !line.owner.is_some_and(|owner| subscribers.contains(&owner)) {
            line.owner = loads.iter_mut().min().map(|(load, id)| {
                *load += 1;
                *id
            });
        }
    }
    loads.sort_unstable();
    while let [(least, to), .., (most, from)] = &mut loads[..]
        && *least + 1 < *most
        && let Some(line) = lines.iter_mut().find(|line| line.owner == Some(*from))
    {
        line.owner = Some(*to);
        *least += 1;
        *most -= 1;
        loads.sort_unstable();
    }
}
