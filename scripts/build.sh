#!/usr/bin/env bash
# Builds what has changed: the page in web/ (into web/dist), then the program, which takes the page in.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

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

page_is_current() {
    local built=$ROOT/web/dist/index.html newer
    [[ -e $built ]] || return 1
    newer=$(find "$ROOT/web" -name node_modules -prune -o -name dist -prune -o -name e2e -prune \
        -o -type f -newer "$built" -print -quit)
    [[ -z $newer ]]
}

build_page() {
    cd "$ROOT/web"
    page_packages
    npm run --silent build
}

lack=$(node_js_lack)
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
