"""Screenshots of every page, 1280 and 360 wide, light and dark, into var/shots (or the folder that is named).

What there is to see is made first: versions in every state, members, keys, an upload, and by the browser a real launch
and a real validation, so that their pages show what was measured. `./run shots` starts the Slipway that this needs.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import Browser, FilePayload, Page, expect, sync_playwright

from benchmarks.session import BASE_URL, set_up_django

if TYPE_CHECKING:
    from benchmarks.sample_data import SampleData

ROOT = Path(__file__).resolve().parent.parent
WIDTHS = {1280: 860, 360: 740}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run"]
RUN_MILLISECONDS = 400_000
SAVED = "training/step-20"

CHAT_MODEL = "accounts/local/models/tiny-qwen3-chat"

SIGNED_OUT = {"catalog-signed-out": "/", "sign-in": "/sign-in", "not-found": "/nowhere", "api-docs": "/api/docs"}
SIGNED_IN = {
    "catalog": "/",
    "catalog-filtered": "/?family=Qwen&mode=LORA_TRAINER",
    "catalog-empty": "/?q=nothing+has+this+name",
    "shape": "/shapes/local/tiny-qwen3-2k-lora",
    "shape-deployment": "/shapes/local/tiny-qwen3-sampler",
    "shape-public": "/shapes/fireworks/qwen3p5-9b-256k",
    "compare": "/compare?shape=local/tiny-qwen3-2k&shape=local/tiny-qwen3-2k-lora&shape=fireworks/qwen3p5-9b-256k",
    "publish": "/publish",
    "publish-shapes": "/publish?show=shapes",
    "publish-shape": "/publish/local/tiny-qwen3-2k-lora",
    "publish-choose-model": "/publish/new",
    "publish-new": "/publish/new?model=accounts/local/models/tiny-qwen3",
    "publish-new-deployment": "/publish/new?kind=deployment&model=accounts/local/models/tiny-qwen3",
    "publish-new-version": "/publish/local/tiny-qwen3-2k-lora/new",
    "publish-delete": "/publish/local/tiny-qwen3-2k-lora/delete",
    "launch-form": "/shapes/local/tiny-qwen3-2k-lora/launch",
    "launch-form-public": "/shapes/fireworks/qwen3p5-9b-256k/launch",
    "launches": "/launches",
    "models-empty": "/models?q=nothing",
    "try-it": f"/deployments/try?serve={CHAT_MODEL}",
    "datasets": "/datasets",
    "datasets-empty": "/datasets?q=nothing",
    "dataset-new": "/datasets/new",
    "launches-empty": "/launches?state=LOST",
    "connections": "/connections",
    "destination-new": "/destinations/new",
    "checkout-new": "/checkouts/new",
    "connections-of-account": "/connections?of=account",
    "connection": "/connections/local",
    "connection-launches": "/connections/local/launches",
    "connection-catalog": "/connections/local/catalog",
    "connection-edit": "/connections/local/edit",
    "connection-kinds": "/connections/new",
    "connection-new": "/connections/new?kind=control_plane",
    "connection-new-slurm": "/connections/new?kind=slurm",
    "members": "/members",
    "account-settings": "/account/settings",
    "keys": "/keys",
    "api-docs-signed-in": "/api/docs",
    "connect": "/connect",
    "audit": "/audit",
    "password": "/password",
}


def main(folder: Path) -> None:
    """Take them all. Errors: Playwright's, where a page does not come."""
    folder.mkdir(parents=True, exist_ok=True)
    sample = _sample_data()  # before the browser, in whose event loop Django refuses the database
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["SLIPWAY_CHROMIUM"], args=ARGUMENTS)
        for name, path in SIGNED_OUT.items():
            _take_all(browser, None, folder, name, path)
        state, launch = _make_launch(browser, folder)
        _wait_for_validation(browser, state, sample.measured["validation"])
        pages = SIGNED_IN | sample.pages | sample.measured
        pages |= {"launch-completed": launch, "checkpoint": f"{launch}/saves/{SAVED}"}
        for name, path in pages.items():
            _take_all(browser, state, folder, name, path)
        for name, act in ACTS.items():
            _take_all(browser, state, folder, name, "/", act)
        browser.close()
    print(f"{len(list(folder.glob('*.png')))} screenshots in {folder}")


@contextmanager
def _page(browser: Browser, state: Path | None, width: int, theme: Literal["light", "dark"]) -> Iterator[Page]:
    context = browser.new_context(
        base_url=BASE_URL,
        viewport={"width": width, "height": WIDTHS[width]},
        color_scheme=theme,
        storage_state=state,
    )
    try:
        yield context.new_page()
    finally:
        context.close()


def _sample_data() -> SampleData:
    set_up_django()
    from benchmarks.sample_data import make_sample_data  # noqa: PLC0415 -- models can be imported only once Django is set up

    return make_sample_data()


def _take_all(
    browser: Browser,
    state: Path | None,
    folder: Path,
    name: str,
    path: str,
    act: Callable[[Page], None] | None = None,
) -> None:
    """In every width and theme; `act` does something on the page first, each time anew."""
    for width in WIDTHS:
        for theme in THEMES:
            with _page(browser, state, width, theme) as page:
                page.goto(path, wait_until="load")
                if act:
                    act(page)
                _shoot(page, folder / f"{name}-{width}-{theme}.png")


def _shoot(page: Page, file: Path) -> None:
    page.wait_for_load_state("load")
    page.evaluate("document.fonts.ready")
    page.screenshot(path=file, full_page=True)


