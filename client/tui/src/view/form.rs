//! Draws forms, and the way in.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};

use crate::form::Form;
use crate::model::Model;
use crate::theme::Theme;
use crate::{shown, text};

/// The way in, in the middle of the screen.
pub(super) fn entrance(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let (w, h) = model.size;
    let whole = Rect::new(0, 0, w, h);
    let mut foot = vec![
        "Enter goes on · ←→ choose · F1 help · Ctrl+Q quits".to_owned(),
        "Whoever runs the server sees its address when it starts.".to_owned(),
    ];
    if model.entrance.busy {
        foot = vec!["Asking the server…".to_owned()];
    }
    draw(
        &model.entrance,
        &foot,
        theme,
        whole,
        model.over.is_none(),
        frame,
    );
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
    let width = whole.width.min(64);
    let inner = usize::from(width.saturating_sub(4));
    let label = form.fields.iter().map(|f| f.label.len()).max().unwrap_or(0);
    let label = label.min(inner / 2);
    let mut lines = Vec::new();
    let mut cursor = None;
    let offset = usize::from(!form.choices.is_empty());
    if offset > 0 {
        choices(form, inner, theme, &mut lines);
        lines.push(Line::default());
    }
    for (at, field) in form.fields.iter().enumerate() {
        let here = form.at == at + offset;
        let room = inner.saturating_sub(label + 3).max(2);
        let (rows, (row, column)) = field.edit.rows(room, field.masked);
        let shown = rows.get(row).cloned().unwrap_or_default();
        let name = format!("{} ", text::fit(field.label, label));
        let style = if here { theme.accent() } else { theme.plain() };
        if here {
            cursor = Some((lines.len(), label + 3 + column));
        }
        if !field.options.is_empty() {
            let mut line = Line::from(vec![
                Span::styled(name, style),
                Span::styled(if here { "› " } else { "  " }, style),
            ]);
            cursor = cursor.filter(|_| !here);
            for (at, option) in field.options.iter().enumerate() {
                let (mark, style) = match (at == field.chosen, here) {
                    (true, true) => (format!("[{option}]"), theme.chosen()),
                    (true, false) => (format!("[{option}]"), theme.bold()),
                    (false, _) => (format!(" {option} "), theme.dim()),
                };
                line.push_span(Span::styled(mark, style));
            }
            lines.push(line);
            continue;
        }
        let value = if field.edit.is_empty() {
            Span::styled(text::cut(field.hint, room), theme.dim())
        } else {
            Span::raw(text::cut(&shown, room))
        };
        lines.push(Line::from(vec![
            Span::styled(name, style),
            Span::styled(if here { "› " } else { "  " }, style),
            value,
        ]));
    }
    if !form.ideas.is_empty() {
        let ideas = format!("perhaps: {}", form.ideas.join("  "));
        lines.push(Line::styled(text::cut(&ideas, inner), theme.dim()));
    }
    lines.push(Line::default());
    if let Some(error) = &form.error {
        for line in text::wrap(&shown::line(error), inner) {
            lines.push(Line::styled(line, theme.error()));
        }
        lines.push(Line::default());
    }
    let busy = form.busy && foot.is_empty();
    let busy = busy.then(|| "Asking the server…".to_owned());
    for line in foot.iter().chain(&busy) {
        for line in text::wrap(line, inner) {
            lines.push(Line::styled(line, theme.dim()));
        }
    }
    let area = boxed(form.title, lines, width, theme, whole, frame);
    if let Some((row, column)) = cursor.filter(|_| active) {
        super::chat::cursor(area, row, column, frame);
    }
}

fn choices(form: &Form, inner: usize, theme: Theme, lines: &mut Vec<Line<'static>>) {
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
            lines.push(std::mem::take(&mut line));
        }
        line.push_span(Span::styled(mark, style));
    }
    lines.push(line);
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
    let height = rows.saturating_add(2).min(whole.height);
    let width = width.min(whole.width);
    let outer = Rect::new(
        whole.x + (whole.width - width) / 2,
        whole.y + (whole.height - height) / 2,
        width,
        height,
    )
    .intersection(frame.area());
    frame.render_widget(Clear, outer);
    // With no room for a frame, what it frames goes first.
    let framed = outer.width > 8 && (outer.height > 6 || outer.height == rows.saturating_add(2));
    let area = if framed {
        let block = Block::bordered()
            .title(format!(" {title} "))
            .title_style(theme.bold())
            .border_style(theme.dim());
        let area = block.inner(outer);
        frame.render_widget(block, outer);
        Rect {
            x: area.x + 1,
            width: area.width.saturating_sub(2),
            ..area
        }
    } else {
        outer
    };
    super::put(lines, theme.plain(), area, frame);
    area
}
