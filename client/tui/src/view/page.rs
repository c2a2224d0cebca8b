//! Draws the page of a conversation, and its pinned messages.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use parlour_sdk::protocol::UserId;
use parlour_sdk::protocol::frame::server::State as Presence;
use parlour_sdk::protocol::kind::{Role, setting};

use super::form;
use crate::model::Model;
use crate::model::page::{MEMBERS_LISTED_MAX, Page, Pins};
use crate::theme::Theme;
use crate::timeline::said;
use crate::{banner, layout, shown, text, when};

/// Cells of the page.
const WIDTH: u16 = 72;
/// Rows under which the keys are left to the line at the bottom of the screen.
const ROWS_WITH_KEYS: usize = 14;

/// The lines of the page as they are shown, with the member whose line it is.
type Lines = Vec<(Line<'static>, Option<UserId>)>;

/// Whether the keys are on the page.
fn has_keys(whole: Rect) -> bool {
    usize::from(whole.height.saturating_sub(2)) >= ROWS_WITH_KEYS
}

/// The part of the screen that the page may take: where its keys are in the line at the bottom,
/// that stays.
fn room(model: &Model) -> Rect {
    let (w, h) = model.size;
    let whole = Rect::new(0, 0, w, h);
    let hints = if has_keys(whole) {
        0
    } else {
        layout::areas(model).hints.height
    };
    Rect {
        height: h - hints.min(h),
        ..whole
    }
}

fn lay(model: &Model, page: &Page, theme: Theme, whole: Rect) -> Lines {
    let inner = usize::from(whole.width.min(WIDTH).saturating_sub(4));
    let about = about(model, page, theme, inner);
    let mut lines: Lines = about.into_iter().map(|line| (line, None)).collect();
    let mut chosen = 0;
    match model.members_listed() {
        Some(members) => {
            let pointed = model.member_chosen(page).map(|(user, _)| user);
            let (listed, all) = (members.len(), model.member_count());
            for (user, role) in members {
                if pointed == Some(user) {
                    chosen = lines.len();
                }
                let line = member(model, user, role, pointed == Some(user), theme);
                lines.push((line, Some(user)));
            }
            if listed >= MEMBERS_LISTED_MAX as usize && all as usize > listed {
                let line = format!("  the first {listed} of {all}");
                lines.push((Line::styled(line, theme.dim()), None));
            }
        }
        None => {
            let line = if model.is_out() {
                "You left, or were removed. Who is in it is told to members."
            } else {
                "asking who the members are…"
            };
            let rows = text::wrap(line, inner).into_iter();
            lines.extend(rows.map(|row| (Line::styled(row, theme.dim()), None)));
        }
    }
    let rows = usize::from(whole.height.saturating_sub(2)).max(1);
    // What went wrong is seen whoever is chosen.
    let mut foot = Vec::new();
    if let Some(error) = &page.error {
        let error = banner::told(error, inner, rows / 2);
        foot.extend(error.into_iter().map(|l| Line::styled(l, theme.error())));
    }
    if has_keys(whole) {
        foot.extend(keys(model, page, theme, inner));
    }
    let mut shown = frame_of(lines, chosen, rows.saturating_sub(foot.len()), theme);
    shown.extend(foot.into_iter().map(|line| (line, None)));
    shown
}

pub(super) fn draw(model: &Model, page: &Page, theme: Theme, frame: &mut Frame<'_>) {
    let Some(chat) = &model.chat else { return };
    let whole = room(model);
    let width = whole.width.min(WIDTH);
    let lines = lay(model, page, theme, whole);
    let lines = lines.into_iter().map(|(line, _)| line).collect();
    let title = text::cut(
        &model.title(chat.conversation),
        usize::from(width.saturating_sub(6)),
    );
    form::boxed(&title, lines, width, theme, whole, frame);
}

/// The member in this cell of the screen; none if it is beside the page.
pub(crate) fn member_at(model: &Model, page: &Page, at: Position) -> Option<Option<UserId>> {
    let whole = room(model);
    let lines = lay(model, page, Theme { colour: false }, whole);
    let rows = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let (outer, area, _) = form::area(rows, whole.width.min(WIDTH), whole);
    if !outer.contains(at) {
        return None;
    }
    let row = usize::from(at.y.saturating_sub(area.y));
    Some(lines.get(row).and_then(|(_, user)| *user))
}

/// So many rows of these lines, with the one chosen among them.
fn frame_of(lines: Lines, chosen: usize, rows: usize, theme: Theme) -> Lines {
    let rows = rows.max(1);
    if lines.len() <= rows {
        return lines;
    }
    // What is above the chosen one is shown as long as there is room.
    let top = (chosen + 2).saturating_sub(rows).min(lines.len() - rows);
    let more = lines.len() - (top + rows);
    let mut out: Lines = lines.into_iter().skip(top).take(rows).collect();
    if more > 0
        && let Some(last) = out.last_mut()
    {
        let word = format!("  … {} more", more + 1);
        *last = (Line::styled(word, theme.dim()), None);
    }
    out
}

fn about(model: &Model, page: &Page, theme: Theme, inner: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let Some(chat) = &model.chat else {
        return lines;
    };
    let fact = |name: &str, value: &str| super::fact(name, value, (9, inner), theme);
    let summary = model.open_summary();
    if model.is_group() {
        let topic = summary.and_then(|s| s.topic.as_deref());
        let topic = topic.map_or_else(|| "none".to_owned(), shown::line);
        lines.extend(fact("topic", &topic));
        let members = model.member_count();
        let shape = if model.is_channel() {
            "channel"
        } else {
            "group"
        };
        let mine = match model.my_role() {
            _ if model.is_out() => "you are no member any more",
            Role::Member => "you are a member",
            Role::Admin => "you are an admin",
            Role::Owner => "you are its owner",
        };
        let count = if members == 1 {
            "1 member".to_owned()
        } else {
            format!("{members} members")
        };
        let mut long = format!("{shape} of {count} · {mine}");
        let brief = mine
            .trim_start_matches("you are ")
            .trim_end_matches(" any more");
        let mut short = format!("{shape} of {members} · {brief}");
        if model.is_out() {
            // How many there are now is told to members.
            long = format!("{shape} · {mine}");
            short = format!("{shape} · {brief}");
        }
        let what = banner::fitting(&[&long, &short], inner.saturating_sub(9));
        lines.extend(fact("what", what));
        let admins = |key: &str| model.rule(key) == Some(setting::ADMINS);
        let mut special = Vec::new();
        if admins(setting::POST) {
            special.push("only admins write");
        }
        if admins(setting::ADD) {
            special.push("only admins add members");
        }
        if model.rule(setting::JOIN) == Some(setting::OPEN) {
            special.push("whoever has its id may join");
        }
        if !special.is_empty() {
            lines.extend(fact("rules", &special.join(" · ")));
        }
    }
    let id = chat.conversation.to_string();
    if text::width(&id) + 9 > inner {
        // To be marked and copied in one piece.
        lines.extend(fact("id", ""));
        lines.push(Line::from(id));
    } else {
        lines.extend(fact("id", &id));
    }
    let mut own = Vec::new();
    if model.is_muted(chat.conversation) {
        own.push("muted".to_owned());
    }
    if let Some(user) = model.to_block(page).filter(|u| model.is_blocked(*u)) {
        own.push(format!("you blocked {}", model.people.full_name(user)));
    }
    if !own.is_empty() {
        lines.extend(fact("for you", &own.join(" · ")));
    }
    lines.push(Line::default());
    lines
}

fn member(model: &Model, user: UserId, role: Role, chosen: bool, theme: Theme) -> Line<'static> {
    let role = match role {
        Role::Member => "",
        Role::Admin => "  admin",
        Role::Owner => "  owner",
    };
    let (dot, seen) = match model.people.presence(user) {
        _ if model.is_me(user) => ("● ", "  you".to_owned()),
        Some(p) if p.state == Presence::Online => ("● ", String::new()),
        Some(p) if p.state == Presence::Offline => {
            let seen = p
                .last_seen_ms
                .map(|ms| format!("  last seen {}", when::short(ms, model.now_ms, &model.zone)));
            ("○ ", seen.unwrap_or_default())
        }
        _ => ("· ", String::new()),
    };
    let blocked = if model.is_blocked(user) {
        "  blocked"
    } else {
        ""
    };
    let bar = if chosen { "▌" } else { " " };
    let name = model.people.full_name(user);
    let name = if chosen {
        Span::styled(name, theme.bold())
    } else {
        Span::raw(name)
    };
    Line::from(vec![
        Span::styled(bar, theme.accent()),
        Span::styled(dot, theme.good()),
        name,
        Span::styled(format!("{role}{seen}{blocked}"), theme.dim()),
    ])
}

