#!/bin/sh
# How many lines of the two cores the pure tests run: unit tests, toy clusters, transcripts, seeds.
# Needs the LLVM tools (Debian: llvm-19), which read what rustc writes. Prints a table; ends with 1
# when fewer lines are run than MIN percent.
set -eu
cd "$(dirname "$0")/.."

MIN="${MIN:-95}"
TARGET="${CARGO_TARGET_DIR:-target}/coverage"
# Everything but the cores; test code would only flatter the figure.
NOT_CORE='(/core/tests/|/core/tests\.rs|/core/[a-z]*/tests/|/core/[a-z]*/tests\.rs|/registry/|/rustc/'
NOT_CORE="$NOT_CORE|/src/(sim|mond|agentd|config|net|bin)/|/daemon/src/[a-z]*\.rs|/proto/|/tui/|/tests/)"

if ! command -v llvm-cov-19 >/dev/null; then
	echo "coverage: llvm-cov-19 is missing; installing llvm-19" >&2
	apt-get install -y --no-install-recommends llvm-19 >/dev/null
fi

rm -rf "$TARGET/profiles"
mkdir -p "$TARGET/profiles"
# Test programs of an earlier state would count as never run.
rm -f "$TARGET"/debug/deps/mmm_daemon-* "$TARGET"/debug/deps/suite-*
# Only the crates of this repository are measured.
cat >"$TARGET/rustc" <<'WRAPPER'
#!/bin/sh
exec "$@" -Cinstrument-coverage
WRAPPER
chmod +x "$TARGET/rustc"
export RUSTC_WORKSPACE_WRAPPER="$PWD/$TARGET/rustc"
case "$TARGET" in /*) export RUSTC_WORKSPACE_WRAPPER="$TARGET/rustc" ;; esac
export CARGO_TARGET_DIR="$TARGET" LLVM_PROFILE_FILE="$TARGET/profiles/%p-%m.profraw"
case "$TARGET" in /*) ;; *) export LLVM_PROFILE_FILE="$PWD/$LLVM_PROFILE_FILE" ;; esac

cargo test -p mmm-daemon --lib -- core:: sim::
cargo test -p mmm-tests --test suite -- transcripts sim

llvm-profdata-19 merge -sparse "$TARGET"/profiles/*.profraw -o "$TARGET/core.profdata"
objects=""
for test in "$TARGET"/debug/deps/mmm_daemon-* "$TARGET"/debug/deps/suite-*; do
	if [ -x "$test" ] && [ ! -d "$test" ]; then objects="$objects --object $test"; fi
done
# shellcheck disable=SC2086 # one word an object
llvm-cov-19 report $objects --instr-profile="$TARGET/core.profdata" \
	--ignore-filename-regex="$NOT_CORE" --show-region-summary=false --show-branch-summary=false |
	tee "$TARGET/report.txt"
awk -v min="$MIN" '/^TOTAL/ { gsub("%", "", $NF); for (i = 1; i <= NF; i++) if ($i ~ /%$/) p = $i;
	line = $NF } END { printf "coverage of the cores by lines: %s%% (at least %s%%)\n", line, min;
	exit !(line + 0 >= min + 0) }' "$TARGET/report.txt"
