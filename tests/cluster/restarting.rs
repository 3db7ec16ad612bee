//! What a node keeps over a restart, and what it makes of changed settings.

use std::fs;
use std::process::Command;

use crate::common::{Node, node, wait_for_full_mesh, wait_or_say, wait_until};

#[test]
fn a_node_restarts_as_itself_and_finds_its_peers_without_seeds() {
    let first = node("alice").start();
    let mut second = node("bob").joins(first.addr).start();
    wait_until("a link", || first.linked(&second.id) && second.linked(&first.id));
    second.signal("TERM");
    assert_eq!(second.end().code(), Some(0));
    let (id, home) = (second.id.clone(), second.home.clone());
    drop(second);
    let second = node("bob").at(home).start();
    assert_eq!(second.id, id);
    wait_for_full_mesh(&[first, second]);
}

#[test]
fn key_and_certificate_files_fix_the_identity() {
    let home = tempfile::tempdir().expect("a directory");
    let file = |name: &str| home.path().join(name).to_string_lossy().into_owned();
    let (key, cert) = (file("key.pem"), file("cert.pem"));
    let openssl = |args: &[&str]| {
        let done = Command::new("openssl").args(args).output().expect("openssl");
        assert!(done.status.success(), "{done:?}");
    };
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", &key]);
    let req = ["req", "-x509", "-key", &key, "-out", &cert, "-days", "30", "-subj", "/CN=me"];
    openssl(&req);
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
    let with = |args: &[&str]| {
        args.iter().fold(node("").in_memory(), |setup, arg| setup.arg(*arg)).start().id.clone()
    };
    let both = with(&["--key", &key, "--cert", &cert]);
    assert_eq!(with(&["--key", &key]), both);
    assert_eq!(with(&["--key", &key, "--cert", &cert]), both);
    assert_ne!(with(&[]), both);
}

fn configured(text: &str) -> (Node, std::path::PathBuf) {
    let home = std::sync::Arc::new(tempfile::tempdir().expect("a directory"));
    let network = home.path().join("config/network");
    fs::create_dir_all(&network).expect("ours");
    let file = network.join("bob.toml");
    fs::write(&file, text).expect("ours");
    (node("bob").at(home).arg("-c").arg("config").arg("-p").arg("bob").start(), file)
}

#[test]
fn a_reload_applies_what_it_can_and_says_what_waits_for_a_restart() {
    let (mut node, file) = configured("[network]\nperiod = 5\n");
    let running = |node: &Node, key: &str| {
        let lines = node.tell(&["config", "--running"]);
        let line = lines.lines().find(|l| l.contains(key)).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{key} in {lines}"))
    };
    let name = running(&node, "network.name");
    assert_eq!(node.tell(&["reload"]).trim(), "read again: nothing changed");

    fs::write(&file, "[network]\nperiod = 7\nname = \"other\"\n").expect("ours");
    let said = node.tell(&["reload"]);
    assert!(said.contains("applied: network.period"), "{said}");
    assert!(said.contains("needs a restart: network.name"), "{said}");
    assert!(running(&node, "network.period").contains('7'));
    assert_eq!(running(&node, "network.name"), name, "what waits is not in force");
    let said = node.tell(&["reload"]);
    assert!(said.contains("needs a restart: network.name"), "still: {said}");

    fs::write(&file, "[network]\nperiod = 9\nnmae = 1\n").expect("ours");
    let refused = node.ask(&["reload"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("network.nmae"), "{refused:?}");
    assert!(refused.stderr.contains("network.name"), "the nearest name: {refused:?}");
    assert!(running(&node, "network.period").contains('7'), "nothing of a bad file is taken");

    node.signal("HUP");
    wait_or_say(
        "the refusal",
        || node.stderr().contains("settings not reloaded"),
        || node.stderr(),
    );
    fs::write(&file, "[network]\nperiod = 8\n").expect("ours");
    node.signal("HUP");
    wait_until("the reload", || running(&node, "network.period").contains('8'));
    node.assert_well();
}
