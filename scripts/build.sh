#!/usr/bin/env bash
# Builds everything: the page in web/ (into web/dist), then the program, which takes the page in.
#   scripts/build.sh [--page]     --page: only the page
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

NODE_JS_LEAST=20.19

only_page=''
for flag in "$@"; do
    case $flag in
        --page) only_page=yes ;;
        -h | --help) sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}" && exit ;;
        *) die "unknown flag '$flag'; --page builds only the page" ;;
    esac
done

# The JavaScript runtime: also called node, as our own program is.
need_node_js() {
    local without="without it, 'cargo build --release' serves the small page in web/plain"
    local tool version
    for tool in node npm; do
        command -v "$tool" >/dev/null ||
            die "$tool is missing: install Node.js $NODE_JS_LEAST or newer (https://nodejs.org); $without"
    done
    version=$(node --version)
    [[ $version == v[0-9]* ]] || die "'node' is $(command -v node) here, not Node.js; $without"
    version=${version#v}
    [[ $(printf '%s\n' "$NODE_JS_LEAST" "$version" | sort -V | head -n 1) == "$NODE_JS_LEAST" ]] ||
        die "Node.js $version is too old, $NODE_JS_LEAST or newer is needed (https://nodejs.org); $without"
}

build_page() {
    need_node_js
    cd "$ROOT/web"
    # npm writes this file last, so that it is newer than the lock file only if all was installed.
    if [[ ! node_modules/.package-lock.json -nt package-lock.json ]]; then
        npm ci --no-audit --no-fund --loglevel=error
    fi
    npm run --silent build
}

(build_page)
[[ -n $only_page ]] && exit
command -v cargo >/dev/null || die "cargo is missing; install Rust from https://rustup.rs"
cd "$ROOT"
cargo build --release
