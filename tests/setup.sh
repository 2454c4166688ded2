#!/bin/sh
# Installs what the build and the lab need and this machine has not: Debian packages only, and no
# service. Run by `make setup`; does nothing when everything is there.
set -eu

PATH="$PATH:/usr/sbin:/sbin"
wanted=""

# need PROGRAM PACKAGE...
need() {
    program=$1
    shift
    command -v "$program" >/dev/null 2>&1 || wanted="$wanted $*"
}

# The server without its service: Debian's `mariadb-server` would start one.
need mariadbd mariadb-server-core mariadb-client-core
need mariadb-install-db mariadb-server-core mariadb-client-core
need my_print_defaults mariadb-client-core
need nft nftables
need ip iproute2
need ps procps
need unshare util-linux
need tmux tmux
# Sets the manual pages, to see that they can be set.
need groff groff
# The units are tried under a real systemd, which nobody starts here.
need systemd-analyze systemd
need dbus-daemon dbus
need faketime faketime
# The completions are tried in the shells that they are for.
need zsh zsh
need fish fish
# Consoles come by ssh too. The library is sshd's, which comes below.
need ssh openssh-client
[ -e /usr/sbin/sshd ] || wanted="$wanted libwrap0"
need cc gcc libc6-dev
need make make
[ -e /etc/ssl/certs/ca-certificates.crt ] || wanted="$wanted ca-certificates"

if [ -n "$wanted" ]; then
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "setup: missing:$wanted; there is no sudo: install them as root with" >&2
            echo "    apt-get install --no-install-recommends$wanted" >&2
            exit 1
        fi
        as_root=sudo
    fi
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "setup: missing:$wanted (Debian names); there is no apt-get: install them yourself" >&2
        exit 1
    fi
    echo "setup: installing$wanted"
    $as_root apt-get -q update
    # shellcheck disable=SC2086 # a list of words
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y install --no-install-recommends $wanted
fi

# What Debian has in packages whose service would be started: only the file is taken from them.
# take FILE PACKAGE MODE
take() {
    if [ -e "$1" ] || ! command -v dpkg-deb >/dev/null 2>&1; then
        return
    fi
    as_root=""
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    folder=$(mktemp -d)
    echo "setup: fetching $1"
    (
        trap 'rm -rf "$folder"' EXIT
        cd "$folder"
        apt-get -q download "$2" ||
            { $as_root apt-get -q update && apt-get -q download "$2"; }
        dpkg-deb -x "$2"_*.deb all
        $as_root install -D -m "$3" "$folder/all$1" "$1"
    )
}
# Who holds table locks is told by a plugin.
take /usr/lib/mysql/plugin/metadata_lock_info.so mariadb-server 644
# The tests start one of their own on loopback.
take /usr/sbin/sshd openssh-server 755
# Its package makes the user without rights that it runs as.
if ! getent passwd sshd >/dev/null 2>&1; then
    as_root=""
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    $as_root useradd --system --home-dir /run/sshd --no-create-home --shell /usr/sbin/nologin sshd
fi

if ! command -v cargo >/dev/null 2>&1; then
    echo "setup: there is no cargo: install Rust 1.88 or later, see https://rustup.rs" >&2
    exit 1
fi
