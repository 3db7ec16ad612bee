#!/usr/bin/env bash
# Measures a mesh of kith beside serf, in turns, each alone in a network and process namespace; and transfers
# of files and letters beside other programs (bench_pieces/, bench_mail/).
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'END'
usage: scripts/bench.sh mesh [N...] [--rounds R] [--trials T] [--idle SECONDS] [--only kith|serf]
       scripts/bench.sh split [N...] [--rounds R] [--for SECONDS] [--only kith|serf]
       scripts/bench.sh pieces [--help for more]
       scripts/bench.sh mail [--help for more]

mesh, for each N (default 5 and 50), R rounds (default 3) of kith, serf, kith, serf...; in each round:
  cold start    N daemons launched at once, until everyone knows everyone (kith: and every link)
  idle          bytes on the wire and processor time per daemon, nothing else going on (default 20 s)
  memory        proportional set size (PSS) of each daemon
then T times (default 3):
  crash         kill -9 of one, until the last survivor calls it failed
  join          a new daemon, until everyone knows everyone
  silent death  SIGSTOP of one, until the last survivor calls it failed
  back          SIGCONT, until everyone knows everyone again
Times are those the daemons themselves recorded: kith's graph carries them, serf's log lines are
stamped as they come. serf runs with its defaults for a LAN, only -retry-interval is 1 s instead of
30 s, so that a daemon started before its seed does not look slow.

split, for each N (default 10), R rounds: every daemon in a network namespace of its own, all on one
bridge; for 20 s each half drops all packets of the other, then no more.
  parted        until every daemon knows that the whole other half is gone
  healed        from the end of the split until everyone knows everyone (kith: and every link)
Neither may suspect anybody of its own half meanwhile; how the halves called each other is printed.
END
}

LIMIT=120 # seconds until a measure is given up

# ---- inside the namespace: one round of one system ----

declare -A pid=()
nodes=() # those that run, by name