/// The keys that do something here and now.
fn deeds(model: &Model, page: &Page) -> Vec<(&'static str, &'static str)> {
    let mut deeds = Vec::new();
    let admin = model.my_role() >= Role::Admin;
    let member = model.is_group() && !model.is_out();
    let chosen = model.member_chosen(page);
    if member && admin {
        deeds.extend([("n", "name"), ("t", "topic"), ("s", "settings")]);
    }
    if member && (admin || !model.is_channel()) {
        deeds.push(("a", "add"));
    }
    if let Some((user, role)) = chosen.filter(|_| member) {
        if model.is_over(user, role) {
            deeds.extend([("r", "role"), ("x", "remove")]);
        } else if model.is_me(user) && role > Role::Member {
            deeds.push(("r", "role"));
        }
    }
    deeds.push(("p", "pins"));
    let muted = model
        .chat
        .as_ref()
        .is_some_and(|c| model.is_muted(c.conversation));
    deeds.push(("u", if muted { "unmute" } else { "mute" }));
    if let Some(user) = model.to_block(page) {
        deeds.push((
            "b",
            if model.is_blocked(user) {
                "unblock"
            } else {
                "block"
            },
        ));
    }
    if member && chosen.is_some_and(|(user, _)| !model.is_me(user)) {
        deeds.push(("Enter", "write to them"));
    }
    if member {
        deeds.push(("X", "leave"));
    }
    deeds.push(("Esc", "close"));
    deeds
}

