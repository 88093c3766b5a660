//! How far into the future a pass has to look.

use std::collections::HashMap;

use super::forecast::Forecast;
use super::profile::Profile;
use super::reservation::Reservation;
use crate::{ClusterView, Demand, TaskId, Time};

/// The near future, which ends on each worker at the first instant at which no waiting task fits, its cut: that may be now.
///
/// What may start now has to fit from now to its end, so it has ended by then.
/// No reservation can lie across a cut: it is inside the window or beyond it, and what lies beyond leaves what is free
/// inside as it is. So of the tasks in queue order only those that may fit inside have to be looked at, and the others,
/// most of a deep queue, are passed over. Two things have to hold for that.
///
/// - A task that is passed over has no reservation inside. It did not fit there when its turn came, with reservations
///   inside of none but tasks before it.
/// - A task that gets a reservation inside gets the right one. Its earliest start is before the cut of the worker that it is
///   on: up to there that profile is what it would be with every reservation made. Of other workers' profiles what lies behind
///   their cuts is too empty, so that the starts found there are no later than the true ones, and yet not earlier.
///   Where one of those is the earliest, tasks before it that were passed over get theirs first, one after the other in
///   queue order, until that is clear; those of tasks behind them, all inside, are not in the way.
///
/// A profile only fills up, so a cut once found holds to the end of the pass, and cuts only move towards now.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// By profile; none while some worker has none.
    pub(super) cuts: Vec<Time>,
    /// Every waiting task fits into one of them that fits inside.
    pub(super) openings: Vec<Demand>,
    /// Tasks that have a reservation before their turn, or have started.
    pub(super) reserved: HashMap<TaskId, Option<Reservation>>,
    /// A reservation was made since the cuts and openings were found.
    pub(super) stale: bool,
    known: bool,
}

impl Window {
    /// Brings the window up to date; false if there is none.
    pub(super) fn narrow(
        &mut self,
        view: &ClusterView<'_>,
        profiles: &[Profile],
        forecast: &Forecast,
    ) -> bool {
        if self.known && !self.stale {
            return !self.cuts.is_empty();
        }
        (self.known, self.stale) = (true, false);
        let cuts: Option<Vec<Time>> = profiles.iter().map(|on| on.full_from(view.now())).collect();
        if let Some(cuts) = cuts {
            self.cuts = cuts;
        }
        if self.cuts.is_empty() {
            return false;
        }
        self.openings.clear();
        for (on, &cut) in profiles.iter().zip(&self.cuts) {
            on.open_until(cut, view, forecast, &mut self.openings);
        }
        true
    }
}