# The address of NAME: the loopback, or for a split its own, which tells the half it is in.
address() {
    local i=${1#n}
    if [[ $MODE == mesh ]]; then say 127.0.0.1; else say "10.77.$(half "$1").$i"; fi
}
half() { say $((${1#n} <= N / 2 ? 1 : 2)); }

# Sets `enter` to what runs a command at the host of NAME.
at_host() {
    enter=()
    [[ $MODE == mesh ]] || enter=(nsenter --net="/run/netns/$1")
}

kith_start() { # NAME, whose number is also its port
    local i=${1#n} enter
    at_host "$1"
    cat >"$DIR/config/network/$1.toml" <<END
label = "$1"
[network.controller]
listen = { addr = "$(address "$1")", port = $((20000 + i)) }
target = { connect = ["$(address n1):20001"] }
END
    (cd "$DIR" && exec "${enter[@]}" "$NODE" -c config -p "$1") </dev/null >"$DIR/$1.log" 2>&1 &
    pid[$1]=$!
    disown "$!" # kill -9 is no news
}

kith_json() {
    local enter
    at_host "$1"
    (cd "$DIR" && "${enter[@]}" "$NODE" -c config -p "$1" graph --json) 2>/dev/null
}
kith_graph() { kith_json "$1" | flat_graph; }

# Does NAME see exactly the running nodes alive and each pair linked? Prints since when.
kith_full() {
    kith_graph "$1" | awk -v n="${#nodes[@]}" '
        $1 == "node" && $3 == "alive" { alive++ }
        $1 == "link" && $4 == "confirmed" && $5 != "" { links++ }
        $1 == "changed" { print $2 }
        END { exit !(alive == n && links == n * (n - 1) / 2) }'
}

# Does NAME see VICTIM failed? Prints since when.
kith_dead() {
    kith_json "$1" | awk -F'"' -v who="$2" '
        /"label":/ { label = $4 }
        /"state":/ { state = $4 }
        /"since_ms":/ && label == who && state == "failed" { gsub(/[^0-9]/, "", $3); print $3; seen = 1 }
        END { exit !seen }'
}

# Does NAME see nobody of the other half alive? Prints since when, and "NAME STATE" into $DIR/states.
kith_parted() {
    kith_json "$1" | awk -F'"' -v others="$(other_half "$1")" -v who="$1" -v out="$DIR/states.$1" '
        BEGIN { split(others, a, " "); for (i in a) { other[a[i]] = 1; n++ } }
        /"label":/ { label = $4 }
        /"state":/ { state = $4 }
        /"since_ms":/ && (label in other) && state != "alive" && state != "suspect" {
            gsub(/[^0-9]/, "", $3)
            if ($3 > last) last = $3
            seen++
            print state >out
        }
        END { if (seen != n) exit 1; print last }'
}

other_half() {
    local name mine
    mine=$(half "$1")
    for name in "${nodes[@]}"; do [[ $(half "$name") == "$mine" ]] || printf '%s ' "$name"; done
}

# How many others than VICTIM does NAME not see alive, of all or of those in $3?
kith_accused() {
    kith_graph "$1" | awk -v who="$2" -v now="${3-${nodes[*]}}" '
        BEGIN { split(now, a, " "); for (i in a) running[a[i]] = 1 }
        $1 == "node" && $4 != who && ($4 in running) && $3 != "alive" { bad++ }
        END { print bad + 0 }'
}

serf_stamp() {
    local line
    while IFS= read -r line; do
        [[ $line =~ EventMember([A-Za-z]+):\ ([^ ]+) ]] || continue
        say "$((${EPOCHREALTIME//[!0-9]/} / 1000)) ${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
    done
}

serf_start() {
    local i=${1#n} enter
    at_host "$1"
    : >"$DIR/$1.events"
    "${enter[@]}" "$SERF" agent -node="$1" -bind="$(address "$1"):$((20000 + i))" -rpc-addr="127.0.0.1:$((30000 + i))" \
        -retry-join="$(address n1):20001" -retry-interval=1s </dev/null 2>&1 > >(serf_stamp >"$DIR/$1.events") &
    pid[$1]=$!
    disown "$!"
}

serf_full() {
    awk -v now="${nodes[*]}" '
        { state[$3] = $2; at[$3] = $1 }
        END {
            n = split(now, a, " ")
            for (i in a) {
                if (state[a[i]] != "Join") exit 1
                if (at[a[i]] > last) last = at[a[i]]
            }
            printf "%.0f\n", last
        }' "$DIR/$1.events"
}

serf_dead() {
    awk -v who="$2" '$3 == who { state = $2; at = $1 }
        END { if (state != "Failed") exit 1; printf "%.0f\n", at }' "$DIR/$1.events"
}

serf_parted() {
    awk -v others="$(other_half "$1")" -v out="$DIR/states.$1" '
        { state[$3] = $2; at[$3] = $1 }
        END {
            n = split(others, a, " ")
            for (i in a) {
                if (state[a[i]] != "Failed") exit 1
                if (at[a[i]] > last) last = at[a[i]]
                print "failed" >out
            }
            printf "%.0f\n", last
        }' "$DIR/$1.events"
}

serf_accused() {
    awk -v who="$2" -v now="${3-${nodes[*]}}" '
        { state[$3] = $2 }
        END { split(now, a, " "); for (i in a) if (a[i] != who && state[a[i]] != "Join") bad++; print bad + 0 }
    ' "$DIR/$1.events"
}

# Prints the latest of the times that `$1 NODE $2` gives for all running nodes but $3; fails if it
# does not hold for each.
sweep() {
    local name at last=0
    for name in "${nodes[@]}"; do
        [[ $name == "$3" ]] && continue
        at=$("${SYSTEM}_$1" "$name" "$2") || return 1
        ((at > last)) && last=$at
    done
    say "$last"
}

# Lets the last event die down, so that it is not measured with the next.
settle() { sleep 3; }

# $1 MEASURE, $2 since when, the rest as for sweep: waits and records how long it took.
measure() {
    local name=$1 begin=$2 end=$((SECONDS + LIMIT)) last
    shift 2
    until last=$(sweep "$@"); do
        if ((SECONDS > end)); then
            warn "$SYSTEM, N=$N: $name did not come in $LIMIT s"
            last=$((begin + LIMIT * 1000))
            break
        fi
        sleep 0.5 # coarse on purpose: the times are in the records, and polling costs processor time
    done
    record "$name" $((last - begin))
}

record() { say "$1 $N $SYSTEM $2" >>"$RESULTS"; }

wire_bytes() { awk '$1 == "lo:" { print $2 }' /proc/net/dev; }
cpu_ticks() { for p in "${pid[@]}"; do cat "/proc/$p/stat"; done | awk '{ s += $14 + $15 } END { print s }'; }

start_all() {
    local i begin
    ip link set lo up
    mkdir -p "$DIR/config/network" "$DIR/profiles"
    [[ $MODE == mesh ]] || make_hosts
    begin=$(now_ms)
    for ((i = 1; i <= N; i++)); do
        nodes+=("n$i")
        "${SYSTEM}_start" "n$i"
    done
    measure cold_start "$begin" full '' ''
    record cold_cpu_ms $(($(cpu_ticks) * 10 / N)) # a tick is 10 ms
}

make_hosts() {
    local i
    mount -t tmpfs none /run # only this process and its children see it
    ip link add bridge type bridge
    ip link set bridge up
    for ((i = 1; i <= N; i++)); do
        ip netns add "n$i"
        ip link add "b$i" type veth peer name eth0 netns "n$i"
        ip link set "b$i" master bridge up
        ip -n "n$i" address add "$(address "n$i")/16" dev eth0
        ip -n "n$i" link set eth0 up
        ip -n "n$i" link set lo up
    done
}

# Each host drops what comes from the other half, as a cut cable between two switches would.
split() {
    local i
    for ((i = 1; i <= N; i++)); do
        nsenter --net="/run/netns/n$i" nft "table ip cut { chain cut {
            type filter hook input priority 0; ip saddr 10.77.$((3 - $(half "n$i"))).0/24 drop; }; }"
    done
}
unsplit() {
    local i
    for ((i = 1; i <= N; i++)); do nsenter --net="/run/netns/n$i" nft delete table ip cut; done
}

split_round() {
    local begin name accused=0 until
    start_all
    sleep 3
    begin=$(now_ms)
    split
    measure parted "$begin" parted '' ''
    until=$((begin / 1000 + HOLD))
    while (($(now_ms) / 1000 < until)); do sleep 0.1; done
    # Once more at the end of the split, for what they call each other then.
    sweep parted '' '' >/dev/null || warn "$SYSTEM, N=$N: some see the other half through the split"
    for name in "${nodes[@]}"; do
        accused=$((accused + $("${SYSTEM}_accused" "$name" '' "$(own_half "$name")")))
    done
    record accused $accused
    warn "$SYSTEM, N=$N: the halves called each other: $(cat "$DIR"/states.* | sort | uniq -c | xargs)"
    begin=$(now_ms)
    unsplit
    measure healed "$begin" full '' ''
}

own_half() {
    local name mine
    mine=$(half "$1")
    for name in "${nodes[@]}"; do [[ $(half "$name") != "$mine" ]] || printf '%s ' "$name"; done
}

mesh_round() {
    local i name begin bytes ticks victim last=1
    start_all
    sleep 5
    bytes=$(wire_bytes) ticks=$(cpu_ticks)
    sleep "$IDLE"
    record idle_bytes $((($(wire_bytes) - bytes) / IDLE / N))
    record idle_cpu_us $((($(cpu_ticks) - ticks) * 10000 / IDLE / N))
    for name in "${nodes[@]}"; do
        record memory_kib "$(awk '$1 == "Pss:" { print $2 }' "/proc/${pid[$name]}/smaps_rollup")"
    done

    for ((i = 1; i <= TRIALS; i++)); do
        victim=${nodes[1 + i % (N - 1)]} # any but the first, which is the seed of those that join
        settle
        begin=$(now_ms)
        kill -9 "${pid[$victim]}"
        measure crash "$begin" dead "$victim" "$victim"
        unset "pid[$victim]"
        for name in "${!nodes[@]}"; do [[ ${nodes[name]} != "$victim" ]] || unset "nodes[$name]"; done
        nodes=("${nodes[@]}" "n$((N + i))")
        settle
        begin=$(now_ms)
        "${SYSTEM}_start" "${nodes[-1]}"
        measure join "$begin" full '' ''

        victim=${nodes[1 + (i + 1) % (N - 1)]}
        settle
        begin=$(now_ms)
        kill -STOP "${pid[$victim]}"
        measure silent_death "$begin" dead "$victim" "$victim"
        last=0
        for name in "${nodes[@]}"; do
            [[ $name == "$victim" ]] || last=$((last + $("${SYSTEM}_accused" "$name" "$victim")))
        done
        record accused $last
        begin=$(now_ms)
        kill -CONT "${pid[$victim]}"
        measure back "$begin" full '' ''
    done
}

# ---- outside: the rounds in turn, and the table ----

median_max() { # of the numbers on stdin, divided by $1, with $2 decimals
    sort -n | awk -v by="$1" -v digits="$2" '{ v[NR] = $1 / by } END {
        if (!NR) { print "- -"; exit }
        m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
        printf "%." digits "f %." digits "f\n", m, v[NR] }'
}

table() {
    local key title by digits n k s ratio
    [[ -s $RESULTS ]] || return 0
    printf '%-30s  %4s  %10s %9s  %10s %9s  %10s\n' MEASURE N 'kith MEDIAN' MAX 'serf MEDIAN' MAX 'serf/kith'
    while IFS='|' read -r key title by digits; do
        for n in "${SIZES[@]}"; do
            grep -q "^$key $n " "$RESULTS" || continue
            read -r -a k < <(values "$key" "$n" kith | median_max "$by" "$digits")
            read -r -a s < <(values "$key" "$n" serf | median_max "$by" "$digits")
            ratio=$(awk -v k="${k[0]}" -v s="${s[0]}" \
                'BEGIN { if (k + 0 > 0 && s != "-") printf "%.1f", s / k; else print "-" }')
            printf '%-30s  %4s  %11s %9s  %11s %9s  %10s\n' "$title" "$n" "${k[@]}" "${s[@]}" "$ratio"
        done
    done <<'END'
join|join, s|1000|3
cold_start|cold start, s|1000|3
cold_cpu_ms|cold start, CPU s per node|1000|3
crash|crash known by all, s|1000|3
silent_death|silent death known, s|1000|3
parted|split noticed by all, s|1000|3
healed|healed, s|1000|3
accused|healthy ones accused then|1|0
back|back after SIGCONT, s|1000|3
idle_bytes|idle bytes/s per node (on lo)|1|0
idle_cpu_us|idle CPU us/s per node|1|0
memory_kib|memory (PSS) MiB|1024|2
END
}

values() { awk -v key="$1" -v n="$2" -v who="$3" '$1 == key && $2 == n && $3 == who { print $4 }' "$RESULTS"; }

if [[ ${1:-} == --round ]]; then # what namespaced calls below
    SYSTEM=$2 N=$3 DIR=$4
    "${MODE}_round"
    exit
fi

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

export MODE=mesh TRIALS=3 IDLE=20 HOLD=20
SIZES=() rounds=3 systems=(kith serf)
while (($#)); do
    case $1 in
    mesh | split) MODE=$1 ;;
    --rounds) need_number "${2:-}" "$1" && rounds=$2 && shift ;;
    --trials) need_number "${2:-}" "$1" && TRIALS=$2 && shift ;;
    --idle) need_number "${2:-}" "$1" && IDLE=$2 && shift ;;
    --for) need_number "${2:-}" "$1" && HOLD=$2 && shift ;;
    --only)
        [[ ${2:-} == @(kith|serf) ]] || die '--only wants kith or serf'
        systems=("$2")
        shift
        ;;
    -h | --help) usage && exit ;;
    [1-9]*)
        need_number "$1" N
        (($1 > 2)) || die 'N must be at least 3'
        SIZES+=("$1")
        ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
