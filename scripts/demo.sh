#!/usr/bin/env bash
# A walk through what a mesh of kith does, with the commands you would type.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'END'
usage: scripts/demo.sh

Runs against the five nodes of scripts/start.sh if they run, else against five of its own in a
temporary directory. Nodes that are not its own it does not kill.
Exit status 0 if every step did what it should.
END
}
[[ $# == 0 ]] || { usage && [[ $1 == @(-h|--help) ]] && exit || exit 2; }

temp=$(mktemp -d)
finish() {
    trap - EXIT INT TERM HUP
    stop_pids "${pid[@]}"
    rm -rf "$temp"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

good=0 bad=()
title() { printf '\n== %s\n' "$1"; }

# Shows the command as one would type it, runs it, counts how it ended.
run() { # NAME VERB...
    local name=$1 code=0
    shift
    say "\$ node -c config -p $name $*"
    ask "$name" "$@" 2>&1 || code=$?
    if ((code == 0)); then good=$((good + 1)); else bad+=("$name $* (exit status $code)"); fi
}

# Waits until a command of ours holds, at most 10 s.
expect() { # TEXT COMMAND...
    local text=$1 deadline=$((SECONDS + 10))
    shift
    until "$@"; do
        if ((SECONDS > deadline)); then
            bad+=("$text")
            say "-> NOT: $text"
            return
        fi
        sleep 0.05
    done
    good=$((good + 1))
    say "-> $text"
}

sees() { # WHO STATE OBSERVER...: does each observer see WHO so?
    local who=$1 state=$2 observer
    shift 2
    for observer in "$@"; do
        ask "$observer" graph --json | flat_graph | grep -q "^node .* $state $who\$" || return 1
    done
}

links() { # COUNT OBSERVER...
    local count=$1 observer
    shift
    for observer in "$@"; do
        (($(ask "$observer" graph --json | flat_graph | grep -c '^link .* confirmed ') == count)) || return 1
    done
}

# When WHO came to be as it is, at the last of these observers, in ms since $1.
latest() { # SINCE WHO OBSERVER...
    local since=$1 who=$2 observer at last=$1
    shift 2
    for observer in "$@"; do
        at=$(ask "$observer" graph --json | awk -F'"' -v who="$who" '
            /"label":/ { label = $4 }
            /"since_ms":/ && label == who { gsub(/[^0-9]/, "", $3); print $3 }')
        ((at > last)) && last=$at
    done
    say $((last - since))
}

same_as() { # FILE OTHER...
    local first=$1 other
    shift
    for other in "$@"; do cmp -s "$first" "$other" || return 1; done
}

has_letter() { ask "$1" pull --peek --json | grep -qF "$2"; } # WHO TEXT

serves() { # WHO PATH TEXT
    local who=$1 path=$2 text=$3
    http_get "${control[$who]:-$(<"$home/profiles/$who/control.addr")}" "$path" \
        "$(<"$home/profiles/$who/control.token")" | grep -iF "$text" >/dev/null
}

completes() { "$NODE" completions bash | bash -n; }

heard() { grep -q "$1" "$(log_of "$2")"; }

build
own=1
if [[ -e $ROOT/profiles/alice/control.addr ]] && ready "$(<"$ROOT/profiles/alice/control.addr")"; then
    own=''
    say 'using the nodes that run'
else
    home=$temp
    mkdir -p "$temp/config"
    cp -R "$ROOT/config/network" "$temp/config/"
    mkdir "$temp/profiles"
    cp "$ROOT"/profiles/*.json "$temp/profiles/"
    for name in "${PROFILES[@]}"; do start "$name"; done
    for name in "${PROFILES[@]}"; do
        wait_ready "$name" || { tail -n 5 "$(log_of "$name")" >&2 && die "$name did not start"; }
    done
fi

title 'Five nodes, each told one or two addresses, found each other'
expect 'all five see 5 nodes and 10 links' links 10 "${PROFILES[@]}"
run alice status
run alice peers
run alice graph
run alice path bob
run alice ping bob
run alice why bob

title 'Say something to everyone'
run bob shout 'dinner is ready'
for name in alice carol dave erin; do
    [[ -n $own ]] && expect "$name heard it" heard 'dinner is ready' "$name"
done

title 'Share a file: whoever holds pieces of it gives them'
head -c 50000000 /dev/urandom >"$temp/film"
run alice share "$temp/film"
ticket=$(ask alice share "$temp/film" 2>/dev/null)
run bob get "$ticket" --out "$temp/film-of-bob"
run carol get "$ticket" --out "$temp/film-of-carol"
expect 'both are the same to the last byte' same_as "$temp/film" "$temp"/film-of-*
run carol transfers
run carol pieces
for name in alice bob carol; do run "$name" forget "$ticket"; done
expect 'the files themselves are still there' same_as "$temp/film" "$temp"/film-of-*

title 'Write a letter: sealed, over three relays, by another path each time'
run alice relays
run alice push --to erin --msg 'dinner is at seven' --wait
run alice push --to erin --msg 'and bring the cake' --shards 3/5 --wait
run erin pull
run erin push --to alice --msg 'I will' --hops 1 --wait
run alice pull
run alice letters
letter=$(ask alice letters --json | awk -F'"' '/"id":/ { print $4; exit }')
run alice letters show "$letter"

if [[ -n $own ]]; then
    title 'Kill one without a word (kill -9)'
    begin=$(now_ms)
    { kill -9 "${pid[erin]}" && wait "${pid[erin]}"; } 2>/dev/null || true
    unset 'pid[erin]'
    expect 'the four others call erin failed' sees erin failed alice bob carol dave
    say "-> the last of them knew $(latest "$begin" erin alice bob carol dave) ms after the kill"
    run alice why erin

    title 'Write to it while it is away, and start it again: same key, same node'
    run alice push --to erin --msg 'where are you?'
    begin=$(now_ms)
    start erin
    expect 'erin is ready' wait_ready erin
    expect 'all five see 5 nodes and 10 links' links 10 "${PROFILES[@]}"
    say "-> the last of them knew $(latest "$begin" erin alice bob carol dave) ms after the start"
    expect 'the letter is there' has_letter erin 'where are you?'
    run erin pull
fi

title 'Ban and unban'
run alice ban dave
expect 'alice has no link to dave any more' links 9 alice bob carol dave erin
run alice peers
run alice path dave
run alice unban dave
expect 'and they link again' links 10 "${PROFILES[@]}"

title 'Trust: pin and unpin'
run alice pin bob
run alice unpin bob

title 'Settings: where each value comes from, and a reload'
run alice config --origin
run alice check
run alice reload

title 'The page, figures for Prometheus, the API, and what is wrong if something is'
run alice open
expect 'its address serves a page' serves alice / '<!doctype html>'
expect 'figures for Prometheus are there, with the token' serves alice /metrics 'kith_nodes'
expect 'the API describes itself' serves alice /api/openapi.json '"openapi"'
run alice doctor
expect 'bash understands the completions' completes bash

say ''
if ((${#bad[@]})); then
    say "$good steps did what they should; these did not:"
    printf '  %s\n' "${bad[@]}"
    exit 1
fi
say "All $good steps did what they should."