fn keys(model: &Model, page: &Page, theme: Theme, inner: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    let mut line = Line::default();
    for (key, what) in deeds(model, page) {
        if line.width() > 0 && line.width() + key.len() + what.len() + 1 > inner {
            lines.push(std::mem::take(&mut line));
        }
        line.push_span(Span::styled(key, theme.bold()));
        line.push_span(Span::styled(format!(" {what}   "), theme.dim()));
    }
    lines.push(line);
    lines
}

/// The same keys, for the line at the bottom of the screen.
pub(super) fn hints(model: &Model, page: &Page) -> Vec<(&'static str, &'static str)> {
    // How one gets out is seen on a narrow screen too.
    let first = [("?", "help"), ("Esc", "close"), ("↑↓", "choose")];
    let deeds = deeds(model, page).into_iter();
    let others = deeds.filter(|(key, _)| *key != "Esc");
    first.into_iter().chain(others).collect()
}

pub(super) fn pins(model: &Model, pins: &Pins, theme: Theme, frame: &mut Frame<'_>) {
    let whole = room(model);
    let width = whole.width.min(WIDTH);
    let inner = usize::from(width.saturating_sub(4));
    let rows = usize::from(whole.height.saturating_sub(2)).max(1);
    let mut lines: Lines = Vec::new();
    let mut chosen = 0;
    match pins.events.as_deref() {
        None => lines.push((Line::styled("looking…", theme.dim()), None)),
        Some([]) => {
            let none = "Nothing is pinned among the messages loaded here. To pin one, choose it \
                        with Shift+↑ and press p; older ones load as you scroll back.";
            let none = text::wrap(none, inner).into_iter().map(Line::from);
            lines.extend(none.map(|line| (line, None)));
        }
        Some(events) => {
            for (at, event) in events.iter().enumerate() {
                let here = at == pins.at;
                let time = when::short(event.time_ms, model.now_ms, &model.zone);
                let room = inner.saturating_sub(text::width(&time) + 3);
                let what = text::fit(&said::quote(model, event), room);
                if here {
                    chosen = lines.len();
                }
                let line = Line::from(vec![
                    Span::styled(if here { "▌" } else { " " }, theme.accent()),
                    Span::styled(what, if here { theme.bold() } else { theme.plain() }),
                    Span::styled(format!("  {time}"), theme.dim()),
                ]);
                lines.push((line, None));
            }
        }
    }
    let shown = frame_of(lines, chosen, rows, theme);
    let shown = shown.into_iter().map(|(line, _)| line).collect();
    form::boxed("Pinned", shown, width, theme, whole, frame);
}
