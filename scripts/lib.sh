# shellcheck shell=bash
# What the scripts beside this file share. Sourced, never run.
# shellcheck disable=SC2034 # what is set here is used there

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
NODE=${KITH_NODE:-${CARGO_TARGET_DIR:-$ROOT/target}/release/node}
PROFILES=(alice bob carol dave erin)

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
    warn "$@"
    exit 1
}

now_ms() {
    local t=$EPOCHREALTIME # seconds and microseconds, with the locale's decimal mark
    say $((${t//[!0-9]/} / 1000))
}

# $1 must be a whole number of at least 1; $2 is the flag it belongs to.
need_number() { [[ $1 =~ ^[1-9][0-9]{0,5}$ ]] || die "$2 wants a whole number of at least 1, not '$1'"; }

build() {
    [[ -n ${KITH_NODE:-} ]] && return # somebody brought a binary
    "$ROOT/scripts/build.sh"
}

NODE_JS_LEAST=20.19

# $1 is version $2 or newer.
at_least() { [[ $(printf '%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# Says what is missing to build the page. (The JavaScript runtime is called node, as our own program is.)
node_js_lack() {
    local tool version
    for tool in node npm; do
        command -v "$tool" >/dev/null || { say "$tool is missing" && return; }
    done
    version=$(node --version 2>/dev/null) || version=''
    [[ $version == v[0-9]* ]] || { say "'node' is $(command -v node) here, not Node.js" && return; }
    at_least "${version#v}" "$NODE_JS_LEAST" || say "Node.js ${version#v} is too old"
}

# What the page is built and tested with, into web/node_modules; to be called in web/.
page_packages() {
    # npm writes this file last, so that it is newer than the lock file only if all was installed.
    [[ node_modules/.package-lock.json -nt package-lock.json ]] ||
        npm ci --no-audit --no-fund --loglevel=error
}

# Prefix that makes a child end with the script, even when the script is killed with -9.
# Only Linux has it; elsewhere the EXIT trap must do.
TETHER=()
if command -v setpriv >/dev/null && setpriv --pdeathsig TERM true 2>/dev/null; then
    TETHER=(setpriv --pdeathsig TERM)
fi

alive() { [[ -n ${1:-} ]] && kill -0 "$1" 2>/dev/null; }

# Stop the children with these pids: ask, wait up to 5 s and a little for each, then force.
stop_pids() {
    local pid deadline=$((SECONDS + 5 + $# / 10))
    for pid in "$@"; do kill "$pid" 2>/dev/null || true; done
    for pid in "$@"; do
        while alive "$pid" && ((SECONDS < deadline)); do sleep 0.02; done
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
}

# The answer to GET http://$1$2 with the token $3 (or none), by bash alone, so that no curl is needed.
http_get() {
    local host=${1%:*} port=${1##*:}
    host=${host#[} host=${host%]}
    (
        exec 3<>"/dev/tcp/$host/$port"
        printf 'GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n' \
            "$2" "$1" "${3:-}" >&3
        timeout 5 cat <&3
    ) 2>/dev/null
}

# Its first line.
http_status() {
    local line=''
    read -r line < <(http_get "$1" "$2") || true
    say "${line%$'\r'}"
}

ready() { [[ $(http_status "$1" /readyz) == *' 200 '* ]]; }

# `node graph --json` on stdin, one line per node and link on stdout, sorted; needs no jq:
#   node ID STATE LABEL
#   link FROM TO STATE RTT_US
#   changed UNIX_MS
flat_graph() {
    awk -F'"' '
        /^  "(nodes|links)":/ { part = $2 }
        /^  "changed_ms":/    { gsub(/[^0-9]/, "", $3); print "changed", $3 }
        /^ *"id":/            { id = $4 }
        /^ *"label":/         { label = $4 }
        /^ *"from":/          { from = $4 }
        /^ *"to":/            { to = $4 }
        /^ *"rtt_us":/        { rtt = $3; gsub(/[^0-9]/, "", rtt) }
        /^ *"state":/         { if (part == "nodes") print "node", id, $4, label
                                else print "link", from, to, $4, rtt
                                rtt = "" }' | sort
}

# The same of what the API answers, which is all in one line.
flat_answer() { sed -E '1,/^\r?$/d; s/([{,[])"/\1\n  "/g; s/":/": /g' | flat_graph; }

# ---- nodes by name: state and logs under $home/profiles/NAME, notes under $temp ----

declare -A pid=() control=() log_begin=()
home=$ROOT temp=''

log_of() { say "$home/profiles/$1/node.log"; }

start() {
    mkdir -p "$home/profiles/$1"
    chmod 700 "$home/profiles/$1" # its key will lie here
    : >"$temp/$1.started"
    touch "$(log_of "$1")"
    log_begin[$1]=$(($(wc -c <"$(log_of "$1")") + 1))
    # A background child of bash ignores SIGINT, so Ctrl-C reaches the nodes only through finish.
    (cd "$home" && exec "${TETHER[@]}" "$NODE" -c config -p "$1") </dev/null >>"$(log_of "$1")" 2>&1 &
    pid[$1]=$!
}

READY_S=20

# Wait until the node answers /readyz; false if it died first.
wait_ready() {
    local file=$home/profiles/$1/control.addr deadline=$((SECONDS + READY_S))
    while alive "${pid[$1]}" && ((SECONDS < deadline)); do
        # An older file is the address of an earlier run.
        if [[ $file -nt $temp/$1.started ]]; then
            control[$1]=$(<"$file")
            ready "${control[$1]}" && return
        fi
        sleep 0.02
    done
    return 1
}

ask() { # NAME VERB...
    local name=$1
    shift
    (cd "$home" && "$NODE" -c config -p "$name" "$@")
}

# The graph as the node sees it, flat; nothing if it does not answer. Starts no node: two hundred take seconds.
flat_graph_of() { # NAME
    http_get "${control[$1]}" /api/v1/graph "$(<"$home/profiles/$1/control.token")" | flat_answer
}