def _make_launch(browser: Browser, folder: Path) -> tuple[Path, str]:
    """Sign in, launch from the form, photograph it while it runs, wait for its end. Answers session and address."""
    with _page(browser, None, 1280, "light") as page:
        page.goto("/sign-in")
        page.get_by_label("Username").fill(os.environ["SLIPWAY_ADMIN_USER"])
        page.get_by_label("Password").fill(os.environ["SLIPWAY_ADMIN_PASSWORD"])
        page.locator("main").get_by_role("button", name="Sign in").click()
        page.wait_for_url(re.compile(r"/$"))
        state = folder / "session.json"
        page.context.storage_state(path=state)
        page.goto("/shapes/local/tiny-qwen3-2k-lora/launch")
        page.get_by_label("Display name").fill("First light")
        page.get_by_role("button", name="Launch trainer").click()
        page.wait_for_url(re.compile(r"/launches/"))
        expect(page.locator('[data-state="RUNNING"]')).to_be_visible(timeout=RUN_MILLISECONDS)
        expect(page.get_by_text("step-20").first).to_be_visible(timeout=RUN_MILLISECONDS)
        _shoot(page, folder / "launch-running-1280-light.png")
        expect(page.locator('[data-state="COMPLETED"]')).to_be_visible(timeout=RUN_MILLISECONDS)
        return state, page.url.removeprefix(BASE_URL)


def _wait_for_validation(browser: Browser, state: Path, path: str) -> None:
    with _page(browser, state, 1280, "light") as page:
        page.goto(path)
        expect(page.locator('[data-state="PASSED"]')).to_be_visible(timeout=RUN_MILLISECONDS)


def _refuse_launch(page: Page) -> None:
    page.goto("/shapes/local/tiny-qwen3-2k-lora/launch")
    page.get_by_label("LoRA rank").fill("4096")
    page.get_by_label("Learning rate").fill("0")
    page.get_by_role("button", name="Launch trainer").click()
    page.wait_for_load_state("load")


def _check_launch(page: Page) -> None:
    page.goto("/shapes/local/tiny-qwen3-2k-lora/launch")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator("#checked")).to_be_visible()


def _refuse_deployment(page: Page) -> None:
    page.goto("/shapes/local/tiny-qwen3-sampler/deploy")
    page.get_by_label("Id").fill("Support tone!")
    page.get_by_label("Most replicas").fill("many")
    page.get_by_role("button", name="Deploy").click()
    page.wait_for_load_state("load")


def _ask(page: Page, **typed: str) -> None:
    """Ask the demo model in a deployment that is made the first time, and waits for its sampler then."""
    page.goto(SIGNED_IN["try-it"])
    page.locator("main").get_by_role("link", name="Try it").or_(
        page.get_by_role("button", name="Deploy and try")
    ).click()
    page.wait_for_url(re.compile(r"/deployments/[0-9a-f-]+/try$"))
    for label, value in ({"Prompt": "What is a slipway?", "Tokens": "48", "Seed": "7"} | typed).items():
        page.get_by_label(label).fill(value)
    page.get_by_label("The base model beside it").check()
    page.get_by_role("button", name="Ask", exact=True).click()


def _ask_to_start(page: Page) -> None:
    _ask(page)
    expect(page.locator("[data-starting], [data-answer]").first).to_be_visible()


def _ask_to_the_end(page: Page) -> None:
    _ask(page)
    expect(page.locator("[data-answer]").first).to_be_visible(timeout=RUN_MILLISECONDS)
    page.get_by_text("Token by token").first.click()


def _ask_in_vain(page: Page) -> None:
    _ask(page, Temperature="hot")
    expect(page.locator("[aria-invalid]")).to_be_visible()


def _refuse_draft(page: Page) -> None:
    page.goto("/publish/local/tiny-qwen3-2k-lora/new")
    page.get_by_role("textbox", name="GPUs per node").fill("many")
    page.get_by_role("textbox", name="Context in tokens").fill("0")
    page.get_by_role("button", name="Save draft").click()
    page.wait_for_load_state("load")


def _refuse_file(page: Page) -> None:
    page.goto("/publish/import")
    text = "account: local\npublic: yes, please\nmodels:\n  - model: tiny-qwen3\n    titel: Tiny\n    shapes: 7\n"
    file: FilePayload = {"name": "catalog-local.yaml", "mimeType": "application/yaml", "buffer": text.encode()}
    page.locator('input[type="file"]').set_input_files(file)
    page.get_by_role("button", name="Review").click()
    page.wait_for_load_state("load")


def _refuse_connection(page: Page) -> None:
    page.goto("/connections/new?kind=control_plane")
    page.get_by_label("Address").fill("http://north.example")
    page.get_by_role("button", name="Add the connection").click()
    page.wait_for_load_state("load")


def _test_connection(page: Page) -> None:
    page.goto("/connections/local")
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_text("Trainers run as")).to_be_visible()


def _open_menus(page: Page) -> None:
    page.get_by_label(re.compile("^User menu of")).click()


ACTS: dict[str, Callable[[Page], None]] = {
    "launch-form-refused": _refuse_launch,
    "launch-checked": _check_launch,
    "deployment-refused": _refuse_deployment,
    "try-starting": _ask_to_start,
    "try-answered": _ask_to_the_end,
    "try-refused": _ask_in_vain,
    "publish-refused": _refuse_draft,
    "import-refused": _refuse_file,
    "connection-refused": _refuse_connection,
    "connection-tested": _test_connection,
    "user-menu": _open_menus,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./run shots", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "var" / "shots")
    main(parser.parse_args().folder)
