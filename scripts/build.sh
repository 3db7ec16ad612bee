#!/usr/bin/env bash
# Builds what has changed: the page in web/ (into web/dist), then the program, which takes the page in.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

NODE_JS_LEAST=20.19

usage() {
    cat <<'END'
usage: scripts/build.sh [--page]

Builds the page, then the program into target/release. Without Node.js 20.19 or newer the program
gets the plain page in web/plain instead.

  --page  only the page, and fail where it cannot be built
END
}

only_page=''
for flag in "$@"; do
    case $flag in
        --page) only_page=1 ;;
        -h | --help) usage && exit ;;
        *) usage >&2 && exit 2 ;;
    esac
done

# Says what is missing to build the page. (The JavaScript runtime is called node, as our own program is.)
missing() {
    local tool version
    for tool in node npm; do
        command -v "$tool" >/dev/null || { say "$tool is missing" && return; }
    done
    version=$(node --version 2>/dev/null) || version=''
    [[ $version == v[0-9]* ]] || { say "'node' is $(command -v node) here, not Node.js" && return; }
    [[ $(printf '%s\n' "$NODE_JS_LEAST" "${version#v}" | sort -V | head -n 1) == "$NODE_JS_LEAST" ]] ||
        say "Node.js ${version#v} is too old"
}

page_is_current() {
    local built=$ROOT/web/dist/index.html newer
    [[ -e $built ]] || return 1
    newer=$(find "$ROOT/web" -name node_modules -prune -o -name dist -prune -o -name e2e -prune \
        -o -type f -newer "$built" -print -quit)
    [[ -z $newer ]]
}

build_page() {
    cd "$ROOT/web"
    # npm writes this file last, so that it is newer than the lock file only if all was installed.
    if [[ ! node_modules/.package-lock.json -nt package-lock.json ]]; then
        npm ci --no-audit --no-fund --loglevel=error
    fi
    npm run --silent build
}

lack=$(missing)
if [[ -z $lack ]]; then
    page_is_current || (build_page)
else
    lack="$lack: install Node.js $NODE_JS_LEAST or newer (https://nodejs.org) for the full page"
    [[ -z $only_page ]] || die "$lack"
    warn "$lack; the program gets the plain one"
fi
[[ -n $only_page ]] && exit
command -v cargo >/dev/null || die 'cargo is missing; install Rust from https://rustup.rs'
cd "$ROOT"
cargo build --release --quiet --locked
