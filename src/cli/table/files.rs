//! Files and transfers: the two tables, and the one line of a transfer that runs.

use comfy_table::{Cell, Color};

use super::super::called::hint;
use super::super::look::Look;
use super::{coloured, join, label, lines, number, plain, sentence};
use crate::api::shapes::{File, HexId, Kind, Phase, Transfer};
use crate::text::{UNITS, escape, escape_to, size};

/// After this long without a holder it is said that there is none, seconds: a first look takes less.
const SEEKING_S: f64 = 3.0;
/// Most columns of a path.
const PATH_COLUMNS_MAX: usize = 120;
/// Most holders named.
const HOLDERS_SHOWN_MAX: usize = 3;

/// `node transfers`
pub fn transfers(transfers: &[Transfer], look: Look) -> String {
    if transfers.is_empty() {
        return hint(
            "nothing is being shared or got; node share PATH prints a ticket, node get TICKET uses it\n",
        );
    }
    let header = ["NR", "NAME", "PHASE", "DONE", "RATE", "PEERS", "ETA", "LIMITED BY"];
    let mut table = plain(&header, look);
    for t in transfers {
        let running = !t.phase.is_over();
        let or_none = |shown: bool, text: String| if shown { text } else { "-".into() };
        table.add_row([
            number(t.transfer.to_string()),
            Cell::new(label(&t.name)),
            phase(t, look),
            number(or_none(t.bytes > 0, format!("{} % of {}", percent(t), size(t.bytes)))),
            number(or_none(running && t.bytes_per_second > 0, rate(t.bytes_per_second))),
            number(or_none(running && t.kind == Kind::Get, asked(t).to_string())),
            number(t.eta_s.map_or("-".into(), eta)),
            Cell::new(t.bottleneck.as_deref().map_or("-".into(), escape)),
        ]);
    }
    lines(&table) + &transfers.iter().map(troubles).collect::<String>()
}

/// What is wrong with a transfer, each on a line.
fn troubles(t: &Transfer) -> String {
    let mut text = String::new();
    if let Some(problem) = &t.problem {
        text += &format!("  ! {} {}: {}\n", t.transfer, label(&t.name), sentence(problem));
    }
    for source in t.sources.iter().filter(|s| s.lies > 0) {
        let (who, pieces) = (source.id.0.short(), counted(source.lies, "piece"));
        let name = label(&t.name);
        text += &format!("  ! {} {name}: {who} gave {pieces} with a wrong hash\n", t.transfer);
    }
    text
}

fn phase(t: &Transfer, look: Look) -> Cell {
    let colour = match t.phase {
        Phase::Done => Color::Green,
        Phase::Failed | Phase::Full => Color::Red,
        Phase::Stopped => Color::DarkGrey,
        _ => Color::Yellow,
    };
    let word = match (t.kind, t.phase) {
        (Kind::Share, Phase::Done) => "shared",
        (_, phase) => phase.as_str(),
    };
    coloured(word, colour, look)
}

/// `node pieces`
pub fn pieces(files: &[File], look: Look) -> String {
    if files.is_empty() {
        return hint("no file is known here; node share PATH gives one to others\n");
    }
    let header = ["NAME", "FILE", "SIZE", "HELD", "GIVEN", "ALSO AT", "PATH"];
    let mut table = plain(&header, look);
    for file in files {
        table.add_row([
            Cell::new(label(&file.name)),
            Cell::new(file.file_id.0.short()),
            number(size(file.bytes)),
            held(file, look),
            number(size(file.bytes_given)),
            Cell::new(holders(&file.holders)),
            Cell::new(escape_to(&file.path, PATH_COLUMNS_MAX)),
        ]);
    }
    let problem = |f: &File| {
        let problem = sentence(f.problem.as_deref()?);
        Some(format!("  ! {} {}: {problem}\n", f.file_id.0.short(), label(&f.name)))
    };
    lines(&table) + &files.iter().filter_map(problem).collect::<String>()
}

fn held(file: &File, look: Look) -> Cell {
    if file.pieces_held == file.pieces {
        let (word, colour) =
            if file.served { ("all", Color::Green) } else { ("not given", Color::Red) };
        return coloured(word, colour, look);
    }
    coloured(&format!("{} of {}", file.pieces_held, file.pieces), Color::Yellow, look)
}

fn holders(holders: &[HexId]) -> String {
    let more = holders.len().saturating_sub(HOLDERS_SHOWN_MAX);
    let more = (more > 0).then(|| format!("{more} more"));
    let shown = holders.iter().take(HOLDERS_SHOWN_MAX).map(|id| id.0.short());
    join(shown.chain(more), "-")
}

/// One honest line about a transfer: `62 % 635/1024 MiB 480 MiB/s 3 peers ETA 0:01`.
pub fn progress(t: &Transfer) -> String {
    let hint = if lacks_holders(t) { " (Ctrl-C leaves it waiting in the daemon)" } else { "" };
    standing(t) + hint
}

