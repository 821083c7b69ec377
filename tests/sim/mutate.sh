#!/bin/sh
# Breaks one guarantee at a time in a copy of the tree, and tells how many seeds it takes the
# simulation to find out.
#
#     tests/sim/mutate.sh [MUTATION…]        # all of tests/sim/mutations by default
#
# SEEDS: how many are tried at most (2000). CARGO_TARGET_DIR: shared by all, temporary by default.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD
copy=$(mktemp -d)
trap 'git -C "$root" worktree remove --force "$copy/tree" 2>/dev/null; rm -rf "$copy"' EXIT
git worktree add --quiet --detach "$copy/tree" HEAD
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$copy/target}"
[ $# -gt 0 ] || set -- $(ls tests/sim/mutations | sed 's/\.patch$//')
cd "$copy/tree"
printf '%-26s %6s  %s\n' mutation seeds 'found as'
missed=0
for name; do
    git checkout --quiet -- .
    log=$copy/log
    if ! git apply --recount "$root/tests/sim/mutations/$name.patch" 2>"$log"; then
        printf '%-26s %6s  %s\n' "$name" - 'does not apply: the code around it changed'
        missed=1
    elif ! cargo test --quiet --test sim --no-run 2>"$log"; then
        printf '%-26s %6s  %s\n' "$name" - 'does not compile'
        missed=1
    elif cargo test --quiet --test sim -- --seeds "${SEEDS:-2000}" --twice 1000000 --brief >"$log" 2>&1; then
        printf '%-26s %6s  %s\n' "$name" - 'NOT FOUND'
        missed=1
    else
        seeds=$(sed -n 's/^seeds  *//p' "$log")
        why=$(sed -n 's/^seed [0-9]* failed: //p' "$log" | tail -n 1 | cut -c 1-90)
        printf '%-26s %6s  %s\n' "$name" "$seeds" "$why"
    fi
done
exit $missed
