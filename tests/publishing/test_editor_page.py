"""The editor: a new shape, a new version, an edited draft; what is refused keeps what was typed."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts.models import AuditEntry, User
from catalog.fields import launch_fields
from catalog.fields.checks import estimate_memory
from catalog.fields.launch_fields import FieldPlaces, FieldType, LaunchField, common_fields
from catalog.models import ShapeVersion, TrainingShape
from catalog.states import VersionState
from connections.providers.spec import ShardingScheme, TrainerMode
from tests.makers import make_account, make_member, make_model, make_shape, make_version, sign_in
from tests.publishing.pages import at, draft_of, editor_in, form_in, of, own_shape, published, publisher, team, text

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def draft() -> ShapeVersion:
    return draft_of(own_shape(), gpus=8, display_name="First")


def fresh(version: ShapeVersion) -> ShapeVersion:
    return ShapeVersion.objects.select_related("shape__account").get(pk=version.pk)


def test_a_new_shape_without_scripts(signed_in: Client) -> None:
    model = make_model(account=team(), model_id="own-8b", title="Own 8B", parameter_count=8 * 10**9, model_type="own")
    chosen = signed_in.get("/publish/new?q=own")
    assert "Own 8B" in text(chosen)
    address = "/publish/new?model=accounts/team-a/models/own-8b"
    assert address.partition("?")[2] in chosen.content.decode()
    form = editor_in(signed_in.get(address))
    assert (form["parameter_count"], form["model_type"]) == ("8000000000", "own")
    answer = signed_in.post(address, form | {"shape_id": "own-8b-32k", "display_name": "Own 8B (32k)", "note": "Hello"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/publish/team-a/own-8b-32k")
    shape = TrainingShape.objects.get(shape_id="own-8b-32k")
    made = shape.versions.get()
    assert (shape.account, shape.base_model, made.state, made.note) == (team(), model, "DRAFT", "Hello")
    assert made.fields == list(common_fields(TrainerMode.LORA_TRAINER))
    assert "is saved" in text(signed_in.get(answer.headers["Location"]))


def test_a_new_shape_needs_an_id_that_is_free_and_keeps_what_was_typed(signed_in: Client) -> None:
    shape = own_shape("taken")
    address = f"/publish/new?model={shape.base_model.name}"
    form = editor_in(signed_in.get(address)) | {"description": "Typed by hand."}
    for shape_id, status, sentence in (
        ("", 422, "is no id; use 1 to 63 characters"),
        ("No Id", 422, "'No Id' is no id; use 1 to 63 characters"),
        ("taken", 409, "is there already; choose another id."),
    ):
        answer = signed_in.post(address, form | {"shape_id": shape_id})
        assert (answer.status_code, sentence in text(answer)) == (status, True), shape_id
        kept = editor_in(answer)
        assert (kept["shape_id"], kept["description"]) == (shape_id, "Typed by hand.")
    assert TrainingShape.objects.count() == 1


def test_a_draft_keeps_its_edition_of_the_launch_fields_and_a_new_one_takes_the_newest(
    signed_in: Client, draft: ShapeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = LaunchField(
        "dice", "Dice", FieldType.INTEGER, "Where random numbers start.", default=0, minimum=0, maximum=9
    )
    monkeypatch.setattr(launch_fields, "EDITIONS", (*launch_fields.EDITIONS, (*launch_fields.EDITIONS[-1], seed)))
    monkeypatch.setitem(launch_fields.PLACES, "dice", FieldPlaces("recipe_steps"))
    assert "launch_fields.dice" not in editor_in(signed_in.get(at(draft, "edit")))
    address = f"/publish/team-a/{draft.shape.shape_id}/new?from={draft.version_id}"
    form = editor_in(signed_in.get(address))
    assert form["launch_fields.dice"] == "on"
    signed_in.post(address, form)
    made = ShapeVersion.objects.exclude(pk=draft.pk).get()
    assert (made.fields_edition, made.fields[-1], made.fields[:-1]) == (draft.fields_edition + 1, seed, draft.fields)


def test_a_model_that_one_may_not_see_is_not_offered(signed_in: Client) -> None:
    foreign = make_model(account=make_account(), title="Secret 1B")
    public = make_version().shape.base_model
    listed = text(signed_in.get("/publish/new"))
    assert public.title in listed
    assert "Secret 1B" not in listed
    answer = signed_in.get(f"/publish/new?model={foreign.name}")
    assert answer.status_code == 404
    assert "is no base model that you may see" in text(answer)


def test_base_models_are_found_as_in_the_catalog(signed_in: Client) -> None:
    wanted = make_model(account=team(), model_id="some-9b", title="Qwen 3.5 9B", aliases=["owner/Rowboat-9B"])
    make_version(shape=make_shape(base_model=wanted), context=131_072, gpus=2)
    make_model(account=team(), title="Other 3 8B")
    for words in ("Qwen3.5-9B", "Qwen/Qwen3.5-9B", "rowboat", "qwen3.5 lora 128k", "2 gpus"):
        listed = signed_in.get("/publish/new", {"q": words})
        assert ("Qwen 3.5 9B" in text(listed), "Other 3 8B" in text(listed)) == (True, False), words
    assert "Qwen 3.5 9B" not in text(signed_in.get("/publish/new", {"q": "qwen3.5 policy"}))
    page = signed_in.get("/publish/new", {"q": "9b lora 64k"}).content.decode()
    assert 'value="9b"' in page
    assert '<a class="chip" href="/publish/new?q=9b&amp;context=64k">' in page
    assert '<input type="hidden" name="mode" value="lora">' in page


def test_a_new_version_starts_as_a_copy_and_remembers_of_what(signed_in: Client) -> None:
    shape = own_shape()
    first = published(shape, gpus=4, trainer_sharding_scheme=ShardingScheme(2))
    published(shape, gpus=2)
    address = of(shape, f"/new?from={first.version_id}")
    form = editor_in(signed_in.get(address))
    assert (form["accelerator_count"], form["trainer_sharding_scheme.tensor_parallelism"]) == ("4", "2")
    assert editor_in(signed_in.get(of(shape, "/new")))["accelerator_count"] == "2", "the latest one where none is named"
    assert signed_in.post(address, form | {"accelerator_count": "8"}).status_code == 303
    made = shape.versions.get(state=VersionState.DRAFT)
    assert (made.based_on, made.gpus) == (first, 8)
    assert signed_in.get(of(shape, "/new?from=nosuchid")).status_code == 404


def test_saving_the_form_as_it_stands_changes_nothing(signed_in: Client, draft: ShapeVersion) -> None:
    before = AuditEntry.objects.count()
    assert signed_in.post(at(draft, "edit"), editor_in(signed_in.get(at(draft, "edit")))).status_code == 303
    assert (fresh(draft).digest, AuditEntry.objects.count()) == (draft.digest, before)


def test_check_leads_to_its_result_and_what_is_refused_tells_of_the_problems_too(
    signed_in: Client, draft: ShapeVersion
) -> None:
    page = signed_in.get(at(draft, "edit"))
    html = page.content.decode()
    assert f'name="check" value="1" formaction="{at(draft, "edit")}#checks"' in html
    assert re.search(r'<section [^>]*id="checks" tabindex="-1"', html)
    wrong = {"node_count": "-3", "deployment_shape_version": "foo", "launch_fields.lora_rank.maximum": "500"}
    for extra in ({"check": "1"}, {}):
        told = text(signed_in.post(at(draft, "edit"), editor_in(page) | wrong | extra))
        assert "-3 is out of range" in told
        assert "'foo' is no version of a deployment shape" in told
        assert "Maximum 500 is above the common maximum 128" in told
    assert "1 problem would keep it from being validated" in told


def test_another_parameter_count_than_the_models_is_a_warning(signed_in: Client) -> None:
    model = make_model(account=team(), model_id="own-8b", parameter_count=8 * 10**9)
    address = f"/publish/new?model={model.name}"
    form = editor_in(signed_in.get(address))
    differing = "9,000,000,000 differs from the 8,000,000,000 parameters of the base model"
    assert differing in text(signed_in.post(address, form | {"parameter_count": "9000000000", "check": "1"}))


def test_out_of_range_is_422_and_every_input_is_kept(signed_in: Client, draft: ShapeVersion) -> None:
    form = editor_in(signed_in.get(at(draft, "edit")))
    typed = form | {
        "node_count": "0",
        "parameter_count": "9B",
        "description": "kept",
        "launch_fields.lora_rank.maximum": "256",
        "launch_fields.region.help": "kept, too",
        "note": "and this",
    }
    del typed["launch_fields.deployment_replica_count"]
    answer = signed_in.post(at(draft, "edit"), typed)
    assert answer.status_code == 422
    assert "3 values" in text(answer)
    for sentence in ("'9B' is not a whole number", "Maximum 256 is above the common maximum 128. Use 0 to 128."):
        assert sentence in text(answer)
    assert editor_in(answer) == typed | {"csrfmiddlewaretoken": editor_in(answer)["csrfmiddlewaretoken"]}
    assert fresh(draft).digest == draft.digest


def test_problems_between_fields_are_shown_and_may_be_saved(signed_in: Client, draft: ShapeVersion) -> None:
    typed = editor_in(signed_in.get(at(draft, "edit"))) | {
        "accelerator_count": "6",
        "trainer_sharding_scheme.tensor_parallelism": "4",
        "trainer_sharding_scheme.context_parallelism": "3",
    }
    checked = signed_in.post(at(draft, "edit"), typed | {"check": "1"})
    assert checked.status_code == 200
    shown = text(checked)
    assert "6 GPUs x 1 node = 6 GPUs, but tensor 4 x pipeline 1 x context 3 x expert 1 = 12" in shown
    assert "32,768 tokens do not divide by context parallelism 3. Use 32,766" in shown
    assert "does not divide" in shown
    assert fresh(draft).digest == draft.digest, "a look changes nothing"
    assert signed_in.post(at(draft, "edit"), typed).status_code == 303
    assert fresh(draft).gpus == 6
    assert "= 12, and 6 is not a multiple of 12" in text(signed_in.get(at(draft, "edit")))


def test_the_preview_shows_form_memory_copies_and_changes(signed_in: Client) -> None:
    shape = own_shape()
    source = published(shape, gpus=2)
    address = of(shape, f"/new?from={source.version_id}")
    typed = editor_in(signed_in.get(address)) | {
        "check": "1",
        "accelerator_count": "8",
        "parameter_count": "70000000000",
        "trainer_sharding_scheme.tensor_parallelism": "4",
        "launch_fields.lora_rank.maximum": "32",
        "launch_fields.lora_rank.help": "Ours is small.",
    }
    del typed["launch_fields.region"]
    fragment = signed_in.post(address, typed, headers=HTMX)
    html = fragment.content.decode()
    assert html.lstrip().startswith('<div class="grid gap-4" id="preview">')
    estimate = estimate_memory(source.frozen_snapshot)
    assert estimate is None
    shown = text(fragment)
    assert "70B parameters x (2 B of BFLOAT16 weight) / 8 GPUs = 17.5 GB on each" in shown
    assert re.search(r"data-copies>2<small>copies", html)
    assert "GPUs per node 2 8" in shown
    assert "LoRA rank: maximum 128 32" in shown
    form = html.partition("<fieldset")[2].partition("</fieldset>")[0]
    assert " disabled>" in form.partition("<legend")[0]
    assert 'id="id_lora_rank"' in form
    assert "0 to 32" in form
    assert "Ours is small." in form
    assert 'id="id_region"' not in form


def test_what_does_not_fit_in_memory_is_warned_of_and_saved(signed_in: Client, draft: ShapeVersion) -> None:
    typed = editor_in(signed_in.get(at(draft, "edit"))) | {
        "trainer_mode": "POLICY_TRAINER",
        "parameter_count": "70000000000",
        "accelerator_count": "2",
    }
    answer = signed_in.post(at(draft, "edit"), typed | {"check": "1"})
    shown = text(answer)
    assert "GPU type : 70B parameters x (2 B of BFLOAT16 weight + 14 B of gradient" in shown
    assert 'data-fits="no"' in answer.content.decode()
    assert "can be validated" in shown
    assert signed_in.post(at(draft, "edit"), typed).status_code == 303
    assert fresh(draft).gpus == 2


def test_the_base_model_stands_locked_with_its_meaning_and_no_limit_is_left_out(
    signed_in: Client, draft: ShapeVersion
) -> None:
    page = signed_in.get(at(draft, "edit"))
    shown = text(page)
    assert f"Base model {draft.shape.base_model.name} Resource name of the model that the shape is made for" in shown
    assert "base_model" not in editor_in(page)
    assert "1 to 1,000,000,000,000,000" in shown
    assert "minTotalAcceleratorCount" in shown
    typed = editor_in(page) | {"base_model": "accounts/x/models/other"}
    assert signed_in.post(at(draft, "edit"), typed).status_code == 303
    assert fresh(draft).frozen_snapshot.base_model == draft.shape.base_model.name


def test_unsaved_work_is_marked_for_the_script_that_asks_before_leaving(signed_in: Client, draft: ShapeVersion) -> None:
    page = signed_in.get(at(draft, "edit"))
    assert "data-unsaved" not in page.content.decode()
    for typed in ({"check": "1"}, {"node_count": "0"}):
        assert "data-unsaved" in signed_in.post(at(draft, "edit"), editor_in(page) | typed).content.decode()


def test_a_default_that_the_launch_form_would_refuse_is_refused_here(signed_in: Client, draft: ShapeVersion) -> None:
    typed = editor_in(signed_in.get(at(draft, "edit"))) | {"launch_fields.region.default": "far away!"}
    for extra in ({}, {"check": "1"}):
        assert "'far away!' is not a region" in text(signed_in.post(at(draft, "edit"), typed | extra))
    assert fresh(draft).digest == draft.digest


def test_two_people_edit_one_draft(signed_in: Client, draft: ShapeVersion) -> None:
    mine = editor_in(signed_in.get(at(draft, "edit"))) | {"node_count": "2", "launch_fields.lora_rank.maximum": "64"}
    quinn = sign_in(Client(), publisher("quinn"))
    theirs = editor_in(quinn.get(at(draft, "edit"))) | {"node_count": "4", "note": "Four nodes."}
    assert quinn.post(at(draft, "edit"), theirs).status_code == 303

    answer = signed_in.post(at(draft, "edit"), mine | {"note": "Two nodes."})
    assert answer.status_code == 409
    shown = text(answer)
    for line in ("Nodes 4 2", "LoRA rank: maximum 128 64", "Note Four nodes. Two nodes."):
        assert line in shown
    assert fresh(draft).note == "Four nodes."
    again = editor_in(answer)
    assert (again["node_count"], again["note"], again["expected_digest"]) == ("2", "Two nodes.", fresh(draft).digest)
    assert signed_in.post(at(draft, "edit"), again).status_code == 303
    assert (fresh(draft).frozen_snapshot.node_count, fresh(draft).note) == (2, "Two nodes.")


def test_a_source_that_one_may_not_see_is_not_compared_with(signed_in: Client, paula: User) -> None:
    theirs = make_account(account_id="team-b")
    make_member(account=theirs, role="viewer", user=paula)
    source = make_version(shape=make_shape(base_model=make_model(account=theirs)), public=False, description="Secret")
    signed_in.post(at(source, "clone"), {"shape_id": "ours", "base_model": source.shape.base_model.name})
    copy = ShapeVersion.objects.get(shape__shape_id="ours")
    signed_in.post(at(copy, "edit"), editor_in(signed_in.get(at(copy, "edit"))) | {"description": "Ours"})
    assert "Description Secret Ours" in text(signed_in.get(at(copy, "edit")))
    quinn = sign_in(Client(), publisher("quinn"))
    for address in (at(copy, "edit"), of(copy.shape)):
        html = quinn.get(address).content.decode()
        assert "Secret" not in html
        assert source.version_id not in html


def test_what_is_no_draft_any_more_is_not_edited(signed_in: Client, draft: ShapeVersion) -> None:
    form = editor_in(signed_in.get(at(draft, "edit"))) | {"node_count": "2"}
    ShapeVersion.objects.filter(pk=draft.pk).update(state=VersionState.VALIDATING)
    assert signed_in.get(at(draft, "edit")).headers["Location"] == of(draft.shape)
    answer = signed_in.post(at(draft, "edit"), form)
    assert answer.status_code == 422
    assert "is no draft any more" in text(answer)
    assert editor_in(answer)["node_count"] == "2"


def test_a_second_tab_in_another_account_makes_no_shape_there(signed_in: Client, paula: User) -> None:
    other = make_account(account_id="team-b")
    make_member(account=other, role="publisher", user=paula)
    model = make_model(account=team())
    address = f"/publish/new?model={model.name}"
    form = editor_in(signed_in.get(address)) | {"shape_id": "mine"}
    signed_in.post("/account", {"account": "team-b"})
    answer = signed_in.post(address, form)
    assert answer.status_code == 409
    assert "This form was opened for account team-a; you now work in team-b." in text(answer)
    assert not TrainingShape.objects.exists()


def test_what_people_write_is_text_and_never_markup(signed_in: Client, draft: ShapeVersion) -> None:
    evil = '<script>alert("x")</script>'
    typed = editor_in(signed_in.get(at(draft, "edit"))) | {
        "description": evil,
        "display_name": evil,
        "launch_fields.lora_rank.help": evil,
        "note": f"</textarea>{evil}",
    }
    assert signed_in.post(at(draft, "edit"), typed).status_code == 303
    for address in (at(draft, "edit"), of(draft.shape), "/publish", f"/shapes/team-a/own?version={draft.version_id}"):
        assert evil not in signed_in.get(address).content.decode(), address
    assert editor_in(signed_in.get(at(draft, "edit")))["note"] == f"</textarea>{evil}"
    assert evil not in signed_in.post(at(draft, "edit"), typed | {"check": "1"}, headers=HTMX).content.decode()


def test_a_clone_of_a_public_shape_belongs_to_the_active_account(signed_in: Client) -> None:
    source = make_version(gpus=2)
    page = signed_in.get(at(source, "clone"))
    assert form_in(page)["account"] == "team-a"
    wrong = signed_in.post(at(source, "clone"), {"shape_id": "A b", "base_model": "x/y"})
    assert (wrong.status_code, "'x/y' is no base model that you may see" in text(wrong)) == (422, True)
    answer = signed_in.post(at(source, "clone"), {"shape_id": "ours", "base_model": source.shape.base_model.name})
    made = ShapeVersion.objects.get(shape__shape_id="ours")
    assert (answer.status_code, answer.headers["Location"]) == (303, at(made, "edit"))
    assert (made.shape.account, made.based_on, made.gpus) == (team(), source, 2)
    again = signed_in.post(at(source, "clone"), {"shape_id": "ours", "base_model": source.shape.base_model.name})
    assert again.status_code == 409


def test_what_is_published_meanwhile_is_not_taken_for_the_source(signed_in: Client) -> None:
    shape = own_shape()
    first = published(shape, gpus=1)
    for address in (of(shape, "/new"), of(shape, f"/new?from={first.version_id}")):
        form = editor_in(signed_in.get(address)) | {"note": address}
        published(shape, gpus=2)
        assert signed_in.post(address, form).status_code == 303
        made = shape.versions.get(note=address)
        assert (made.based_on, made.gpus) == (first, 1)
        shape.versions.filter(is_latest_validated=True).update(is_latest_validated=False)
        ShapeVersion.objects.filter(pk=first.pk).update(is_latest_validated=True)


def test_a_source_that_was_deleted_meanwhile_costs_nothing_that_was_typed(signed_in: Client) -> None:
    source = draft_of(own_shape())
    address = of(source.shape, f"/new?from={source.version_id}")
    form = editor_in(signed_in.get(address)) | {"note": "Kept."}
    source.delete()
    assert signed_in.post(address, form).status_code == 303
    made = source.shape.versions.get()
    assert (made.note, made.based_on) == ("Kept.", None)


def test_a_draft_that_was_deleted_while_somebody_typed_is_saved_as_a_new_one(
    signed_in: Client, draft: ShapeVersion
) -> None:
    typed = editor_in(signed_in.get(at(draft, "edit"))) | {"node_count": "4", "note": "Long thought."}
    quinn = sign_in(Client(), publisher("quinn"))
    assert quinn.post(at(draft, "delete")).status_code == 303
    looked = signed_in.post(at(draft, "edit"), typed | {"check": "1"}, headers=HTMX)
    assert (looked.status_code, "GPUs" in text(looked)) == (200, True)
    answer = signed_in.post(at(draft, "edit"), typed)
    assert answer.status_code == 409
    assert "Somebody deleted this draft while you edited it. What you typed is kept below" in text(answer)
    again = editor_in(answer)
    assert (again["node_count"], again["note"]) == ("4", "Long thought.")
    address = re.findall(r'<form class="editor[^>]* action="([^"]+)"', answer.content.decode())[0]
    assert signed_in.post(address, again).status_code == 303
    made = draft.shape.versions.get()
    assert (made.state, made.note, made.frozen_snapshot.node_count) == ("DRAFT", "Long thought.", 4)
    assert signed_in.get(at(draft, "edit")).status_code == 404


@pytest.mark.parametrize(("name", "words"), [("note", "a control character"), ("description", "a control character")])
def test_a_text_that_cannot_be_stored_is_refused_in_words(
    signed_in: Client, draft: ShapeVersion, name: str, words: str
) -> None:
    typed = editor_in(signed_in.get(at(draft, "edit"))) | {name: "a\0b"}
    answer = signed_in.post(at(draft, "edit"), typed)
    assert (answer.status_code, words in text(answer)) == (422, True)
    assert fresh(draft).digest == draft.digest