fn lacks_holders(t: &Transfer) -> bool {
    match t.phase {
        Phase::Seeking => t.unheld || t.seconds >= SEEKING_S,
        Phase::Fetching => t.unheld,
        _ => false,
    }
}

/// How a transfer stands.
pub fn standing(t: &Transfer) -> String {
    match t.phase {
        Phase::Waiting => "waiting for its turn".into(),
        Phase::Seeking if lacks_holders(t) => "nobody who holds it can be reached; waiting".into(),
        Phase::Seeking => "looking for somebody who holds it".into(),
        Phase::Fetching if lacks_holders(t) => {
            let problem = t.problem.as_deref().map(|problem| format!("; {}", sentence(problem)));
            let problem = problem.unwrap_or_default();
            format!("{}{problem}; nobody who holds the rest can be reached; waiting", amounts(t))
        }
        Phase::Hashing | Phase::Fetching => amounts(t),
        Phase::Full => {
            let problem = t.problem.as_deref().map(sentence);
            join(["waiting for room on the disk".into()].into_iter().chain(problem), "")
        }
        Phase::Finishing => "all is here; putting it into its place".into(),
        Phase::Done | Phase::Stopped | Phase::Failed => t.phase.as_str().into(),
    }
}

fn amounts(t: &Transfer) -> String {
    // Small enough a unit that its whole numbers say something.
    let fine = |(unit, _): &&(u64, &str)| t.bytes / unit >= 10;
    let (unit, word) = UNITS.iter().find(fine).copied().unwrap_or((1, "B"));
    let mut text =
        format!("{} % {}/{} {word}", percent(t), t.bytes_done / unit, t.bytes.div_ceil(unit));
    if t.bytes_per_second > 0 {
        text += &format!(" {}", rate(t.bytes_per_second));
    }
    if t.kind == Kind::Get {
        text += &format!(" {}", counted(asked(t), "peer"));
    }
    if let Some(left) = t.eta_s {
        text += &format!(" ETA {}", eta(left));
    }
    text
}

