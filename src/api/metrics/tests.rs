use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use actix_web::http::Method;
use actix_web::test::{init_service, try_call_service};

use super::*;
use crate::actors::policy::setting_rows;
use crate::api::Drain;
use crate::api::samples;
use crate::api::server::app;
use crate::api::tests::{Fake, call, context_of, request, rows, services};
use crate::mesh::NodeId;
use crate::settings::{Sources, load};

/// What is told of one family.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    unit: String,
    /// Labels as they are written, and the value.
    samples: Vec<(String, String, f64)>,
}

/// Reads a scrape; fails on whatever OpenMetrics does not allow and this daemon could do.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut all: BTreeMap<String, Family> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let body = text.strip_suffix("# EOF\n").expect("it has an end");
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (what, name) = (words.next().unwrap(), words.next().unwrap().to_owned());
            let value = words.next().unwrap_or("").to_owned();
            let fresh = !all.contains_key(&name);
            let family = all.entry(name).or_default();
            match what {
                "HELP" => {
                    assert!(fresh, "told twice: {line}");
                    family.help = value;
                }
                "TYPE" => family.kind = value,
                "UNIT" => family.unit = value,
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        assert!(seen.insert(series.to_owned()), "told twice: {line}");
        let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let of = name.strip_suffix("_total").or(name.strip_suffix("_info")).unwrap_or(name);
        let family = all.get_mut(of).unwrap_or_else(|| panic!("of no family: {line}"));
        family.samples.push((name.to_owned(), labels.trim_end_matches('}').to_owned(), value));
    }
    all
}

/// What a daemon shows to which nothing special has happened.
fn seen() -> Seen {
    Seen {
        status: Some(RegistryStatus { links: 1, joined: true, ..RegistryStatus::default() }),
        peers: Some(rows()),
        figures: Some(samples::figures()),
        settings: Some(setting_rows(&load(&Sources::default()).unwrap())),
        view: Arc::new(samples::view()),
        pieces: Arc::new(samples::pieces()),
        mail: Arc::default(),
    }
}

fn context() -> web::Data<Context> {
    let fake = Fake::default();
    context_of(&fake, services(&fake), &Drain::default())
}

fn told(seen: &Seen) -> BTreeMap<String, Family> {
    families(&text(&context(), seen).unwrap())
}

/// The values of a family, by the labels as they are written.
fn values(all: &BTreeMap<String, Family>, name: &str) -> BTreeMap<String, f64> {
    let family = all.get(name).unwrap_or_else(|| panic!("{name} is not told"));
    family.samples.iter().map(|(_, labels, value)| (labels.clone(), *value)).collect()
}

#[actix::test]
async fn names_and_help_texts_follow_the_rules_of_prometheus() {
    let all = told(&seen());
    assert!(all.len() >= 70, "{}", all.len());
    for (name, family) in &all {
        let letters = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(name.chars().all(letters), "{name}");
        assert!(name.starts_with("kith_") || name.starts_with("process_"), "{name}");
        assert!(!name.ends_with("_total") && !name.contains("__"), "{name}");
        assert!(family.help.len() > 8 && family.help.ends_with('.'), "{name}: {}", family.help);
        assert!(!family.samples.is_empty(), "{name} has no sample");
        assert!(["gauge", "counter", "info"].contains(&&*family.kind), "{name}: {}", family.kind);
        for word in ["seconds", "bytes"] {
            let said = name.ends_with(&format!("_{word}"));
            assert_eq!(family.unit == word, said, "{name} and its unit {:?}", family.unit);
        }
        for (sample, _, value) in &family.samples {
            let end = if family.kind == "gauge" { "" } else { "_total" };
            let end = if family.kind == "info" { "_info" } else { end };
            assert_eq!(*sample, format!("{name}{end}"));
            assert!(*value >= 0.0, "{sample}");
        }
    }
}

