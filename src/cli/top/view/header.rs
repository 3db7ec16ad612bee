//! The lines above all: which daemon this is and how it is.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::super::super::called::hint;
use super::words::{fit, foreign, or_dash};
use super::{Model, Screen, Theme};
use crate::api::shapes::{Health, Status};
use crate::cli::table::{age, reach};

/// Most columns of the daemon's own label.
const LABEL_COLUMNS_MAX: usize = 24;

/// Who it is; below it what is wrong, if something is.
pub fn lines(
    model: &Model,
    screen: &Screen,
    columns: usize,
    theme: Theme,
    now_ms: u64,
) -> Vec<Line<'static>> {
    let mut first = Vec::new();
    if screen.paused {
        first.extend([Span::styled(" paused, p goes on ", theme.focus()), Span::raw(" ")]);
    }
    match &model.status {
        Some(status) => first.extend(ourselves(status, theme)),
        None => first.push(Span::raw("asking the daemon how it is")),
    }
    let mut lines = vec![Line::from(first)];
    if let Some((since_ms, why)) = &model.lost {
        let begin =
            format!("NOT CONNECTED for {}, trying again: ", age(now_ms.saturating_sub(*since_ms)));
        let why = foreign(why, columns.saturating_sub(begin.width()));
        lines.push(Line::styled(begin + &why, theme.bad()));
    } else if let Some(problem) = model.status.as_ref().and_then(|status| problems(status, columns))
    {
        lines.push(Line::styled(problem, theme.bad()));
    }
    lines
}

fn ourselves(status: &Status, theme: Theme) -> Vec<Span<'static>> {
    let health = match status.health {
        Health::Ok => Span::styled("ok", theme.good()),
        Health::Degraded => Span::styled("degraded", theme.bad()),
    };
    let up = age(status.uptime_s.saturating_mul(1000));
    let rest = format!(", {}, up {up}, version {}", reach(status), foreign(&status.version, 16));
    vec![
        Span::styled(or_dash(&status.label, LABEL_COLUMNS_MAX), theme.head()),
        Span::raw(format!(" ({}) is ", status.id.0.short())),
        health,
        Span::raw(rest),
    ]
}

fn problems(status: &Status, columns: usize) -> Option<String> {
    let (first, more) = (status.problems.first()?, status.problems.len() - 1);
    let more =
        if more > 0 { hint(&format!(" (and {more} more: node status)")) } else { String::new() };
    let room = columns.saturating_sub(more.width() + 2);
    Some(fit(&format!("! {}{more}", foreign(first, room)), columns))
}
