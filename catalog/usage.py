"""Code that uses a shape, ready to paste: what the pages of shapes and the page Connect show. Pure.

Every program reads the address and the key from the two variables that the official SDK reads. Signatures and versions
as of fireworks-ai 1.2.24, the last one that goes with the public cookbook at `COOKBOOK`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from catalog.enums import PUBLIC_ACCOUNT
from connections.providers.spec import TrainerMode
from wire.names import parse_model_name

KEY_VARIABLE = "FIREWORKS_API_KEY"
URL_VARIABLE = "FIREWORKS_BASE_URL"
PUBLIC_URL = "https://api.fireworks.ai"
LORA_RANK = 16

FOLDER = "slipway-sdk"
TINKER = "tinker==0.23.0"
SDK_VERSION = "1.2.24"
SDK = (f"fireworks-ai[training-sdk]=={SDK_VERSION}", TINKER)
COOKBOOK_ADDRESS = "https://github.com/fw-ai/cookbook.git"
COOKBOOK = "76821fa1ded720d903029381b37d3c3ea7ce9ddd"
COOKBOOK_NEEDS = (f"fireworks-ai[training]=={SDK_VERSION}", TINKER, "torch==2.13.0")
RENDERERS = {
    "accounts/local/models/tiny-qwen3": "role_colon",
    "accounts/local/models/tiny-qwen3-chat": "qwen3_instruct",
}
"""How the cookbook turns conversations into tokens, for models whose tokenizer's name does not tell it."""


@dataclass(frozen=True)
class Snippet:
    """One way to use the shape: `note` says where it goes or what it does."""

    key: str
    title: str
    note: str
    code: str


@dataclass(frozen=True)
class Example:
    """What the code trains, and where: names of shape (or of one version of it) and base model, and the API's address.

    `lora_rank` counts for LoRA trainers alone; `context` is the longest sequence in tokens.
    """

    shape: str
    base_model: str
    mode: TrainerMode
    lora_rank: int
    context: int
    base_url: str

    @property
    def has_model_here(self) -> bool:
        """Whether the base model is one that Slipway itself has, with its tokenizer."""
        parsed = parse_model_name(self.base_model)
        return parsed is not None and parsed[0] != PUBLIC_ACCOUNT


def snippets(example: Example) -> tuple[Snippet, ...]:
    """The environment, a whole run with the SDK, and, where the shape trains, a recipe of the cookbook."""
    recipe = (
        Snippet(
            "cookbook-environment",
            "Cookbook: environment and data",
            "After the environment above, in the same shell.",
            _cookbook_environment(example),
        ),
        Snippet(
            "cookbook",
            "Cookbook: recipe",
            "Save it as a file and run that: the recipe starts processes that import it again. "
            "It makes a trainer, and deletes it when it ends.",
            _cookbook(example),
        ),
    )
    trains = example.mode != TrainerMode.FORWARD_ONLY
    return (
        environment(example.base_url),
        Snippet("sdk", "Python SDK", _sdk_note(trains), _sdk(example)),
        *(recipe if trains else ()),
    )


def environment(base_url: str) -> Snippet:
    """The commands that make the environment that all Python here runs in."""
    return Snippet(
        "environment",
        "Environment",
        "For a POSIX shell and Python 3.11 or newer. Paste the key between the quotes.",
        f"python3 -m venv {FOLDER}\n"
        f". {FOLDER}/bin/activate\n"
        f"pip install {_quoted(SDK)}\n"
        f"export {URL_VARIABLE}='{base_url}'\n"
        f"export {KEY_VARIABLE}=''\n",
    )


def _sdk_note(trains: bool) -> str:
    does = "trains three steps through it" if trains else "asks it for a loss"
    return f"Makes a trainer and waits for it, {does}, and deletes it, also where something fails on the way."