#[actix::test]
async fn what_is_seen_is_what_is_told() {
    let all = told(&seen());
    let nodes = values(&all, "kith_nodes");
    assert_eq!((nodes["state=\"alive\""], nodes["state=\"failed\""]), (5.0, 1.0));
    assert_eq!(nodes["state=\"left\""], 0.0, "a state that nobody is in is told as well");
    assert_eq!(values(&all, "kith_graph_links")["state=\"half-open\""], 1.0);
    assert_eq!(values(&all, "kith_links")["direction=\"out\""], 1.0);
    assert_eq!(values(&all, "kith_peers_banned")[""], 1.0);
    let peer = "peer=\"2222222222222222\",label=\"bob\"";
    assert_eq!(values(&all, "kith_link_rtt_seconds")[peer], 0.000_321);
    let transfers = values(&all, "kith_transfers");
    assert_eq!(transfers["kind=\"get\",phase=\"fetching\""], 1.0);
    assert_eq!((transfers.len(), transfers.values().sum::<f64>()), (18, 2.0));
    assert_eq!(values(&all, "kith_transfers_receiving_bytes_per_second")[""], 503_316_480.0);
    assert_eq!(values(&all, "kith_pieces_verified")[""], 635.0);
    assert_eq!(values(&all, "kith_letters_under_way")["state=\"sent\""], 2.0);
    assert_eq!(values(&all, "kith_packets_dropped")["reason=\"replay\""], 3.0);
    assert_eq!(values(&all, "kith_kept_bytes")[""], 78_900.0);
    assert_eq!(values(&all, "kith_nodes_max")[""], 4096.0);
    if cfg!(target_os = "linux") {
        let cpu = &all["process_cpu_seconds"];
        assert!(cpu.kind == "counter" && cpu.samples.len() == 1);
        assert!(values(&all, "process_resident_memory_bytes")[""] > 1e6);
        assert!(values(&all, "process_open_fds")[""] > 2.0);
    }
}

/// A counter that is not told is found here: each gets a value that no other has.
#[actix::test]
async fn all_that_the_cores_count_is_told() {
    let numbered = |names: Vec<&'static str>, from: u64| -> Vec<(&'static str, u64)> {
        names.into_iter().zip(from..).collect()
    };
    let registry = numbered(crate::mesh::peers::COUNTED.to_vec(), 7_000_100);
    let exchange = numbered(crate::pieces::exchange::counted(), 7_000_200);
    let courier = numbered(crate::mail::courier::counted(), 7_000_300);
    let mut seen = seen();
    seen.status.as_mut().unwrap().counters = registry.clone();
    seen.figures.as_mut().unwrap().counters = courier.clone();
    Arc::make_mut(&mut seen.pieces).counters = exchange.clone();
    let all = told(&seen);
    let values = all.values().flat_map(|f| f.samples.iter().map(|(_, _, value)| *value));
    let values: Vec<f64> = values.collect();
    for (name, value) in registry.into_iter().chain(exchange).chain(courier) {
        let times = values.iter().filter(|v| **v == value as f64).count();
        assert_eq!(times, 1, "{name} is told {times} times: see the tables in api/metrics");
    }
}

#[actix::test]
async fn limits_are_settings_that_exist() {
    let known = seen().settings.unwrap();
    for key in limits::keys() {
        let row = known.iter().find(|row| row.key == key);
        let row = row.unwrap_or_else(|| panic!("there is no setting {key}"));
        assert!(row.value.is_number(), "{key} is {}", row.value);
    }
}

fn linked(number: u32, label: &str) -> PeerRow {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&number.to_be_bytes());
    PeerRow { id: Some(NodeId(id)), label: label.into(), rtt_us: Some(number), ..rows().remove(0) }
}

#[actix::test]
async fn a_hostile_label_neither_breaks_a_line_nor_makes_a_series_of_its_own() {
    let hostile = "a\" 1\nkith_nodes{state=\"alive\"} 99\\\u{1b}[2J\u{202e}";
    let mut twin = linked(7, "twin");
    // The same beginning of the id and the same label: as far as a label goes, the same peer.
    twin.id.as_mut().unwrap().0[31] = 1;
    let mut seen = seen();
    seen.peers = Some(vec![linked(6, hostile), linked(7, "twin"), twin]);
    let all = text(&context(), &seen).unwrap();
    let line = all.lines().find(|line| line.contains("peer=\"0000000600000000\"")).unwrap();
    let label = r#"label="a\" 1\\nkith_nodes{state=\"alive\"} 99\\\\\\u{1b}[2J\\u{202e}""#;
    assert_eq!(
        line,
        format!("kith_link_rtt_seconds{{peer=\"0000000600000000\",{label}}} 0.000006")
    );
    assert_eq!(all.matches("\nkith_nodes{state=\"alive\"} ").count(), 1);
    assert!(!all.contains('\u{1b}') && !all.contains('\u{202e}'));
    // Not `families`: a label may hold a space and a bracket here.
    assert_eq!(all.matches("label=\"twin\"").count(), 1, "no two samples with the same labels");
}

