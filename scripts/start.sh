#!/usr/bin/env bash
# Starts nodes on this machine and lets you stop, start and watch them.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'END'
usage: scripts/start.sh [--for SECONDS] [--nodes N] [--fresh]

Builds once, then starts the nodes alice, bob, carol, dave and erin (config/, profiles/).
On a terminal: a b c d e stop that node and start it again, g shows the graph, t the table,
o the addresses of their pages, l switches the logs on and off, q (or Ctrl-C) stops all.

  --for SECONDS  no keys: run that long, print the graph as every node sees it, and exit 0 only if
                 all see the same one with every node alive and every link confirmed.
                 Without a terminal this is the default, with 10 seconds
  --nodes N      N nodes in a temporary directory: the five and more, or fewer
  --fresh        the five in a temporary directory too: new identities, nothing kept
END
}

seconds='' count=5 fresh=''
while (($#)); do
    case $1 in
    --for) need_number "${2:-}" --for && seconds=$2 && shift ;;
    --nodes) need_number "${2:-}" --nodes && count=$2 fresh=1 && shift ;;
    --fresh) fresh=1 ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
[[ -t 0 && -t 1 ]] || seconds=${seconds:-10}

names=() followers=()
temp=$(mktemp -d)

finish() {
    trap - EXIT INT TERM HUP
    stop_pids "${followers[@]}" "${pid[@]}"
    rm -rf "$temp"
}
# Whatever ends the script ends its nodes; kill -9 is covered by TETHER.
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# Profiles beyond the five: any free port, alice to begin with.
make_profiles() {
    home=$temp
    mkdir -p "$temp/profiles" "$temp/config"
    cp -R "$ROOT/config/network" "$temp/config/"
    cp "$ROOT"/profiles/*.json "$temp/profiles/"
    local i
    for ((i = 6; i <= count; i++)); do
        cat >"$temp/config/network/n$i.toml" <<END
label = "n$i"
[network.controller]
listen = { addr = "::1", port = 0 }
target = { connect = ["[::1]:8090"] }
END
    done
}

show_death() {
    local code=0
    wait "${pid[$1]}" 2>/dev/null || code=$?
    unset "pid[$1]"
    warn "$1 ended by itself (exit status $code); the last lines of $(log_of "$1"):"
    tail -c "+${log_begin[$1]}" "$(log_of "$1")" | tail -n 5 | sed 's/^/    /' >&2
}

table() {
    local name status
    printf '%-8s  %-8s  %-14s  %-16s  %s\n' LABEL ID 'MESH ADDRESS' CONTROL PID
    for name in "${names[@]}"; do
        if ! alive "${pid[$name]:-}"; then
            printf '%-8s  stopped\n' "$name"
            continue
        fi
        status=$(ask "$name" status --json) || status=''
        printf '%-8s  %-8.8s  %-14s  %-16s  %s\n' "$name" \
            "$(sed -n 's/^  "id": "\(.*\)",/\1/p' <<<"$status")" \
            "$(sed -n '/"listen"/{n;s/[ ",]//g;p}' <<<"$status")" "${control[$name]}" "${pid[$name]}"
    done
}

# Each address lets one browser in, once.
pages() {
    local name
    say ''
    say 'Their pages, each for one browser, within ten minutes:'
    for name in "${names[@]:0:5}"; do
        alive "${pid[$name]:-}" && printf '%-8s  %s\n' "$name" "$(ask "$name" open)"
    done
    say ''
}

# Every node's graph in a file of its own; then the verdict, as exit status.
judge() {
    local name first=${names[0]} ok=0 agreed=0 changed alive_n confirmed
    local pairs=$((count * (count - 1) / 2))
    say ''
    for name in "${names[@]}"; do
        ask "$name" graph --json | flat_graph >"$temp/$name.flat" || : >"$temp/$name.flat"
        alive_n=$(grep -c '^node .* alive ' "$temp/$name.flat") || true
        confirmed=$(grep -cE '^link .* confirmed [0-9]+$' "$temp/$name.flat") || true
        changed=$(awk '$1 == "changed" { print $2 }' "$temp/$name.flat")
        ((changed > agreed)) && agreed=$changed
        say "$name sees $alive_n nodes alive and $confirmed links with their round-trip time"
        ((alive_n == count && confirmed == pairs)) || ok=1
        # Who is there and who is linked must be the same everywhere; round trips differ by a little.
        sed -E '/^changed/d; /^link/s/ [0-9]+$//' "$temp/$name.flat" >"$temp/$name.same"
        cmp -s "$temp/$first.same" "$temp/$name.same" || ok=1
    done
    say ''
    if ((ok == 0)); then
        ask "$first" graph
        say ''
        say "All $count nodes see this graph, since $((agreed - last_start)) ms after the last one was started."
    else
        for name in "${names[@]}"; do
            say "The graph of $name:"
            ask "$name" graph || true
        done
        say "The graphs are not what they should be: $count nodes alive, $pairs links confirmed, all the same."
    fi
    return $ok
}

toggle() {
    local name=$1
    if alive "${pid[$name]:-}"; then
        stop_pids "${pid[$name]}"
        unset "pid[$name]"
        say "$name stopped; $name's key starts it again"
    else
        start "$name"
        if wait_ready "$name"; then say "$name is back, pid ${pid[$name]}"; else show_death "$name"; fi
    fi
}

# All logs with the node's name before each line, in its colour.
follow() {
    local line='' name='' i=0
    local -A colour=()
    for name in "${names[@]}"; do colour[$name]=$((31 + i++ % 6)); done
    while IFS= read -r line; do
        case $line in
        '') ;;
        '==> '*' <==')
            name=${line%/node.log <==} name=${name##*/}
            ;;
        *)
            if [[ -n ${NO_COLOR:-} ]]; then
                printf '%-6s| %s\n' "$name" "$line"
            else
                printf '\e[%sm%-6s|\e[0m %s\n' "${colour[$name]}" "$name" "$line"
            fi
            ;;
        esac
    done
}

