"""What the page Connect shows to paste: the code that a shape's page shows, and the same jobs by curl. Pure."""

from __future__ import annotations

from catalog.usage import KEY_VARIABLE, URL_VARIABLE, Example, Snippet, snippets
from wire.names import account_name


def quickstart(example: Example, account_id: str) -> tuple[Snippet, ...]:
    """Environment, a whole run with the SDK, jobs of the account by curl, and a recipe of the cookbook."""
    made, sdk, *recipe = snippets(example)
    curl = Snippet(
        "curl",
        "curl",
        "Lists the shapes; creates a trainer job, shows it and deletes it again.",
        _curl(example, account_id),
    )
    return (made, sdk, curl, *recipe)


def _curl(example: Example, account_id: str) -> str:
    jobs = f"${URL_VARIABLE}/v1/{account_name(account_id)}/rlorTrainerJobs"
    shapes = f"${URL_VARIABLE}/v1/{example.shape.rpartition('/')[0]}"
    key = f'-H "X-Api-Key: ${KEY_VARIABLE}"'
    body = f'{{"trainingConfig": {{"baseModel": "{example.base_model}", "loraRank": {example.lora_rank}}}}}'
    return f"""JOB="from-curl-$(date +%s)"

curl --fail-with-body -sS {key} \\
  "{shapes}?pageSize=5"

curl --fail-with-body -sS {key} -H 'Content-Type: application/json' \\
  -X POST "{jobs}?rlorTrainerJobId=$JOB&trainingShape={example.shape}" \\
  -d '{body}'

curl --fail-with-body -sS {key} "{jobs}/$JOB"

curl --fail-with-body -sS {key} -X DELETE "{jobs}/$JOB"
"""