#[actix::test]
async fn however_much_there_is_the_number_of_series_stays() {
    let few = told(&seen()).values().map(|f| f.samples.len()).sum::<usize>();
    let mut seen = seen();
    let long = "x".repeat(10_000);
    seen.peers = Some((1..=5_000).map(|n| linked(n, &format!("{n} {long}"))).collect());
    Arc::make_mut(&mut seen.pieces).transfers = (0..500).map(samples::fetching).collect();
    let text = text(&context(), &seen).unwrap();
    let all = families(&text.replace("}[", ""));
    assert_eq!(all["kith_link_rtt_seconds"].samples.len(), mesh::LINKS_MAX);
    assert_eq!(values(&all, "kith_link_rtt_max_seconds")[""], 0.005);
    let many = all.values().map(|f| f.samples.len()).sum::<usize>();
    assert!(few < 200 && many < few + mesh::LINKS_MAX, "{few} and {many} samples");
    assert!(text.len() < 128 * 1024, "{} bytes", text.len());
}

#[actix::test]
async fn a_part_that_does_not_answer_is_said_to_be_down_and_the_rest_is_told() {
    let mut seen = seen();
    (seen.status, seen.peers, seen.figures) = (None, None, None);
    let all = told(&seen);
    let up = values(&all, "kith_service_up");
    assert_eq!((up["service=\"registry\""], up["service=\"courier\""]), (0.0, 0.0));
    assert_eq!(up["service=\"supervisor\""], 1.0);
    assert!(!all.contains_key("kith_links") && all.contains_key("kith_nodes"));
}

#[actix::test]
async fn the_route_needs_the_token_and_counts_what_the_api_answers() {
    let fake = Fake::default();
    let app = init_service(app(context_of(&fake, services(&fake), &Drain::default()))).await;
    let bare = actix_web::test::TestRequest::with_uri("/metrics");
    let bare = bare.insert_header(("host", "127.0.0.1:7777"));
    assert_eq!(call(&app, bare.to_request()).await.0, 401);
    assert_eq!(call(&app, request(Method::GET, "/nothing").to_request()).await.0, 404);
    let stream = request(Method::GET, "/api/v1/events").to_request();
    let stream = try_call_service(&app, stream).await.unwrap();
    let answer = try_call_service(&app, request(Method::GET, "/metrics").to_request());
    let answer = answer.await.unwrap();
    assert_eq!(answer.headers().get("content-type").unwrap(), CONTENT_TYPE);
    assert_eq!(answer.headers().get("cache-control").unwrap(), "no-store");
    let text = actix_web::test::read_body(answer).await;
    let all = families(std::str::from_utf8(&text).unwrap());
    let requests = values(&all, "kith_api_requests");
    assert_eq!((requests["status=\"4xx\""], requests["status=\"2xx\""]), (2.0, 1.0));
    assert_eq!(values(&all, "kith_api_event_streams")[""], 1.0);
    assert_eq!(values(&all, "kith_api_event_streams_max")[""], 32.0);
    drop(stream);
}

/// Words in a file that are names of series.
fn named_in(path: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(&path).unwrap();
    let word = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c| !word(c));
    let begins = |w: &&str, with: &str| w.len() > with.len() && w.starts_with(with);
    let names = words.filter(|w| begins(w, "kith_") || begins(w, "process_"));
    names.map(str::to_owned).collect()
}

#[actix::test]
async fn dashboard_alerts_and_docs_name_only_series_that_there_are() {
    let all = told(&seen());
    let series = all.values().flat_map(|f| f.samples.iter().map(|(name, _, _)| name.as_str()));
    let series: BTreeSet<&str> = series.collect();
    let files = [
        ("dist/grafana/kith.json", 60),
        ("dist/prometheus/alerts.yml", 15),
        ("docs/operations.md", 35),
    ];
    for (path, least) in files {
        let named = named_in(path);
        assert!(named.len() >= least, "{path} names {} series", named.len());
        let unknown: Vec<_> = named.iter().filter(|name| !series.contains(&***name)).collect();
        assert!(unknown.is_empty(), "{path} names what is not told: {unknown:?}");
    }
    let dashboard = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/grafana/kith.json");
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dashboard).unwrap()).expect("it is JSON");
    let variables = json["templating"]["list"].as_array().unwrap();
    let variables: Vec<_> = variables.iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(variables, ["datasource", "instance"]);
}
