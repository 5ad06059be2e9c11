"""Code that asks a deployment, ready to paste. Pure. Address and key come from the variables that the SDK reads."""

from __future__ import annotations

import json

from catalog.usage import KEY_VARIABLE, URL_VARIABLE, Snippet
from deployments.pages.playground import COMPLETIONS, curl_of

PROMPT = "Once upon a time"
TOKENS = 32


def sampling_code(name: str) -> tuple[Snippet, ...]:
    """What asks the deployment of that resource name for a completion: curl, OpenAI's client, the official SDK."""
    return (
        Snippet("ask-curl", "curl", "Chats go to /inference/v1/chat/completions.", _curl(name)),
        Snippet("ask-openai", "Python, OpenAI's client", "pip install openai", _openai(name)),
        Snippet(
            "ask-sdk",
            "Python, the official SDK",
            "Token ids in and out, with log-probabilities: the sampler that create_deployment_sampler of a loop's "
            "service gives, too.",
            _sdk(name),
        ),
    )


def _curl(name: str) -> str:
    return curl_of(COMPLETIONS, {"model": name, "prompt": PROMPT, "max_tokens": TOKENS})


def _openai(name: str) -> str:
    return (
        "import os\n\n"
        "from openai import OpenAI\n\n"
        "client = OpenAI(\n"
        f'    base_url=os.environ["{URL_VARIABLE}"] + "/inference/v1",\n'
        f'    api_key=os.environ["{KEY_VARIABLE}"],\n'
        ")\n"
        "answer = client.completions.create(\n"
        f"    model={json.dumps(name)},\n"
        f"    prompt={json.dumps(PROMPT)},\n"
        f"    max_tokens={TOKENS},\n"
        ")\n"
        "print(answer.choices[0].text)\n"
    )


def _sdk(name: str) -> str:
    return (
        "import asyncio\n"
        "import os\n\n"
        "from fireworks.training.sdk import DeploymentSampler\n\n"
        "sampler = DeploymentSampler(\n"
        f'    inference_url=os.environ["{URL_VARIABLE}"],\n'
        f"    model={json.dumps(name)},\n"
        f'    api_key=os.environ["{KEY_VARIABLE}"],\n'
        ")\n"
        "group = asyncio.run(\n"
        f"    sampler.sample_with_prompt_tokens([5, 6, 7], n=2, max_tokens={TOKENS}, logprobs=True)\n"
        ")\n"
        "for each in group:\n"
        "    print(each.full_tokens, each.inference_logprobs)\n"
    )
