#!/bin/sh
# Fuzzes every target, or those named, for SECONDS each: fuzz/run.sh [SECONDS [TARGET...]]
# What is found goes to fuzz/found, what fails to fuzz/artifacts. docs/FUZZING.md has more.
set -eu
cd "$(dirname "$0")"

seconds=${1:-60}
[ $# -eq 0 ] || shift
# What is fuzzed is what is released: the same versions of everything.
cp ../Cargo.lock Cargo.lock
export CARGO_TARGET_DIR="$PWD/target"
cargo fuzz build --sanitizer none
[ $# -gt 0 ] || set -- $(cargo fuzz list)

fixtures=../tests/fixtures
failed=
for target in "$@"; do
    found=found/$target
    mkdir -p "$found" "artifacts/$target"
    seeds=$fixtures/fuzz/$target
    case $target in
        etd_*) seeds="$seeds $fixtures/vendors/etd" ;;
        ser_admin) seeds="$seeds $fixtures/vendors/ser_admin" ;;
        ser_*) seeds="$seeds $fixtures/vendors/ser" ;;
        tokens | refusals) seeds="$seeds $fixtures/vendors/etd $fixtures/vendors/ser" ;;
    esac
    program=target/x86_64-unknown-linux-gnu/release/$target
    [ -x "$program" ] || program=$(find target -path "*/release/$target" -type f | head -n 1)
    echo "== $target"
    # Half a minute (of a busy machine) for one small input, or 2 GiB, are as bad as a panic.
    "$program" -max_total_time="$seconds" -max_len=8192 -timeout=30 -rss_limit_mb=2048 \
        -dict=words.dict -artifact_prefix="artifacts/$target/" -print_final_stats=1 \
        "$found" $seeds >"artifacts/$target.log" 2>&1 || failed="$failed $target"
    grep -E 'INITED|^stat::(number_of|new_units|peak)|ERROR|panicked' "artifacts/$target.log" || :
    grep -E 'cov:' "artifacts/$target.log" | tail -n 1
    # As little is kept as reaches the same.
    rm -rf "$found.small" && mkdir "$found.small"
    "$program" -set_cover_merge=1 -max_len=8192 "$found.small" $seeds "$found" \
        >"artifacts/$target.merge.log" 2>&1 && rm -rf "$found" && mv "$found.small" "$found"
    echo "kept: $(ls "$found" | wc -l) files, $(du -cb "$found"/* 2>/dev/null | tail -n 1 | cut -f 1) bytes"
done
if [ -n "$failed" ]; then
    echo "failed:$failed; the inputs are in fuzz/artifacts" >&2
    exit 1
fi
