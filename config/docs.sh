#!/bin/sh
# Writes the manual pages and shell completions that the programs in BIN print, as a tree to copy to
# /usr or to put into a package: docs.sh BIN TREE
set -eu

bin=$1
tree=$2

# page NAME SECTION
page() {
    put "$1" man "man/man$2/$1.$2"
    put "$1" complete-bash "bash-completion/completions/$1"
    put "$1" complete-zsh "zsh/site-functions/_$1"
    put "$1" complete-fish "fish/vendor_completions.d/$1.fish"
}

# put NAME WORD FILE
put() {
    mkdir -p "$(dirname "$tree/$3")"
    "$bin/$1" --generate "$2" >"$tree/$3.new"
    mv "$tree/$3.new" "$tree/$3"
    echo "$tree/$3"
}

page mmm-mond 8
page mmm-agentd 8
page mmm-control 1
page mmm-tui 1
