#!/usr/bin/env bash
# Everything CI runs, in CI's order: installs what is missing, checks, tests, starts the five nodes.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

# command:Debian package
NEEDS=(cc:gcc openssl:openssl ip:iproute2 nft:nftables iptables:iptables curl:curl jq:jq ps:procps
    setpriv:util-linux script:bsdutils mount:mount python3:python3 shellcheck:shellcheck man:man-db groff:groff-base
    mandoc:mandoc zsh:zsh fish:fish systemd-analyze:systemd) # not systemd-sysv: nothing is started or replaced

has_browser() {
    local name
    [[ -n ${CHROMIUM:-} ]] && return
    for name in chromium chromium-browser google-chrome; do [[ -x /usr/bin/$name ]] && return; done
    return 1
}

# As in tests/dist: the first on the PATH may be another than Debian's.
has_yaml() {
    local python
    for python in python3 /usr/bin/python3; do "$python" -c 'import yaml' 2>/dev/null && return; done
    return 1
}

install_needs() {
    local need missing=() lack version how='' as_root=''
    ((EUID == 0)) && command -v apt-get >/dev/null && as_root=1
    for need in "${NEEDS[@]}"; do
        command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
    done
    # Without a font Chromium draws no text.
    has_browser || missing+=(chromium fonts-dejavu-core)
    has_yaml || missing+=(python3-yaml)
    lack=$(node_js_lack)
    [[ -n $as_root && (${#missing[@]} -gt 0 || -n $lack) ]] && apt-get update -qq
    if [[ -n $lack ]]; then
        how="$lack: install Node.js $NODE_JS_LEAST or newer with npm (https://nodejs.org)"
        # Debian's packages help only where there is none yet, and only if they are new enough.
        [[ -n $as_root && $lack == *' is missing' ]] || die "$how"
        version=$(apt-cache policy nodejs | awk '$1 == "Candidate:" { print $2 }')
        at_least "${version%%[+~-]*}" "$NODE_JS_LEAST" || die "$how; Debian's here is ${version:-none}"
        missing+=(nodejs npm)
    fi
    ((${#missing[@]})) || return 0
    [[ -n $as_root ]] || die "missing: ${missing[*]}. As root on Debian: apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

results=() left_out=''
summary() {
    say ''
    say 'step                    seconds  result'
    printf '%s\n' "${results[@]}"
    [[ -z $left_out ]] || say "$left_out"
}

step() { # NAME COMMAND...
    local name=$1 begin=$SECONDS result=ok code=0
    shift
    say "== $name"
    "$@" || code=$?
    ((code == 0)) || result="FAILED (exit status $code)"
    results+=("$(printf '%-22s  %7d  %s' "$name" $((SECONDS - begin)) "$result")")
    ((code == 0)) && return
    summary
    exit 1
}

lint_scripts() {
    shellcheck -x scripts/*.sh .ci/run dist/debian/p*
}

all_can_be_tested() {
    ((EUID == 0)) && unshare --net --mount mount -t tmpfs tmpfs /tmp 2>/dev/null
}

# Where all can be tested, a test that is skipped fails.
tests() {
    if all_can_be_tested; then
        KITH_TESTS_COMPLETE=1 cargo test --quiet --locked
    else
        left_out='Left out: tests that need root and the right to make networks (unshare) and mounts.'
        say "$left_out"
        cargo test --quiet --locked
    fi
}

# Of a function that is a step only the last command counts, so all are chained.
page() (
    cd "$ROOT/web" && page_packages &&
        npm run --silent check && npm test --silent && npm run --silent build
)

browser() (
    cd "$ROOT/web" && npm run --silent test:page && KITH_NODE=$NODE npm run --silent e2e
)

step 'what tests need' install_needs
for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 || step "rustup $component" \
        rustup component add "${component/fmt/rustfmt}"
done
step 'scripts' lint_scripts
step 'cargo fmt' cargo fmt --check
step 'cargo clippy' cargo clippy --quiet --locked --all-targets -- -D warnings
step 'cargo doc' env RUSTDOCFLAGS='-D warnings' cargo doc --quiet --locked --no-deps --document-private-items
step 'cargo test' tests
step 'page' page
step 'build' cargo build --quiet --locked --release
step 'browser' browser
step 'five nodes' scripts/start.sh --fresh --for 5
summary
