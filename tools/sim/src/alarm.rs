//! When a machine wants to be woken: one wish at a time, and one tick on its way to it.
//!
//! Promises: a machine is given time when it asked for it and not before, as the runtime does it; a
//! tick that was overtaken by an earlier one wakes nobody and plans nothing, so that ticks never
//! multiply.

/// One machine's alarm.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alarm {
    /// When it wants to be woken.
    wanted_ms: Option<u64>,
    /// When the next tick that counts comes.
    planned_ms: Option<u64>,
}

impl Alarm {
    /// It wants to be woken then, or not at all, whatever it wanted before. Gives after how long a
    /// tick is to come, if one must be planned for it.
    #[must_use]
    pub fn set(&mut self, now_ms: u64, at_ms: Option<u64>) -> Option<u64> {
        self.wanted_ms = at_ms;
        self.plan(now_ms)
    }

    /// The same, unless it is to be woken earlier already.
    #[must_use]
    pub fn set_earlier(&mut self, now_ms: u64, at_ms: u64) -> Option<u64> {
        let at_ms = self.wanted_ms.map_or(at_ms, |w| w.min(at_ms));
        self.set(now_ms, Some(at_ms))
    }

    /// A tick came. Gives whether it wakes the machine, and after how long another is to come.
    #[must_use]
    pub fn tick(&mut self, now_ms: u64) -> (bool, Option<u64>) {
        if self.planned_ms.is_none_or(|p| p > now_ms) {
            return (false, None);
        }
        self.planned_ms = None;
        if self.wanted_ms.take_if(|w| *w <= now_ms).is_some() {
            return (true, None);
        }
        (false, self.plan(now_ms))
    }

    fn plan(&mut self, now_ms: u64) -> Option<u64> {
        let at_ms = self.wanted_ms?.max(now_ms + 1);
        if self.planned_ms.is_some_and(|p| p <= at_ms) {
            return None;
        }
        self.planned_ms = Some(at_ms);
        Some(at_ms - now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::Alarm;

    #[test]
    fn a_wish_is_met_once() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(100, Some(150)), Some(50));
        assert_eq!(alarm.set(110, Some(150)), None);
        assert_eq!(alarm.tick(150), (true, None));
        assert_eq!(alarm.tick(151), (false, None));
    }

    #[test]
    fn an_earlier_wish_overtakes() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(100, Some(200)), Some(100));
        assert_eq!(alarm.set(100, Some(150)), Some(50));
        assert_eq!(alarm.tick(150), (true, None));
        assert_eq!(alarm.set(150, Some(300)), Some(150));
        // The tick that was overtaken.
        assert_eq!(alarm.tick(200), (false, None));
        assert_eq!(alarm.tick(300), (true, None));
    }

    #[test]
    fn a_later_wish_wakes_later() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(100, Some(150)), Some(50));
        assert_eq!(alarm.set(120, Some(400)), None);
        assert_eq!(alarm.tick(150), (false, Some(250)));
        assert_eq!(alarm.tick(400), (true, None));
    }

    #[test]
    fn no_wish_and_wishes_that_are_due() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(100, Some(90)), Some(1));
        assert_eq!(alarm.set(100, None), None);
        assert_eq!(alarm.tick(101), (false, None));
        assert_eq!(alarm.set_earlier(101, 500), Some(399));
        assert_eq!(alarm.set_earlier(101, 600), None);
        assert_eq!(alarm.set_earlier(101, 300), Some(199));
        assert_eq!(alarm.tick(300), (true, None));
    }
}