toggle_logs() {
    if ((${#followers[@]})); then
        stop_pids "${followers[@]}"
        followers=()
        say 'logs off'
        return
    fi
    local files=() name in
    for name in "${names[@]}"; do files+=("$(log_of "$name")"); done
    exec {in}< <(exec "${TETHER[@]}" tail -n 0 -F "${files[@]}" 2>/dev/null)
    followers=("$!")
    follow <&"$in" &
    followers+=("$!")
    exec {in}<&-
    say 'logs on; l switches them off'
}

key_loop() {
    local key name code
    pages
    say 'a b c d e stop or start that node · g graph · t table · o pages · l logs · q quit'
    while :; do
        for name in "${!pid[@]}"; do alive "${pid[$name]}" || show_death "$name"; done
        code=0
        read -rsn1 -t 0.3 key || code=$?
        ((code > 128)) && continue # no key in that time
        ((code == 0)) || return 0  # the terminal is gone
        case $key in
        [abcde]) for name in "${names[@]}"; do [[ $name == "$key"* ]] && toggle "$name"; done ;;
        g)
            for name in "${!pid[@]}"; do
                say "as $name sees it:"
                ask "$name" graph || true
                break
            done
            ;;
        t) table ;;
        o) pages ;;
        l) toggle_logs ;;
        q) return 0 ;;
        esac
    done
}

build
[[ -n $fresh ]] && make_profiles
names=("${PROFILES[@]:0:count}")
for ((i = 6; i <= count; i++)); do names+=("n$i"); done

for name in "${names[@]}"; do
    last_start=$(now_ms)
    start "$name"
done
failed=''
for name in "${names[@]}"; do
    wait_ready "$name" && continue
    failed=1
    if alive "${pid[$name]}"; then warn "$name is not ready after 20 s"; else show_death "$name"; fi
done
[[ -z $failed ]] || die "not all nodes started, so the others are stopped too"
table

if [[ -n $seconds ]]; then
    # In the background, so that a signal ends the script at once.
    "${TETHER[@]}" sleep "$seconds" &
    followers=("$!")
    wait "$!" || true
    for name in "${names[@]}"; do alive "${pid[$name]}" || { show_death "$name" && failed=1; }; done
    [[ -z $failed ]] || die "a node ended by itself"
    judge
else
    key_loop
fi
