//! A store in the smallest form that answers as of a position: every row that was ever written.

use parlour_protocol::fact::{Fact, Question, Target};
use parlour_protocol::position::Position;
use parlour_protocol::record::Header;
use parlour_protocol::row::{Event, Interval, Row};

/// Rows in the order of their arrival; equal ones once.
#[derive(Default, Clone)]
pub struct Store {
    pub rows: Vec<Row>,
}

impl Store {
    pub fn append(&mut self, rows: &[Row]) {
        for row in rows {
            if !self.rows.contains(row) {
                self.rows.push(row.clone());
            }
        }
    }

    pub fn facts(&self, as_of: Position, questions: &[Question]) -> Vec<Fact> {
        questions.iter().map(|q| self.fact(as_of, q)).collect()
    }

    fn events(&self, as_of: Position) -> impl Iterator<Item = &Event> {
        self.rows.iter().filter_map(move |r| match r {
            Row::Event(e) if e.position.before(as_of) => Some(e),
            _ => None,
        })
    }

    fn intervals(&self, as_of: Position) -> Vec<Interval> {
        let mut out: Vec<Interval> = Vec::new();
        for row in &self.rows {
            let Row::Interval(i) = row else { continue };
            if !i.from.position.before(as_of) {
                continue;
            }
            let mut i = *i;
            i.until = i.until.filter(|u| u.position.before(as_of));
            match out
                .iter_mut()
                .find(|o| o.conversation == i.conversation && o.user == i.user && o.from == i.from)
            {
                Some(o) => o.until = o.until.or(i.until),
                None => out.push(i),
            }
        }
        out.sort_by_key(|i| (i.user, i.from.seq));
        out
    }

    fn fact(&self, as_of: Position, question: &Question) -> Fact {
        let conversation = question.conversation();
        match question {
            Question::Head(_) => Fact::Head(
                self.events(as_of)
                    .filter(|e| e.conversation == conversation)
                    .max_by_key(|e| e.seq)
                    .map(|e| (e.seq, e.carried)),
            ),
            Question::Outcome { sender, id, .. } => {
                Fact::Outcome(self.rows.iter().find_map(|r| match r {
                    Row::Outcome(o)
                        if o.conversation == conversation
                            && o.sender == *sender
                            && o.id == *id
                            && o.position.before(as_of) =>
                    {
                        Some(o.outcome)
                    }
                    _ => None,
                }))
            }
            Question::Member { user, .. } => Fact::Member(
                self.intervals(as_of)
                    .into_iter()
                    .filter(|i| i.conversation == conversation && i.user == *user)
                    .collect(),
            ),
            Question::Members(_) => Fact::Members(
                self.intervals(as_of)
                    .into_iter()
                    .filter(|i| i.conversation == conversation && i.until.is_none())
                    .collect(),
            ),
            Question::Setting { key, .. } => Fact::Setting(
                self.rows
                    .iter()
                    .filter_map(|r| match r {
                        Row::Setting(s)
                            if s.conversation == conversation
                                && s.key == *key
                                && s.position.before(as_of) =>
                        {
                            Some((s.seq, s.value.clone()))
                        }
                        _ => None,
                    })
                    .max_by_key(|(seq, _)| *seq),
            ),
            Question::Target { seq, .. } => Fact::Target(
                self.events(as_of)
                    .find(|e| e.conversation == conversation && e.seq == *seq)
                    .map(|e| {
                        let h = Header::from_bytes(&e.header).expect("a header");
                        Target {
                            sender: h.sender,
                            class: h.class,
                            erased: self.rows.iter().any(|r| {
                                matches!(r, Row::Erased(x) if x.conversation == conversation
                                    && x.target == *seq && x.position.before(as_of))
                            }),
                        }
                    }),
            ),
        }
    }
}
