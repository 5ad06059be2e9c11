"""Files that mean harm: catalog files, and those of a trainer; and what a legitimate file of 1,000 shapes costs.

Every catalog file is given to `manage plan_catalog` in a process of its own, which has to refuse it within 2 s and
200 MB beyond what the command takes for a file that is not there. Neighbours count by the clock, so what is late there
is measured again, and processor time stands beside. The legitimate file's figures stand beside their floors: YAML's own
parser alone, and the bare SQL.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path

from benchmarks import trainer_files
from benchmarks.session import interleaved, set_up_django

SECONDS, MEGABYTES = 2.0, 200
SHAPES = 1000
ROUNDS = 3
HEAD = b"account: bench\npublic: true\nmodels:\n"
_MIB = 1024**2

OFFERED = (
    "SELECT * FROM catalog_shapeversion v JOIN catalog_trainingshape s ON s.id = v.shape_id "
    "JOIN catalog_basemodel m ON m.id = s.base_model_id JOIN accounts_account a ON a.id = s.account_id "
    "WHERE a.account_id = 'bench' AND v.is_latest_validated"
)
COMMAND = """
import atexit, re, runpy, sys, time
from pathlib import Path
def report():
    peak = re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())
    print(time.process_time(), int(peak[1]) / 1024, file=sys.stderr)
atexit.register(report)
sys.argv = ["manage.py", "plan_catalog", *sys.argv[1:]]
runpy.run_path("manage.py", run_name="__main__")
"""


@dataclass(frozen=True, order=True)
class Cost:
    """What a process took: seconds by the clock and of processor time, megabytes at its peak."""

    took: float
    busy: float
    megabytes: float


def files() -> Iterator[tuple[str, bytes]]:
    """Every hostile file by name."""
    yield "python tag", HEAD + b"  - !!python/object/apply:os.system ['id']\n"
    yield (
        "billion laughs",
        b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(
            f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n".encode()
            for before, name in zip("abcdefghi", "bcdefghij", strict=True)
        ),
    )
    yield "merge keys", b"account: bench\nmodels:\n" + b"  - <<: {model: x}\n" * 100_000
    yield "50 MB of spaces", HEAD + b" " * (50 * _MIB)
    yield "50 MB of a comment", b"#" * (50 * _MIB)
    yield "50 MB of shapes", HEAD + b"  - {model: accounts/bench/models/a, title: t}\n" * _MIB
    yield "deep lists", HEAD + b"  - " + b"[" * 1_000_000
    yield "deep mappings", HEAD + b"  - " + b"{a: " * 500_000
    yield "deep indentation", b"".join(b" " * level + b"a:\n" for level in range(2500))
    yield "deep dashes", HEAD + b"- " * 1_000_000
    yield "many empty values", HEAD + b"- \n" * 1_000_000
    yield "many flow values", HEAD + b"  - [" + b",".join([b"1"] * 1_500_000) + b"]\n"
    yield "many keys", b"".join(f"key{number}: 1\n".encode() for number in range(250_000))
    yield "duplicate keys", b"account: bench\n" * 49_000
    yield (
        "duplicate ids",
        HEAD + b"  - {model: accounts/bench/models/a, title: t, family: f, shapes: [{id: a}]}\n" * 7000,
    )
    yield "unknown keys", HEAD + b"  - {model: a, x1: 1, x2: 2, x3: 3, x4: 4, x5: 5, x6: 6}\n" * 6000
    below = b", ".join(b"key%d: 1" % number for number in range(45_000))
    yield "keys below long keys", b"{%s: {%s: {%s}}}" % (b"k" * 63, b"k" * 63, below)
    yield "one long text", b"account: " + b"a" * (4 * _MIB - 20)
    yield "one long number", b"account: " + b"9" * (4 * _MIB - 20)
    yield "a number of base 60", b"account: 1" + b":59" * 1_390_000
    yield "a long key", b"a" * (4 * _MIB - 20) + b": 1"
    yield "question marks", b"? " * 2_000_000
    yield "many documents", b"--- a\n" * 600_000
    yield "tags and anchors", b"account: !" + b"a" * 3_000_000 + b" &" + b"b" * 1_000_000 + b" x\n"
    yield "quotes that never end", b'account: "' + b"a\n" * 2_000_000
    yield "a block that never ends", b"account: |\n" + b" a\n" * 1_300_000
    yield "UTF-16", "account: bench\n".encode("utf-16") * 10_000
    yield "UTF-16 without a mark", "account: bench\n".encode("utf-16-le") * 10_000
    yield "Latin-1", b"account: bench\ndisplay_name: caf\xe9\n" * 10_000
    yield "NUL bytes", b"\0" * (4 * _MIB)
    yield "random bytes", os.urandom(4 * _MIB)
    yield "the same shape, often", re.sub(r"id: m[0-9]+", "id: m", many_shapes(1600, gpus=8)).encode()
    yield "nothing", b""


def main() -> None:
    """Print each file's seconds, megabytes and answer; then the legitimate file. Errors: `RuntimeError` over a goal."""
    print("what each file takes, beyond the start of the command that is measured before it")
    print(f"{'file':28}{'s':>7}{'CPU s':>7}{'MB':>7}  answer")
    late, missed, starts = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "hostile.yaml")
        for name, data in files():
            path.write_bytes(data)
            for _ in range(ROUNDS):
                start, _ = measure("not-there.yaml")
                cost, answer = measure(str(path))
                starts.append(start)
                took, busy = cost.took - start.took, cost.busy - start.busy
                if took <= SECONDS:
                    break
            else:
                late.append(name)
            megabytes = cost.megabytes - start.megabytes
            print(f"{name:28}{took:7.2f}{busy:7.2f}{megabytes:7.0f}  {answer[:90]}")
            if busy > SECONDS or megabytes > MEGABYTES or not answer:
                missed.append(name)
    start = min(starts)
    print(f"the start: {start.took:.2f} s, {start.busy:.2f} CPU s, {start.megabytes:.0f} MB at least")
    for names, words in ((late, f"{SECONDS:g} s by the clock"), (missed, f"{SECONDS:g} CPU s and {MEGABYTES} MB")):
        print(f"goal {words}: {'MISSED by ' + ', '.join(names) if names else 'met'}")
    missed, words = trainer_files.measure(), f"{trainer_files.FIRST:g} s, then {trainer_files.AGAIN:g} s"
    print(f"goal {words}: {'MISSED by ' + ', '.join(missed) if missed else 'met'}")
    _legitimate()


