#!/bin/sh
# Builds the aarch64 switch and its test with a cross compiler and runs them under qemu. Skipped (77)
# when either is missing. Arguments: the root of the source, a folder to build in.
set -eu
for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
    command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
program=$2/switch_test_aarch64
aarch64-linux-gnu-gcc -std=gnu17 -D_GNU_SOURCE -O2 -static -I"$1/src" \
    "$1/tests/unit/run/switch_test.c" "$1/src/run/switch_aarch64.S" -o "$program"
timeout 60 qemu-aarch64 "$program"
