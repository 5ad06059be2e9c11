#!/bin/sh
# Rewrites the hash-locked requirement files of the trainer, of its tests and of the official SDK (for loops). Needs uv.
# torch and what it brings for GPUs stay out of them: torch is installed first, by pip, in the build that fits the machine.
set -eu
cd "$(dirname "$0")"
sdk=../../runner/requirements

lock() {
    gpu=$(uv pip compile --universal --python-version 3.11 --no-header --no-annotate --quiet -c torch.txt "$1" |
        sed -n 's/^\(\(nvidia\|cuda\|triton\)[a-z0-9-]*\)==.*/--no-emit-package \1/p')
    # shellcheck disable=SC2086  # one word for each option
    uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
        --no-emit-package torch $gpu -c torch.txt "$@"
}

lock base.in -o base.txt
lock test.in -c base.txt -o test.txt
lock "$sdk/base.in" -o "$sdk/base.txt"