/// Peers that give now. Between two asks, as under a limit, those that gave.
fn asked(t: &Transfer) -> u32 {
    let asked = t.sources.iter().filter(|s| s.asked > 0).count();
    let gave = || t.sources.iter().filter(|s| s.pieces > 0 && t.bytes_per_second > 0).count();
    let count = if asked > 0 { asked } else { gave() };
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// `1 piece`, `2 pieces`.
pub fn counted(n: u32, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}

/// Whole percents; 100 only when all is done.
pub fn percent(t: &Transfer) -> u64 {
    match t.bytes {
        0 => 0,
        bytes => u64::try_from(u128::from(t.bytes_done) * 100 / u128::from(bytes))
            .unwrap_or(100)
            .min(100),
    }
}

/// Bytes per second in their largest unit.
pub fn rate(bytes_per_second: u64) -> String {
    format!("{}/s", size(bytes_per_second))
}

/// `0:01`, `1:02:03`, `3 d`.
pub fn eta(seconds: u64) -> String {
    let (minutes, s) = (seconds / 60, seconds % 60);
    match minutes {
        0..60 => format!("{minutes}:{s:02}"),
        60..2880 => format!("{}:{:02}:{s:02}", minutes / 60, minutes % 60),
        _ => format!("{} d", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::samples;

    fn sample() -> Vec<Transfer> {
        samples::pieces().transfers.iter().map(Transfer::from).collect()
    }

    fn get(change: fn(&mut Transfer)) -> Transfer {
        let mut get = Transfer::from(&samples::fetching(2));
        change(&mut get);
        get
    }

    #[test]
    fn transfers_are_one_a_line_and_their_troubles_below() {
        let mut all = sample();
        all.push(get(|t| {
            t.transfer = 3;
            t.name = String::new();
            (t.phase, t.unheld, t.bytes, t.bytes_per_second) = (Phase::Seeking, true, 0, 0);
            t.bottleneck = Some("no holder in reach".into());
            (t.eta_s, t.sources) = (None, vec![]);
        }));
        all.push(get(|t| {
            t.transfer = 4;
            t.phase = Phase::Failed;
            (t.eta_s, t.bottleneck, t.sources) = (None, None, vec![]);
            t.problem = Some("the disk failed: input/output error; try another directory".into());
        }));
        insta::assert_snapshot!(transfers(&all, Look::default()), @r#"
        NR  NAME      PHASE     DONE              RATE       PEERS  ETA   LIMITED BY
         1  photos    shared    100 % of 3.0 MiB          -      -     -  -
         2  disc.iso  fetching   62 % of 1.0 GiB  480 MiB/s      2  0:01  rate of the peers
         3  -         seeking                  -          -      0     -  no holder in reach
         4  disc.iso  failed     62 % of 1.0 GiB          -      -     -  -
          ! 2 disc.iso: 33333333 gave 2 pieces with a wrong hash
          ! 4 disc.iso: the disk failed: input/output error; try another directory
        "#);
        insta::assert_snapshot!(transfers(&[], Look::default()), @"nothing is being shared or got; node share PATH prints a ticket, node get TICKET uses it");
    }

    #[test]
    fn pieces_say_where_they_can_be_had() {
        let mut files: Vec<File> = samples::pieces().files.iter().map(File::from).collect();
        files[1].holders = (2..9).map(|n| HexId(samples::id(n))).collect();
        insta::assert_snapshot!(pieces(&files, Look::default()), @r#"
        NAME      FILE      SIZE     HELD         GIVEN    ALSO AT                               PATH
        disc.iso  aaaaaaaa  1.0 GiB  635 of 1024  5.0 MiB  22222222, 33333333                    files/disc.iso
        photos    bbbbbbbb  3.0 MiB  all          5.0 MiB  22222222, 33333333, 44444444, 4 more  files/photos
        photos    cccccccc  3.0 MiB  not given    5.0 MiB  -                                     files/photos
          ! cccccccc photos: it has changed since it was shared; share it again
        "#);
        insta::assert_snapshot!(pieces(&[], Look::default()), @"no file is known here; node share PATH gives one to others");
    }

    #[test]
    fn one_line_says_how_it_goes_on() {
        for (change, line) in [
            ((|_| {}) as fn(&mut Transfer), "62 % 635/1024 MiB 480 MiB/s 2 peers ETA 0:01"),
            (|t| t.phase = Phase::Waiting, "waiting for its turn"),
            (|t| t.phase = Phase::Seeking, "looking for somebody who holds it"),
            (
                |t| (t.phase, t.seconds) = (Phase::Seeking, 4.0),
                "nobody who holds it can be reached; waiting (Ctrl-C leaves it waiting in the daemon)",
            ),
            (
                |t| {
                    (t.unheld, t.bytes_per_second, t.eta_s) = (true, 0, None);
                    t.sources.iter_mut().for_each(|s| s.asked = 0);
                },
                "62 % 635/1024 MiB 0 peers; nobody who holds the rest can be reached; waiting (Ctrl-C \
                 leaves it waiting in the daemon)",
            ),
            (
                |t| (t.kind, t.phase) = (Kind::Share, Phase::Hashing),
                "62 % 635/1024 MiB 480 MiB/s ETA 0:01",
            ),
            (|t| t.phase = Phase::Finishing, "all is here; putting it into its place"),
            (
                |t| (t.phase, t.problem) = (Phase::Full, Some("no space left\n".into())),
                "waiting for room on the disk, no space left\\n",
            ),
            (|t| (t.bytes, t.bytes_done) = (5, 5), "100 % 5/5 B 480 MiB/s 2 peers ETA 0:01"),
            (
                |t| t.bytes_done = u64::MAX,
                "100 % 17592186044415/1024 MiB 480 MiB/s 2 peers ETA 0:01",
            ),
        ] {
            assert_eq!(progress(&get(change)), line);
        }
    }

    #[test]
    fn amounts_are_short_and_never_too_good() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_239, "9.9 KiB"),
            (3 << 20, "3.0 MiB"),
            (480 << 20, "480 MiB"),
            (1 << 40, "1.0 TiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
        for (seconds, shown) in [
            (1, "0:01"),
            (61, "1:01"),
            (3_723, "1:02:03"),
            (259_200, "3 d"),
            (u64::MAX, "213503982334601 d"),
        ] {
            assert_eq!(eta(seconds), shown);
        }
        let nearly = get(|t| t.bytes_done = t.bytes - 1);
        assert_eq!(percent(&nearly), 99);
    }

    #[test]
    fn hostile_names_never_reach_the_terminal() {
        let evil = "\x1b[2J\u{202e}\n\u{9b}31m";
        let mut all = sample();
        all.iter_mut().for_each(|t| {
            (t.name, t.path) = (evil.into(), evil.into());
            (t.problem, t.bottleneck) = (Some(evil.into()), Some(evil.into()));
        });
        let mut files: Vec<File> = samples::pieces().files.iter().map(File::from).collect();
        files.iter_mut().for_each(|f| {
            (f.name, f.path, f.problem) = (evil.into(), evil.into(), Some(evil.into()));
        });
        all[1].phase = Phase::Full;
        for text in
            [transfers(&all, Look::default()), pieces(&files, Look::default()), progress(&all[1])]
        {
            let hostile = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!text.contains(hostile), "{text:?}");
            assert!(text.contains("\\u{1b}"));
        }
    }
}
