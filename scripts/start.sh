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
                 all see the same one with every node alive and every link confirmed: one between
                 any two nodes, or from 33 nodes on no more at each than network.topology.max_conns.
                 Without a terminal this is the default, with 10 seconds, and more for many nodes
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

FULL_UP_TO=32 # nodes; in a larger network not everyone links with everyone
SHOWN=20      # nodes; of more than so many, only what they have in common is printed
AT_ONCE=8     # nodes that start at the same time, and that are asked at the same time
LOOKS=5       # in a large network a link may just be changed for a better one while the graphs are read

many=''
((count > SHOWN)) && many=1
((count > FULL_UP_TO)) || LOOKS=1
[[ -t 0 && -t 1 ]] || seconds=${seconds:-$((10 + (count > FULL_UP_TO ? 20 + count / 4 : 0)))}
((READY_S += count / 5))

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
    local i targets
    targets=$(seeds)
    for ((i = 6; i <= count; i++)); do
        cat >"$temp/config/network/n$i.toml" <<END
label = "n$i"
[network.controller]
listen = { addr = "::1", port = 0 }
target = { connect = [$targets] }
END
    done
}

# The addresses of the five, as far as they run: one alone would have no room for a hundred that come at once.
seeds() {
    local name port list=''
    for name in "${PROFILES[@]:0:count}"; do
        port=$(sed -n 's/^port = //p' "$ROOT/config/network/$name.toml")
        list+="${list:+, }\"[::1]:$port\""
    done
    say "$list"
}

show_death() {
    local code=0
    wait "${pid[$1]}" 2>/dev/null || code=$?
    unset "pid[$1]"
    warn "$1 ended by itself (exit status $code); the last lines of $(log_of "$1"):"
    tail -c "+${log_begin[$1]}" "$(log_of "$1")" | tail -n 5 | sed 's/^/    /' >&2
}

table() {
    local name status few=$count
    [[ -z $many ]] || few=5
    printf '%-8s  %-8s  %-14s  %-16s  %s\n' LABEL ID 'MESH ADDRESS' CONTROL PID
    for name in "${names[@]:0:few}"; do
        if ! alive "${pid[$name]:-}"; then
            printf '%-8s  stopped\n' "$name"
            continue
        fi
        status=$(ask "$name" status --json) || status=''
        printf '%-8s  %-8.8s  %-14s  %-16s  %s\n' "$name" \
            "$(sed -n 's/^  "id": "\(.*\)",/\1/p' <<<"$status")" \
            "$(sed -n '/"listen"/{n;s/[ ",]//g;p}' <<<"$status")" "${control[$name]}" "${pid[$name]}"
    done
    [[ -z $many ]] || say "and $((count - few)) more, n6 to n$count, in $home/profiles"
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