def _sdk(example: Example) -> str:
    trains = example.mode != TrainerMode.FORWARD_ONLY
    rank = example.lora_rank if example.mode == TrainerMode.LORA_TRAINER else 0
    types = "AdamParams, Datum, ModelInput, TensorData" if trains else "Datum, ModelInput, TensorData"
    loop = (
        """    for step in range(1, 4):
        passed = client.forward_backward([datum], "cross_entropy").result()
        client.optim_step(AdamParams(learning_rate=1e-3)).result()
        print(step, passed.metrics["loss:sum"] / 32)
"""
        if trains
        else """    passed = client.forward([datum], "cross_entropy").result()
    print(passed.metrics["loss:sum"] / 32)
"""
    )
    return f"""from fireworks.training.sdk import FiretitanServiceClient
from tinker import {types}

tokens = list(range(1, 34))
datum = Datum(
    model_input=ModelInput.from_ints(tokens[:-1]),
    loss_fn_inputs={{
        "target_tokens": TensorData(data=tokens[1:], dtype="int64", shape=[32]),
        "weights": TensorData(data=[1.0] * 32, dtype="float32", shape=[32]),
    }},
)

service = FiretitanServiceClient.from_firetitan_config(
    base_model="{example.base_model}",
    training_shape_id="{example.shape}",
    {f"lora_rank={rank}" if trains else "forward_only=True"},
    create_deployment=False,  # nothing samples
    cleanup_trainer_on_close=True,  # with what it saved; leave it out to keep both
)
try:
    client = service.create_training_client({f"lora_rank={rank}" if trains else ""})
    print(service.trainer_job_id)
{loop}finally:
    service.close()
"""


def _cookbook_environment(example: Example) -> str:
    tokenizer = (
        f"""curl --fail-with-body -sS -H "X-Api-Key: ${KEY_VARIABLE}" \\
  "${URL_VARIABLE}/v1/{example.base_model}/tokenizer" | tar -xz
"""
        if example.has_model_here
        else ""
    )
    return f"""git clone {COOKBOOK_ADDRESS}
git -C cookbook checkout {COOKBOOK}
pip install -e cookbook/training {_quoted(COOKBOOK_NEEDS)}
{tokenizer}cat > data.jsonl <<'END'
{_conversation("What is a slipway?", "The place where ships are built and launched.")}
{_conversation("What slides down it?", "A ship, stern first.")}
END
"""


def _conversation(question: str, answer: str) -> str:
    """One line of the recipe's data."""
    said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": said})


def _cookbook(example: Example) -> str:
    rank = example.lora_rank if example.mode == TrainerMode.LORA_TRAINER else 0
    return f"""from training.recipes.sft_loop import Config, main
from training.utils import TrainerConfig

if __name__ == "__main__":
    main(
        Config(
            log_path="./logs",
            base_model="{example.base_model}",
            dataset="./data.jsonl",
{_tokenizer(example)}
            max_seq_len={example.context},
            lora_rank={rank},
            learning_rate=1e-3,
            epochs=3,
            batch_size=2,
            trainer=TrainerConfig(training_shape_id="{example.shape}"),
        )
    )
"""


def _tokenizer(example: Example) -> str:
    """Whose tokenizer and renderer: those that came from here, or what the reader has to fill in."""
    if not example.has_model_here:
        return (
            '            tokenizer_model="",  # the Hugging Face id of the base model\'s tokenizer\n'
            '            renderer_name="",  # chosen by that id where it is left empty'
        )
    renderer = RENDERERS.get(example.base_model, "")
    ask = "" if renderer else "  # the cookbook's one for the tokenizer's chat template"
    folder = example.base_model.rpartition("/")[2]
    return f'            tokenizer_model="./{folder}",\n            renderer_name="{renderer}",{ask}'


def _quoted(requirements: tuple[str, ...]) -> str:
    return " ".join(f"'{requirement}'" for requirement in requirements)


LOADED_WHOLE = """from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained({folder})
tokenizer = AutoTokenizer.from_pretrained({folder})"""
LOADED_ADAPTER = """from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

# the folder of {base_name}
base = AutoModelForCausalLM.from_pretrained({base})
model = PeftModel.from_pretrained(base, {folder})
tokenizer = AutoTokenizer.from_pretrained({folder})"""


def loading_code(folder: str, *, base_model: str, adapter: bool) -> str:
    """Python that loads a model's folder; an adapter's base model is named by its resource name, for it has no path."""
    if not adapter:
        return LOADED_WHOLE.format(folder=json.dumps(folder))
    base = json.dumps(base_model.rpartition("/")[2])
    return LOADED_ADAPTER.format(folder=json.dumps(folder), base=base, base_name=base_model)
