//! Draws forms, and the way in.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};

use crate::form::Form;
use crate::model::{Model, Over};
use crate::theme::Theme;
use crate::{shown, text};

/// The way in, in the middle of the screen.
pub(super) fn entrance(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let (w, h) = model.size;
    let whole = Rect::new(0, 0, w, h);
    let foot = entrance_foot(model);
    draw(
        &model.entrance,
        &foot,
        theme,
        whole,
        model.over.is_none(),
        frame,
    );
}

fn entrance_foot(model: &Model) -> Vec<String> {
    if model.entrance.busy {
        return vec!["Asking the server… Esc stops waiting for it.".to_owned()];
    }
    if model.is_shut() {
        return vec!["Enter tries again · Ctrl+Q quits".to_owned()];
    }
    vec![
        "Enter goes on · ←→ choose · F1 help · Ctrl+Q quits".to_owned(),
        "Whoever runs the server sees its address when it starts.".to_owned(),
    ]
}

/// What of a form is where: to be drawn, and to be clicked.
struct Laid {
    lines: Vec<Line<'static>>,
    /// Where the cursor is: row and column.
    cursor: Option<(usize, usize)>,
    /// Rows of fields, and where their text begins.
    fields: Vec<(usize, usize)>,
    /// Row, first cell and width of each choice above the fields.
    choices: Vec<(usize, usize, usize)>,
    width: u16,
    /// Cells of a field's text.
    room: usize,
}

/// What of a form was clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    /// A choice above the fields.
    Choice(usize),
    /// A field: which, how many cells its text has, and the cell in it.
    Field(usize, usize, usize),
}

/// What of the form that is on the screen is in this cell.
pub(crate) fn hit(model: &Model, at: Position) -> Option<Hit> {
    let (w, h) = model.size;
    let whole = Rect::new(0, 0, w, h);
    let theme = Theme { colour: false };
    let (form, foot) = match &model.over {
        Some(Over::New(form) | Over::Set(form, ..) | Over::React(form, _)) => {
            (form, super::over::foot(model))
        }
        None if model.me.is_none() => (&model.entrance, entrance_foot(model)),
        _ => return None,
    };
    let laid = lay(form, &foot, theme, whole);
    let rows = u16::try_from(laid.lines.len()).unwrap_or(u16::MAX);
    let (_, area, _) = area(rows, laid.width, whole);
    if !area.contains(at) {
        return None;
    }
    let (row, column) = (usize::from(at.y - area.y), usize::from(at.x - area.x));
    let choice = laid
        .choices
        .iter()
        .position(|(r, from, width)| *r == row && (*from..from + width).contains(&column));
    let field = || {
        let index = laid.fields.iter().position(|(r, _)| *r == row)?;
        let begins = laid.fields.get(index)?.1;
        Some(Hit::Field(index, laid.room, column.saturating_sub(begins)))
    };
    choice.map(Hit::Choice).or_else(field)
}

/// A form in a box.
pub(super) fn draw(
    form: &Form,
    foot: &[String],
    theme: Theme,
    whole: Rect,
    active: bool,
    frame: &mut Frame<'_>,
) {
    let laid = lay(form, foot, theme, whole);
    let title = text::cut(&form.title, usize::from(laid.width.saturating_sub(6)));
    let area = boxed(&title, laid.lines, laid.width, theme, whole, frame);
    if let Some((row, column)) = laid.cursor.filter(|_| active) {
        super::chat::cursor(area, row, column, frame);
    }
}

/// What is left out of a form where it does not fit, beginning with what is missed least.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Without {
    Nothing,
    /// What is said under it.
    Foot,
    /// Empty lines.
    Gaps,
    /// All fields but the one with the cursor.
    Fields,
}

fn lay(form: &Form, foot: &[String], theme: Theme, whole: Rect) -> Laid {
    let rows = usize::from(whole.height.saturating_sub(2));
    let fits = |laid: &Laid| laid.lines.len() <= rows;
    let mut laid = lay_without(Without::Nothing, form, foot, theme, whole);
    // Of what is said under it as many sentences as there is room for.
    let mut foot = foot;
    while let (false, [more @ .., _]) = (fits(&laid), foot) {
        foot = more;
        laid = lay_without(Without::Nothing, form, foot, theme, whole);
    }
    for without in [Without::Foot, Without::Gaps, Without::Fields] {
        if !fits(&laid) {
            laid = lay_without(without, form, foot, theme, whole);
        }
    }
    laid
}

