#!/usr/bin/env bash
# Builds the Debian package, with the full page: target/debian/kith_VERSION_ARCH.deb. With --debug of a debug build, to
# try it quickly.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

profile=release
case ${1:-} in
'') ;;
--debug) profile=dev ;;
*) die "usage: scripts/package.sh [--debug]" ;;
esac
command -v cargo-deb >/dev/null || die "cargo-deb is missing: cargo install --locked cargo-deb"
command -v dpkg-shlibdeps >/dev/null || die "dpkg-shlibdeps is missing: apt-get install dpkg-dev"

export CARGO_TARGET_DIR=$ROOT/target # where Cargo.toml says that things are
scripts/build.sh --page
if [[ $profile == release ]]; then
    cargo build --quiet --locked --release
    program=target/release/node
else
    cargo build --quiet --locked
    program=target/debug/node
fi

# Manual and completions speak of the name they are called by.
made=target/package
rm -rf "$made"
mkdir -p "$made"
ln -s "$ROOT/$program" "$made/kith"
"$made/kith" man | gzip -9n >"$made/kith.1.gz"
gzip -9nc CHANGELOG.md >"$made/changelog.gz"
"$made/kith" completions bash >"$made/kith.bash"
"$made/kith" completions zsh >"$made/_kith"
"$made/kith" completions fish >"$made/kith.fish"

cargo deb --no-build --profile "$profile" --quiet