# Every node's graph in files of its own: NAME.flat, and NAME.same with only what must be the same everywhere. Who
# does not run or does not answer has an empty one.
read_graphs() {
    local name started=0 readers=()
    for name in "${names[@]}"; do
        (
            flat_graph_of "$name" >"$temp/$name.flat" || : >"$temp/$name.flat"
            # Who is there and who is linked must be the same everywhere; round trips differ by a little.
            sed -E '/^changed/d; /^link/s/ [0-9]*$//' "$temp/$name.flat" >"$temp/$name.same"
        ) &
        readers+=("$!")
        ((++started % AT_ONCE)) && continue
        wait "${readers[@]}" || true
        readers=()
    done
    ((${#readers[@]} == 0)) || wait "${readers[@]}" || true
}

# From a flat graph: how many nodes are alive, how many links are confirmed with their round trip, how many are
# not, and the most links of one node.
counts() {
    awk '$1 == "node" && $3 == "alive" { alive++ }
        $1 == "link" && $4 == "confirmed" && $5 > 0 { links++; most = max(max(most, ++of[$2]), ++of[$3]) }
        $1 == "link" && !($4 == "confirmed" && $5 > 0) { open++ }
        function max(a, b) { return a > b ? a : b }
        END { print alive + 0, links + 0, open + 0, most + 0 }' "$1"
}

# Whether all graphs that were read are what they should be, as exit status. Fills agreed and lines.
compare() {
    local name first=${names[0]} ok=0 changed alive_n links open most
    local pairs=$((count * (count - 1) / 2))
    agreed=0 lines=()
    for name in "${names[@]}"; do
        read -r alive_n links open most < <(counts "$temp/$name.flat")
        changed=$(sed -n 's/^changed //p' "$temp/$name.flat")
        ((${changed:-0} > agreed)) && agreed=$changed
        lines+=("$name sees $alive_n nodes alive and $links links with their round-trip time")
        ((alive_n == count && open == 0)) || ok=1
        if ((count > FULL_UP_TO)); then ((most <= limit)) || ok=1; else ((links == pairs)) || ok=1; fi
        cmp -s "$temp/$first.same" "$temp/$name.same" || ok=1
    done
    return $ok
}

# One line for each node, or for all who see as many.
tell_lines() {
    if [[ -z $many ]]; then
        printf '%s\n' "${lines[@]}"
    else
        printf '%s\n' "${lines[@]#* sees }" | sort | uniq -c | sort -rn | head -n "$SHOWN" |
            sed -E 's/^ *1 /1 node sees /; s/^ *([0-9]+) ([0-9]+ nodes)/\1 nodes see \2/'
    fi
}

# The verdict, as exit status.
judge() {
    local name first=${names[0]} ok=0 look agreed=0 lines=() limit want
    limit=$(sed -n 's/^max_conns = //p' "$ROOT/config/network/default.toml")
    say ''
    for ((look = 1; look <= LOOKS; look++)); do
        ok=0
        read_graphs
        compare || ok=1
        ((ok == 0)) && break
        ((look == LOOKS)) || sleep 2
    done
    tell_lines
    say ''
    if ((ok == 0)); then
        if [[ -z $many ]]; then ask "$first" graph; else tell_degrees "$temp/$first.flat"; fi
        say ''
        say "All $count nodes see this graph, since $((agreed - last_start)) ms after the last one was started."
    else
        if [[ -z $many ]]; then
            for name in "${names[@]}"; do
                say "The graph of $name:"
                ask "$name" graph || true
            done
        else
            tell_differences
        fi
        want="$((count * (count - 1) / 2)) links confirmed"
        ((count > FULL_UP_TO)) && want="every link confirmed and at most $limit at a node"
        say "The graphs are not what they should be: $count nodes alive, $want, all the same."
    fi
    return $ok
}

# How many nodes of a flat graph have how many links.
tell_degrees() {
    say 'LINKS  NODES'
    awk '$1 == "node" { of[$2] += 0 }
        $1 == "link" { of[$2]++; of[$3]++ }
        END { for (id in of) having[of[id]]++
              for (links in having) printf "%5d  %5d\n", links, having[links] }' "$1" | sort -n
}

# Where the graphs of a few differ from that of the first one.
tell_differences() {
    local name told=0 first=${names[0]}
    for name in "${names[@]:1}"; do
        cmp -s "$temp/$first.same" "$temp/$name.same" && continue
        ((++told <= 3)) || break
        say "What $first (<) or $name (>) sees, and the other does not:"
        diff "$temp/$first.same" "$temp/$name.same" | grep '^[<>]' | head -n 6 || true
    done
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
            # Nobody can read a graph of two hundred; how many see the same one, and its links, can be read.
            [[ -z $many ]] || { LOOKS=1 judge || true; continue; }
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

failed=''
# A few at once: two hundred that start together would only wait for one another.
for ((i = 0; i < count; i += AT_ONCE)); do
    for name in "${names[@]:i:AT_ONCE}"; do
        last_start=$(now_ms)
        start "$name"
    done
    for name in "${names[@]:i:AT_ONCE}"; do
        wait_ready "$name" && continue
        failed=1
        if alive "${pid[$name]}"; then warn "$name is not ready after $READY_S s"; else show_death "$name"; fi
    done
    [[ -z $failed ]] || break
    [[ -z $many || ! -t 1 ]] || printf '\r%d of %d started' "$((i + AT_ONCE > count ? count : i + AT_ONCE))" "$count"
done
[[ -z $many || ! -t 1 ]] || printf '\r\e[K'
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
