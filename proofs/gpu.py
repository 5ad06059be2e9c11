"""`./run prove gpu`: the trainer on a GPU of this machine, beside a plain torch loop: is it right, how fast, how large.

A Qwen3 of the size that is named, of random numbers. Both take the same steps; the trainer's are asked for over HTTP.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.trainer_load import call, datum, make_model
from benchmarks.trainer_processes import ask, bare, serving, trainer_python

_ALIKE = {"vocab_size": 151_936, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 40_960}


def _widths(hidden: int, inner: int, layers: int, heads: int, *, tied: bool) -> dict[str, Any]:
    return _ALIKE | {
        "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers,
        "num_attention_heads": heads, "tie_word_embeddings": tied,
    }  # fmt: skip


SIZES = {
    "0.6B": _widths(1024, 3072, 28, 16, tied=True),
    "1.7B": _widths(2048, 6144, 28, 16, tied=True),
    "4B": _widths(2560, 9728, 36, 32, tied=True),
    "8B": _widths(4096, 12_288, 36, 32, tied=False),
}
"""What is trained: the sizes of Qwen3."""
BASE_MODEL = "accounts/local/models/random-qwen3"
SHORT = [512, 300, 40, 7]
CASES = {"even": [4096] * 8, "mixed": [3600, 200, 64, 1000] * 6}
LONG = {"long": [32_768]}
"""What only adapters are measured with: the logits of a plain loop would not fit."""
STEPS, RATE = 3, 1e-5
BOUNDS = {"float32": 2e-3, "bfloat16": 2e-2}
"""How far losses and gradient norms may be apart, relatively: products are in TF32 where it says float32."""
KINDS = {"POLICY_TRAINER": 0, "LORA_TRAINER": 16}
"""What is trained, and the rank of adapters."""


def prove(size: str) -> bool:
    """Whether losses and gradient norms are those of the loop; how fast and how large it is stands on the terminal."""
    python, widths = trainer_python(), SIZES[size]
    with (
        TemporaryDirectory() as folder,
        bare(python, "benchmarks.bare_gpu", folder, json.dumps(widths)) as plain,
    ):
        assert plain.stdout
        told = json.loads(plain.stdout.readline())
        if not told:
            print("The trainer's torch sees no GPU here.")
            return False
        print(f"{told['device']}, Qwen3 of {told['parameters'] / 1e9:.2f}e9 random parameters")
        print(f"a product of matrices in bfloat16: {told['flops'] / 1e12:.0f} TFLOP/s")
        proof = Proof(Path(folder), python, plain, widths | told)
        right = [proof.compare(precision) for precision in BOUNDS]
        for kind in KINDS:
            proof.measure(kind)
    return all(right)


class Proof:
    def __init__(self, root: Path, python: Path, plain: Any, told: Mapping[str, Any]) -> None:
        self._root, self._python, self._plain, self._told = root, python, plain, told

    def compare(self, precision: str) -> bool:
        """The same steps by both, in that precision."""
        theirs = ask(self._plain, json.dumps({"lengths": SHORT, "steps": STEPS, "precision": precision, "rate": RATE}))
        with self._trainer("POLICY_TRAINER", precision=precision) as (step, _):
            ours = [step(SHORT) for _ in range(STEPS)]
        apart = 0.0
        for number, found in enumerate(ours):
            for name, value in (("losses", found["loss"]), ("norms", found["norm"])):
                apart = max(apart, abs(value - theirs[name][number]) / abs(theirs[name][number]))
        print(f"{precision}: {STEPS} steps, losses and gradient norms at most {apart:.1e} apart; {BOUNDS[precision]:g}")
        return apart <= BOUNDS[precision]

    def measure(self, kind: str) -> None:
        """Tokens a second, the share of the largest rate, and the memory."""
        cases = CASES | LONG if kind == "LORA_TRAINER" else CASES
        with self._trainer(kind, max_context_length=max(map(max, cases.values()))) as (step, directory):
            for case, lengths in cases.items():
                seconds = min(step(lengths)["seconds"] for _ in range(1 + STEPS))
                self._tell(kind, case, lengths, seconds)
            self._tell_memory(directory)
        if kind == "POLICY_TRAINER":
            for case, lengths in CASES.items():
                asked = {"lengths": lengths, "steps": 1 + STEPS, "precision": "bfloat16", "rate": RATE}
                theirs = ask(self._plain, json.dumps(asked))
                self._tell("plain torch", case, lengths, min(theirs["seconds"]))
                print(f"  its memory at most {theirs['peak'] / 2**30:.1f} GiB")

    def _tell(self, kind: str, case: str, lengths: Sequence[int], seconds: float) -> None:
        tokens, attended = sum(lengths), sum(length**2 for length in lengths) / 2
        times = 4 if kind == "LORA_TRAINER" else 6  # gradients of frozen weights are not computed
        done = times * self._told["parameters"] * tokens
        width = self._told["num_attention_heads"] * self._told["head_dim"]
        done += times * 2 * self._told["num_hidden_layers"] * width * attended
        share = done / seconds / self._told["flops"]
        print(f"{kind:16}{case:8}{tokens / seconds:10.0f} tokens/s{done / seconds / 1e12:8.0f} TFLOP/s{share:8.0%}")

    def _tell_memory(self, directory: Path) -> None:
        records = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
        noted = next(each["memory"] for each in reversed(records) if each["memory"])
        for part, measured in noted["measured"].items():
            print(f"  {part:12}{measured / 2**30:8.1f} GiB, planned {noted['planned'].get(part, 0) / 2**30:.1f}")

    @contextmanager
    def _trainer(self, kind: str, **more: Any) -> Iterator[tuple[Any, Path]]:
        job = f"{kind.lower().replace('_', '-')}-{time.monotonic_ns()}"
        directory, rank = self._root / "runs" / job, KINDS[kind]
        config = {
            "directory": str(directory), "checkpoints": str(self._root / "jobs" / job / "checkpoints"),
            "jobs_root": str(self._root / "jobs"), "job": job, "base_model": BASE_MODEL, "trainer_mode": kind,
            "model_directory": str(self._root / "model"), "model_cache": str(self._root / "cache"),
            "max_context_length": 4096, "lora_rank": rank, **more,
        }  # fmt: skip
        with serving(self._python, "trainer", config, "/api/v1/healthz") as client:
            yield self._stepper(client, rank), directory

    def _stepper(self, client: Any, rank: int) -> Any:
        given = {"model_id": make_model(client, BASE_MODEL, rank)}

        def step(lengths: Sequence[int]) -> dict[str, float]:
            data = [datum(list(range(length))) for length in lengths]
            passed = {**given, "forward_backward_input": {"data": data, "loss_fn": "cross_entropy"}}
            began = time.perf_counter()
            found = call(client, "forward_backward", passed)["metrics"]
            stepped = call(client, "optim_step", {**given, "adam_params": {"learning_rate": RATE, "weight_decay": 0.0}})
            return {
                "seconds": time.perf_counter() - began,
                "loss": found["loss:sum"] / found["loss_tokens:sum"],
                "norm": stepped["metrics"]["grad_norm:mean"],
            }

        return step