((${#SIZES[@]})) || { [[ $MODE == mesh ]] && SIZES=(5 50) || SIZES=(10); }

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
export RESULTS=$temp/results SERF=''
: >"$RESULTS"

# serf from the system, else from its Debian package without installing it.
find_serf() {
    SERF=$(command -v serf) && return
    (cd "$temp" && apt-get download serf >/dev/null 2>&1 && dpkg -x serf_*.deb serf) &&
        SERF=$temp/serf/usr/bin/serf && return
    die "serf is missing and could not be downloaded; try --only kith"
}

# Own network and process ids: ports never collide, and nothing outlives the round.
# Background, so that a signal to this script ends it at once.
namespaced() {
    local as_root=()
    ((EUID == 0)) || as_root=(--map-root-user)
    "${TETHER[@]}" unshare "${as_root[@]}" --net --pid --fork --kill-child --mount-proc \
        "${BASH_SOURCE[0]}" "$@" &
    wait "$!"
}

build
[[ ${systems[*]} == *serf* ]] && find_serf
export KITH_NODE=$NODE
say "kith $("$NODE" --version | cut -d' ' -f2)$([[ -z $SERF ]] || "$SERF" version | sed -n '1s/^[^0-9]*/, serf /p')," \
    "$(nproc) processors, load $(cut -d' ' -f1-3 /proc/loadavg), $rounds rounds"
for n in "${SIZES[@]}"; do
    for ((r = 1; r <= rounds; r++)); do
        for system in "${systems[@]}"; do
            dir=$temp/$n-$r-$system
            mkdir "$dir"
            begin=$SECONDS
            namespaced --round "$system" "$n" "$dir" || die "this round of $system failed"
            warn "N=$n round $r $system took $((SECONDS - begin)) s, load $(cut -d' ' -f1 /proc/loadavg)"
            rm -rf "$dir"
        done
    done
done
say ''
table
say "load at the end $(cut -d' ' -f1-3 /proc/loadavg)"
