//! The other nodes, and how the links to them are.

use std::cmp::Reverse;

use ratatui::text::{Line, Span};
use ratatui::widgets::Row as TableRow;
use unicode_width::UnicodeWidthStr;

use super::super::model::{Row, SAMPLES_MAX};
use super::super::screen::Sort;
use super::words::{foreign, or_dash, right, sparkline};
use super::{Model, Place, Theme, rest};
use crate::api::shapes::{LinkWord, NodeState, Peer};
use crate::cli::table::{ago, rtt};
use crate::mesh::record::Direction;

/// Columns of each part; those of the label, of the round trips and of what stands behind follow from the width.
const ID: usize = 8;
const STATE: usize = 11;
const LINK: usize = 10;
const DIR: usize = 3;
const RTT: usize = 8;
const SINCE: usize = 7;
/// An IPv6 address with its port has up to 47; few have more than this.
const ADDRESS: usize = 26;
/// Columns of a label: so many if they are used, more on a wide screen.
const LABEL_MIN: usize = 5;
const LABEL_MAX: usize = 14;

/// Draws the panel.
pub fn draw(place: &mut Place, model: &Model, now_ms: u64) {
    let mut fit: Vec<&Row> = model.peers.iter().filter(|row| shows(place, &row.peer)).collect();
    order(&mut fit, place.screen.sort);
    let seen = place.window(fit.len());
    let note = format!("by {}", place.screen.sort.as_str());
    let inner = place.titled(&note, &seen, fit.len(), model.peers.len());
    let seen = fit.get(seen).unwrap_or_default();
    let columns = Columns::of(place.columns(), seen);
    let theme = place.theme;
    let rows = seen.iter().map(|row| columns.row(row, theme, now_ms)).collect();
    place.table(
        inner,
        &columns.names(),
        rows,
        "no other node is known; node connect IP:PORT joins one",
    );
}

fn shows(place: &Place, peer: &Peer) -> bool {
    let id = peer.id.map(|id| id.0.to_string()).unwrap_or_default();
    let addr = peer.addr.map(|addr| addr.to_string()).unwrap_or_default();
    let notes = notes(peer);
    let says = [&id, &peer.label, peer.state.as_str(), peer.link.as_str(), &addr, &notes];
    place.screen.shows(says)
}

fn order(rows: &mut [&Row], sort: Sort) {
    match sort {
        // As the daemon sorts them.
        Sort::Label => {}
        Sort::State => rows.sort_by_key(|row| trouble(row.peer.state)),
        Sort::Rtt => {
            rows.sort_by_key(|row| {
                Reverse(row.peer.rtt_us.filter(|_| row.peer.link == LinkWord::Up))
            });
        }
        Sort::Since => rows.sort_by_key(|row| Reverse(row.peer.since_ms)),
    }
}

fn trouble(state: NodeState) -> u8 {
    match state {
        NodeState::Failed => 0,
        NodeState::Unreachable => 1,
        NodeState::Suspect => 2,
        NodeState::Alive => 3,
        NodeState::Unknown => 4,
        NodeState::Left => 5,
    }
}

/// What else there is to say of a peer.
fn notes(peer: &Peer) -> String {
    let pinned = peer.pinned.then_some("pinned");
    let banned = peer.banned.then_some("banned");
    let problem = peer.problem.as_deref().filter(|problem| *problem != "banned");
    [pinned, banned, problem].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// How many columns each part has.
struct Columns {
    label: usize,
    trend: usize,
    /// None where there is no room: then notes take the place of the round trips that a peer without a link has not.
    behind: Option<usize>,
}

impl Columns {
    fn of(columns: usize, seen: &[&Row]) -> Columns {
        let most = LABEL_MAX.max(columns / 7);
        let widest = seen.iter().map(|row| foreign(&row.peer.label, most).width());
        let label = widest.max().unwrap_or(0).max(LABEL_MIN);
        let left = rest(columns, &[label, ID, STATE, LINK, DIR, RTT, SINCE]);
        let behind = left.checked_sub(SAMPLES_MAX + ADDRESS + 2).filter(|notes| *notes >= DIR);
        Columns { label, trend: left.min(SAMPLES_MAX), behind }
    }

    fn names(&self) -> Vec<(&'static str, usize)> {
        let mut names = vec![
            ("LABEL", self.label),
            ("ID", ID),
            ("STATE", STATE),
            ("LINK", LINK),
            ("DIR", DIR),
            ("  RTT ms", RTT),
            ("  SINCE", SINCE),
            ("LAST ROUND TRIPS", self.trend),
        ];
        if let Some(notes) = self.behind {
            names.extend([("ADDRESS", ADDRESS), ("", notes)]);
        }
        names
    }

    fn row(&self, row: &Row, theme: Theme, now_ms: u64) -> TableRow<'static> {
        let peer = &row.peer;
        let dir = match peer.direction {
            Some(Direction::Out) => "out",
            Some(Direction::In) => "in",
            None => "-",
        };
        let notes = notes(peer);
        let trend = match (self.behind, peer.link) {
            (None, LinkWord::Connecting | LinkWord::Down) if !notes.is_empty() => {
                Span::styled(foreign(&notes, self.trend), theme.warn())
            }
            _ => Span::styled(sparkline(&row.rtts, self.trend), theme.busy()),
        };
        let mut cells = vec![
            Span::raw(or_dash(&peer.label, self.label)),
            Span::raw(peer.id.map_or("-".into(), |id| id.0.short())),
            Span::styled(peer.state.as_str(), theme.node(peer.state)),
            Span::styled(peer.link.as_str(), theme.link(peer.link)),
            Span::raw(dir),
            Span::raw(right(&peer.rtt_us.map_or("-".into(), rtt), RTT)),
            Span::raw(right(&ago(peer.since_ms, now_ms), SINCE)),
            trend,
        ];
        if let Some(columns) = self.behind {
            let addr = peer.addr.map_or("-".into(), |addr| addr.to_string());
            cells.push(Span::raw(foreign(&addr, ADDRESS)));
            cells.push(Span::styled(foreign(&notes, columns), theme.warn()));
        }
        TableRow::new(cells.into_iter().map(Line::from))
    }
}