def measure(argument: str) -> tuple[Cost, str]:
    """What `plan_catalog` takes with that argument, and the first problem that it tells; "" where it tells none."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, argument], capture_output=True, text=True, check=False, timeout=60
    )
    took = time.perf_counter() - began
    *said, figures = done.stderr.splitlines()
    busy, megabytes = map(float, figures.split())
    problems = [line.removeprefix(f"{argument}:") for line in said if line.startswith(f"{argument}:")]
    return Cost(took, busy, megabytes), problems[0] if done.returncode == 1 and problems else ""


def many_shapes(shapes: int, *, gpus: int) -> str:
    """A file as people write it, ten shapes a model."""
    lines = ["account: bench", "public: true", "models:"]
    for number in range(shapes):
        if number % 10 == 0:
            lines += [
                f"  - model: accounts/bench/models/m{number}",
                f"    title: Model {number}",
                "    family: Bench",
                "    shapes:",
            ]
        lines += [
            f"      - id: m{number}-64k-lora",
            "        trainer_mode: LORA_TRAINER",
            "        label: LoRA trainer",
            "        description: For measurements.",
            "        max_supported_context_length: 65536",
            f"        gpus: {gpus}",
            "        accelerator_type: NVIDIA_H100_80GB",
            "        weight_precision: BFLOAT16",
            "        image_tag: 0.383.0",
            "        parallelism: {tensor: 2, sequence: true}",
            "        launch_fields: {lora_rank: {maximum: 64, suggestions: [8, 16]}, region: null}",
        ]
    return "\n".join([*lines, ""])


def _legitimate() -> None:
    import yaml  # noqa: PLC0415 -- only this part needs a parser and a database

    set_up_django()
    from django.db import connection, transaction  # noqa: PLC0415 -- models can be imported only once Django is set up

    from accounts.actors import SYSTEM  # noqa: PLC0415
    from accounts.models import Account  # noqa: PLC0415
    from catalog.domain.apply_catalog import apply_catalog  # noqa: PLC0415
    from catalog.domain.plan_catalog import plan_catalog  # noqa: PLC0415
    from catalog.files.current import read_current  # noqa: PLC0415
    from catalog.files.export import write_document  # noqa: PLC0415
    from catalog.files.reader import read_document  # noqa: PLC0415

    text, other = many_shapes(SHAPES, gpus=8), many_shapes(SHAPES, gpus=4)
    documents = cycle([read_document(text, source="bench"), read_document(other, source="bench")])
    apply = partial(apply_catalog, actor=SYSTEM, file="0" * 64, source="bench")
    apply(document=next(documents))
    account = Account.objects.get(account_id="bench")
    plan = partial(plan_catalog, actor=SYSTEM, file="0" * 64, source="bench", document=next(documents))

    def fetch() -> None:
        with connection.cursor() as cursor:
            cursor.execute(OFFERED)
            cursor.fetchall()

    def insert() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT v.snapshot, v.launch_fields " + OFFERED.removeprefix("SELECT *"))
            rows = cursor.fetchall()
            cursor.execute("CREATE TEMPORARY TABLE bench (snapshot jsonb, launch_fields jsonb) ON COMMIT DROP")
            for row in rows:
                cursor.execute("INSERT INTO bench VALUES (%s, %s)", row)

    print(f"\na file of {SHAPES:,} shapes, {len(text) / 1000:.0f} kB")
    parse = partial(yaml.compose, text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    _show("read", partial(read_document, text, source="bench"), parse, "YAML's parser alone")
    _show("export", lambda: write_document(read_current(account, public=True).document), fetch, "the rows by SQL")
    _show("plan, all changed", plan, fetch, "the rows by SQL")
    _show("apply, all changed", lambda: apply(document=next(documents)), insert, "one INSERT a shape")


def _show(name: str, call: Callable[[], object], floor: Callable[[], object], words: str) -> None:
    took, least = interleaved([call, floor], ROUNDS)
    print(f"{name:28}{took:7.2f} s; floor ({words}) {least:.3f} s; ratio {took / least:.1f}")
