#!/bin/sh
# Brings a fresh Debian or Ubuntu machine to the point where `make demo` and `make test` run:
# packages of the distribution, uv, the Python environment. Says what it does; repeats cost nothing.
set -eu
cd "$(dirname "$0")"

say() { printf '%s\n' "setup: $*"; }

missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
if [ "$(uname -s)" = Linux ]; then
    need python3 python3
    need mmdebstrap mmdebstrap
    need nft nftables
    need ip iproute2
    need unshare util-linux
    need openssl openssl
    need setpriv util-linux
    python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
fi
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        say "these packages are missing:$missing; install them, or run as root on Debian or Ubuntu" >&2
        exit 1
    fi
    say "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086  # one word a package
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    say "Python 3.11 or newer is needed, this is $(python3 --version 2>&1)" >&2
    exit 1
fi

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    tools=${XDG_CACHE_HOME:-$HOME/.cache}/holdfast-tools
    uv=$tools/bin/uv
    if [ ! -x "$uv" ]; then
        say "installing uv from PyPI into $tools"
        python3 -m venv "$tools"
        "$tools/bin/pip" install --quiet --disable-pip-version-check 'uv>=0.9'
    fi
fi
[ -x .venv/bin/python ] || say "making the Python environment in .venv"
"$uv" sync --quiet --locked --all-extras