fn lay_without(without: Without, form: &Form, foot: &[String], theme: Theme, whole: Rect) -> Laid {
    let gap = without < Without::Gaps;
    let width = whole.width.min(64);
    let inner = usize::from(width.saturating_sub(4));
    let label = form.fields.iter().map(|f| f.label.len()).max().unwrap_or(0);
    let label = label.min(inner / 2);
    let room = inner.saturating_sub(label + 3).max(2);
    let mut laid = Laid {
        lines: Vec::new(),
        cursor: None,
        fields: Vec::new(),
        choices: Vec::new(),
        width,
        room,
    };
    let offset = usize::from(!form.choices.is_empty());
    let all = without < Without::Fields;
    if offset > 0 && (all || form.at == 0) {
        choices(form, inner, theme, &mut laid);
        if gap {
            laid.lines.push(Line::default());
        }
    }
    for (at, field) in form.fields.iter().enumerate() {
        let here = form.at == at + offset;
        if !all && !here {
            // Nowhere to be clicked.
            laid.fields.push((usize::MAX, 0));
            continue;
        }
        laid.fields.push((laid.lines.len(), label + 3));
        let name = format!("{} ", text::fit(field.label, label));
        let style = if here { theme.accent() } else { theme.plain() };
        let mut line = Line::from(vec![
            Span::styled(name, style),
            Span::styled(if here { "› " } else { "  " }, style),
        ]);
        if field.options.is_empty() {
            let (rows, (row, column)) = field.edit.rows(room, field.masked);
            let shown = rows.get(row).cloned().unwrap_or_default();
            if here {
                laid.cursor = Some((laid.lines.len(), label + 3 + column));
            }
            line.push_span(if field.edit.is_empty() {
                Span::styled(text::cut(field.hint, room), theme.dim())
            } else {
                Span::raw(text::cut(&shown, room))
            });
        }
        let all: usize = field.options.iter().map(|o| text::width(o) + 2).sum();
        for (at, option) in field.options.iter().enumerate() {
            // Where not all have room the others are turned to.
            if all > room && at != field.chosen {
                continue;
            }
            let (mark, style) = match (at == field.chosen, here) {
                (true, true) => (format!("[{option}]"), theme.chosen()),
                (true, false) => (format!("[{option}]"), theme.bold()),
                (false, _) => (format!(" {option} "), theme.dim()),
            };
            line.push_span(Span::styled(mark, style));
        }
        laid.lines.push(line);
    }
    let lines = &mut laid.lines;
    if !form.ideas.is_empty() {
        let ideas = format!("perhaps: {}", form.ideas.join("  "));
        lines.push(Line::styled(text::cut(&ideas, inner), theme.dim()));
    }
    if gap {
        lines.push(Line::default());
    }
    // Behind it comes something, or the frame.
    let ends = foot.is_empty() || without >= Without::Foot;
    if let Some(error) = &form.error {
        for line in text::wrap(&shown::line(error), inner) {
            lines.push(Line::styled(line, theme.error()));
        }
        if !ends {
            lines.push(Line::default());
        }
    }
    let busy = form.busy && foot.is_empty();
    let busy = busy.then(|| "Asking the server…".to_owned());
    if without >= Without::Foot {
        return laid;
    }
    for line in foot.iter().chain(&busy) {
        for line in text::wrap(line, inner) {
            lines.push(Line::styled(line, theme.dim()));
        }
    }
    laid
}

fn choices(form: &Form, inner: usize, theme: Theme, laid: &mut Laid) {
    let mut line = Line::default();
    for (at, choice) in form.choices.iter().enumerate() {
        let style = match (at == form.chosen, form.at == 0) {
            (true, true) => theme.chosen(),
            (true, false) => theme.bold(),
            (false, _) => theme.dim(),
        };
        let mark = if at == form.chosen {
            format!("[{choice}]")
        } else {
            format!(" {choice} ")
        };
        if line.width() + text::width(&mark) > inner {
            laid.lines.push(std::mem::take(&mut line));
        }
        let place = (laid.lines.len(), line.width(), text::width(&mark));
        laid.choices.push(place);
        line.push_span(Span::styled(mark, style));
    }
    laid.lines.push(line);
}

/// The box of so many lines in the middle: with its frame, within it, and whether it has one.
pub(super) fn area(rows: u16, width: u16, whole: Rect) -> (Rect, Rect, bool) {
    let height = rows.saturating_add(2).min(whole.height);
    let width = width.min(whole.width);
    let outer = Rect::new(
        whole.x + (whole.width - width) / 2,
        whole.y + (whole.height - height) / 2,
        width,
        height,
    );
    // With no room for a frame, what it frames goes first.
    let framed = outer.width > 8 && (outer.height > 6 || outer.height == rows.saturating_add(2));
    if !framed {
        return (outer, outer, false);
    }
    let inner = Rect {
        x: outer.x + 2,
        y: outer.y + 1,
        width: outer.width.saturating_sub(4),
        height: outer.height.saturating_sub(2),
    };
    (outer, inner, true)
}

/// Lines in a box in the middle. Gives the area of the lines.
pub(super) fn boxed(
    title: &str,
    lines: Vec<Line<'_>>,
    width: u16,
    theme: Theme,
    whole: Rect,
    frame: &mut Frame<'_>,
) -> Rect {
    let rows = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let (outer, area, framed) = area(rows, width, whole);
    frame.render_widget(Clear, outer.intersection(frame.area()));
    if framed {
        let block = Block::bordered()
            .title(format!(" {title} "))
            .title_style(theme.bold())
            .border_style(theme.dim());
        frame.render_widget(block, outer.intersection(frame.area()));
    }
    super::put(lines, theme.plain(), area, frame);
    area
}
