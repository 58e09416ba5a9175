#!/bin/sh
# Installs the Debian 12 packages kvik builds and tests with, and those named as arguments, if any is missing. Needs
# root (or sudo) only then.
set -eu
packages="gcc g++ clang make cmake ninja-build pkg-config git clang-format python3 python3-venv openssl
 libjansson-dev libpcre2-dev libutf8proc-dev libxxhash-dev libcmocka-dev libevent-dev libssl-dev libedit-dev liburing-dev
 libhiredis-dev redis-server $*"
missing=""
for p in $packages; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
echo "kvik: installing$missing"
sudo=""
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { echo "kvik: run as root: apt-get install$missing" >&2; exit 1; }
	sudo=sudo
fi
$sudo apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
