"""What is answered of a choice: the shapes that the official SDK and OpenAI's clients read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampler.answers import Answer, ChoiceAnswer
from sampler.sequences import Choice, Event, Scored, seeded
from sampler.text import TextStream
from sampler.wire import Completion, Sampling, parse_chat, parse_completion


def decode(tokens: Sequence[int]) -> str:
    return "".join(chr(96 + token) for token in tokens)


def play(asked: Completion, tokens: Sequence[int], *, parts: bool, ends: Sequence[int] = (26,)) -> list[dict[str, Any]]:
    """The parts of the answer where `parts`, or the one whole, of a choice whose tokens are given."""
    events: list[Event] = []
    choice = Choice(
        prompt=(1, 2, 3),
        sampling=asked.sampling,
        limit=asked.sampling.max_tokens or 0,
        ends=frozenset(ends),
        text=TextStream(decode, asked.sampling.stop),
        emit=events.append,
    )
    choice.start([Scored(token, -float(token)) for token in (1, 2, 3)] if asked.echo is None else ())
    for token in tokens:
        if not choice.done:
            choice.accept(Scored(token, -1.0, -0.5, ((token, -1.0), (9, -2.0))))
    told = ChoiceAnswer(0, asked, choice, decode)
    answers = []
    for event in events:
        told.take(event)
        if parts and told.is_pending:
            answers.append(told.tell(part=True))
    return answers if parts else [told.tell(part=False)]


def test_a_stream_for_the_sdk_adds_up_to_the_whole() -> None:
    asked = parse_completion(
        {"prompt": [1, 2, 3], "max_tokens": 3, "echo": True, "logprobs": True, "raw_output": True, "top_logprobs": 2},
        "m",
    )
    parts = play(asked, [4, 5, 6], parts=True)
    [whole] = play(asked, [4, 5, 6], parts=False)
    assert "".join(part["text"] for part in parts) == whole["text"] == "abcdef"
    rows = [row for part in parts for row in part["logprobs"]["content"]]
    assert rows == whole["logprobs"]["content"]
    assert [row["token_id"] for row in rows] == whole["raw_output"]["completion_token_ids"] == [1, 2, 3, 4, 5, 6]
    assert [row["sampling_logprob"] for row in rows] == [None] * 3 + [-0.5] * 3
    assert rows[3]["top_logprobs"][1] == {"token": "i", "token_id": 9, "logprob": -2.0, "bytes": [105]}
    assert parts[-1]["finish_reason"] == "length" and parts[-1]["raw_output"]["prompt_token_ids"] == [1, 2, 3]
    assert all(part["finish_reason"] is None and "raw_output" not in part for part in parts[:-1])


def test_the_end_is_a_token_and_no_text_and_a_stop_is_neither() -> None:
    cases: list[tuple[dict[str, Any], list[int], str, list[int], str]] = [
        ({}, [4, 26, 5], "d", [4, 26], "stop"),
        ({"stop": "ef"}, [4, 5, 6, 7], "d", [4, 5, 6], "stop"),
        ({"stop": "ez"}, [4, 5, 6], "def", [4, 5, 6], "length"),
        ({"echo_last": 1}, [4, 5, 6], "cdef", [3, 4, 5, 6], "length"),
    ]
    for body, tokens, text, ids, reason in cases:
        asked = parse_completion({"prompt": [1, 2, 3], "max_tokens": 3, "return_token_ids": True, **body}, "m")
        [told] = play(asked, tokens, parts=False)
        assert (told["text"], told["token_ids"], told["finish_reason"], told["logprobs"]) == (text, ids, reason, None)


def test_chats_and_the_older_shape_of_logprobs() -> None:
    chat = parse_chat({"messages": [{"role": "user", "content": "a"}], "max_tokens": 2}, "m")
    first, second = play(chat, [4, 5], parts=True)[:2]
    assert first["delta"] == {"content": "d", "role": "assistant"} and second["delta"] == {"content": "e"}
    [whole] = play(chat, [4, 5], parts=False)
    assert whole["message"] == {"role": "assistant", "content": "de"}
    answer = Answer(chat, "m", "step-1").wrap([whole], part=False, usage={})
    assert (answer["object"], answer["snapshot_identity"]) == ("chat.completion", "step-1")
    legacy = parse_completion({"prompt": [1, 2, 3], "max_tokens": 2, "logprobs": 1}, "m")
    [told] = play(legacy, [4, 5], parts=False)
    assert told["logprobs"]["tokens"] == ["d", "e"] and told["logprobs"]["text_offset"] == [0, 1]
    assert told["logprobs"]["token_logprobs"] == [-1.0, -1.0]


def test_choices_of_one_seed_differ_and_come_again() -> None:
    assert seeded(7, 0).random() == seeded(7, 0).random() != seeded(7, 1).random()
    assert Sampling(temperature=0.5).is_plain is False
