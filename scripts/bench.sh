#!/usr/bin/env bash
# Measures kith beside others, in turns: meshes (bench_mesh/), files (bench_pieces/), letters (bench_mail/).
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'END'
usage: scripts/bench.sh mesh [N...] [--rounds R] [--trials T] [--idle SECONDS]
       scripts/bench.sh split [N...] [--rounds R] [--for SECONDS]
       scripts/bench.sh false [N...] [--rounds R] [--for SECONDS] [--phases quiet,busy]
       scripts/bench.sh limit [N...] [--rounds R] [--for SECONDS] [--limit LINKS]
           [--only SYSTEM,SYSTEM...] [--set KEY=VALUE]   of kith's daemons (repeatable)
       scripts/bench.sh pieces [--help for more]
       scripts/bench.sh mail [--help for more]

mesh, for each N (default 5 and 50), R rounds (default 3) of kith, serf, foca, chitchat, kith...; in each round:
  cold start    N daemons launched at once, until everyone knows everyone (kith: and every link)
  idle          bytes on the wire and processor time per daemon, nothing else going on (default 20 s)
  memory        proportional set size (PSS) of each daemon
then T times (default 3):
  crash         kill -9 of one, until the last survivor calls it failed
  join          a new daemon, until everyone knows everyone (kith: and every link)
  silent death  SIGSTOP of one, until the last survivor calls it failed
  back          SIGCONT, until everyone knows everyone again
All times are those the daemons themselves recorded: kith's graph carries them, serf's log lines are stamped as they
come. "Every link" means that all daemons show the same links, each confirmed by both ends and measured; the time is
that of the last change before this was seen. serf runs with its defaults for a LAN, only -retry-interval is 1 s
instead of 30 s, so that a daemon started before its seed does not look slow. foca and chitchat are libraries: all
members are in one process (benches/peers), with foca's defaults for a LAN of N, and chitchat's with gossip each second.

split, for each N (default 10), R rounds of kith and serf: every daemon in a network namespace of its own, all on one
bridge; for 20 s each half drops all packets of the other, then no more.
  parted        until every daemon knows that the whole other half is gone
  healed        from the end of the split until everyone knows everyone (kith: and every link)
Neither may suspect anybody of its own half meanwhile; how the halves called each other is printed.

false, for each N (default 50), one round of kith and serf (--only for foca and chitchat): five daemons are stopped for
1 to 2 s every 4 s, for 600 s with nothing else going on (quiet), then beside three busy loops per core (busy). Counts
how often any daemon called one of the others failed, unreachable or left, and one of the five.

limit, for each N (default 200), kith alone: a cold start, one daemon killed and another started every 2 s (60 s long),
then half of all killed; every half second each daemon is asked how many links it has, and ss how many connections
are established (links, and handshakes under way). In mode auto a daemon that sees at most 32 nodes may link with all.
END
}

(($#)) || { usage >&2 && exit 2; }

if [[ $1 == pieces ]]; then
    shift
    command -v python3 >/dev/null || die 'python3 is missing'
    [[ "$*" == *--help* ]] || for need in syncthing nginx curl; do
        [[ "$*" == *--only* || "$*" == *--what* ]] || command -v "$need" >/dev/null ||
            die "$need is missing: apt-get install syncthing nginx curl, or --only kith,floor"
    done
    build
    (cd "$ROOT" && cargo build --release --quiet --example floor)
    exec python3 "$ROOT/scripts/bench_pieces" "$@"
fi

# LXMF in an environment of its own, made when it is missing.
mail_venv() {
    export BENCH_MAIL_VENV=${BENCH_MAIL_VENV:-${CARGO_TARGET_DIR:-$ROOT/target}/bench-mail-venv}
    [[ -x $BENCH_MAIL_VENV/bin/rnsd ]] && return
    { python3 -m venv "$BENCH_MAIL_VENV" && "$BENCH_MAIL_VENV/bin/pip" install --quiet rns==1.5.7 lxmf==1.2.1; } ||
        die 'rns and lxmf could not be installed; try --only kith'
}

if [[ $1 == mail ]]; then
    shift
    command -v python3 >/dev/null || die 'python3 is missing'
    [[ "$*" != *--help* ]] || exec python3 "$ROOT/scripts/bench_mail" --help
    [[ "$*" == *'--only lxmf'* ]] || build
    [[ "$*" == *'--only kith'* ]] || mail_venv
    # A network of its own with nothing but a loopback: no port collides, and nobody else can be reached.
    as_root=()
    ((EUID == 0)) || as_root=(--map-root-user)
    export KITH_NODE=$NODE
    # shellcheck disable=SC2016 # the inner shell expands it
    exec unshare "${as_root[@]}" --net --pid --fork --kill-child=TERM --mount-proc \
        bash -c 'ip link set lo up && exec python3 "$@"' bench "$ROOT/scripts/bench_mail" "$@"
fi

# serf from the system, else from its Debian package without installing it.
find_serf() {
    local place=${CARGO_TARGET_DIR:-$ROOT/target}/serf
    SERF=$(command -v serf || say "$place/usr/bin/serf")
    [[ -x $SERF ]] && return
    mkdir -p "$place"
    (cd "$place" && apt-get download serf >/dev/null 2>&1 && dpkg -x serf_*.deb .) ||
        die 'serf is missing and could not be downloaded; try --only kith'
}

build_peers() {
    local target=${CARGO_TARGET_DIR:-$ROOT/target}/peers
    cargo build --release --quiet --locked --manifest-path "$ROOT/benches/peers/Cargo.toml" --target-dir "$target"
    PEERS=$target/release/peers
}

# Which systems are asked for, as far as it decides what to build.
wanted() { [[ $only == "" || $only == *"$1"* ]]; }

case $1 in
mesh | split | false | limit) ;;
-h | --help) usage && exit ;;
*) usage >&2 && exit 2 ;;
esac
[[ " $* " != *\ -h\ * && " $* " != *\ --help\ * ]] || { usage && exit; }
command -v python3 >/dev/null || die 'python3 is missing'
only='' last=''
for word in "$@"; do
    [[ $last != --only ]] || only=$word
    last=$word
done
export KITH_NODE=$NODE SERF='' PEERS=''
wanted kith && build
[[ $1 != limit ]] && wanted serf && find_serf
[[ $1 == mesh || -n $only ]] && { wanted foca || wanted chitchat; } && build_peers
exec python3 "$ROOT/scripts/bench_mesh" "$@"
