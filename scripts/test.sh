#!/usr/bin/env bash
# Everything CI runs, in CI's order: installs what is missing, checks, tests, starts the five nodes.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

# command:Debian package
NEEDS=(cc:gcc openssl:openssl ip:iproute2 nft:nftables iptables:iptables curl:curl jq:jq ps:procps
    setpriv:util-linux python3:python3)

install_needs() {
    local need missing=()
    for need in "${NEEDS[@]}"; do
        command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
    done
    ((${#missing[@]})) || return 0
    if ((EUID == 0)) && command -v apt-get >/dev/null; then
        say "installing ${missing[*]}"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    else
        die "missing: ${missing[*]}. As root on Debian: apt-get install ${missing[*]}"
    fi
}

results=()
summary() {
    say ''
    say 'step                    seconds  result'
    printf '%s\n' "${results[@]}"
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
    command -v shellcheck >/dev/null || { say 'shellcheck is not installed, skipped' && return; }
    shellcheck -x scripts/*.sh .ci/run
}

step 'what tests need' install_needs
for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 || step "rustup $component" \
        rustup component add "${component/fmt/rustfmt}"
done
step 'scripts' lint_scripts
step 'cargo fmt' cargo fmt --check
step 'cargo clippy' cargo clippy --quiet --locked --all-targets -- -D warnings
step 'cargo doc' env RUSTDOCFLAGS='-D warnings' cargo doc --quiet --locked --no-deps --document-private-items
step 'cargo test' cargo test --quiet --locked
step 'build' cargo build --quiet --locked --release
step 'five nodes' scripts/start.sh --fresh --for 5
summary
