//! How a call to a port goes: when it takes effect, and when and what is answered.

use crate::dice::Dice;

/// How one call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It takes effect and is answered.
    Fine {
        /// After so long.
        effect_ms: u64,
        /// After so long more.
        answer_ms: u64,
    },
    /// It never takes effect, and says so.
    Refused {
        /// After so long.
        answer_ms: u64,
    },
    /// It takes effect, in whole or in part, and is answered by a failure.
    Lost {
        /// It takes effect after so long; perhaps long after the answer.
        effect_ms: u64,
        /// Whether in whole.
        whole: bool,
        /// The failure comes after so long.
        answer_ms: u64,
    },
    /// It never takes effect, and nobody knows.
    Vanished {
        /// The failure comes after so long.
        answer_ms: u64,
    },
}

/// Rolls a call's fate. Without faults everything is fine, and quick.
pub fn fate(dice: &mut Dice, faults: bool) -> Fate {
    if dice.is_still() {
        return Fate::Fine {
            effect_ms: 1,
            answer_ms: 1,
        };
    }
    let quick = dice.between(0, 4);
    if !faults || dice.percent(90) {
        return Fate::Fine {
            effect_ms: quick,
            answer_ms: dice.between(0, 3),
        };
    }
    match dice.below(8) {
        0 => Fate::Refused { answer_ms: quick },
        1 => Fate::Vanished {
            answer_ms: dice.between(10, 500),
        },
        2 => Fate::Fine {
            effect_ms: dice.between(5, 400),
            answer_ms: dice.between(0, 400),
        },
        3 => Fate::Lost {
            effect_ms: quick,
            whole: false,
            answer_ms: dice.between(5, 200),
        },
        4 => Fate::Lost {
            effect_ms: dice.between(1_000, 60_000),
            whole: dice.percent(50),
            answer_ms: dice.between(5, 500),
        },
        5 => Fate::Lost {
            effect_ms: dice.between(50, 3_000),
            whole: true,
            answer_ms: dice.between(5, 50),
        },
        _ => Fate::Lost {
            effect_ms: quick,
            whole: true,
            answer_ms: dice.between(5, 200),
        },
    }
}
