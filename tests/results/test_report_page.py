"""The report of the committed records in a real browser: on a phone and a desktop, in light and dark."""

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from results.report import page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE, DESKTOP = 375, 1280

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "ROOT", root)
        page.write_report()
    return (root / page.REPORT).as_uri()


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(
    scope="module", params=[(PHONE, "light"), (PHONE, "dark"), (DESKTOP, "light"), (DESKTOP, "dark")], ids=str
)
def opened(request, chromium, address):
    """The page with all that can be opened open; what its console said and what it asked for."""
    width, scheme = request.param
    tab = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    said, asked = [], []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(address)
    tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    for frame in tab.query_selector_all("iframe"):
        frame.scroll_into_view_if_needed()
    tab.wait_for_load_state("networkidle")
    yield tab, said, asked
    tab.close()


def test_it_asks_for_nothing_and_has_nothing_to_complain_about(opened, address):
    _, said, asked = opened
    assert [each for each in asked if not each.startswith(("data:", "about:"))] == [address]
    assert said == []


def test_nothing_is_wider_than_the_window(opened):
    tab, *_ = opened
    for frame in tab.frames:
        wide, window = frame.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= window, frame.title()


@pytest.mark.slow
@pytest.mark.parametrize("opened", [(PHONE, "dark"), (DESKTOP, "light")], indirect=True, ids=str)
def test_whoever_cannot_see_it_can_read_it(opened):
    tab, *_ = opened
    found = Axe().run(tab, options={"iframes": False}).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"][:3]]) for each in found] == []


def test_it_prints_whole_and_dark_on_white_whatever_is_closed_and_however_dark_the_screen(chromium, address):
    tab = chromium.new_page(color_scheme="dark")
    tab.goto(address)
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.evaluate("getComputedStyle(document.body).color") == "rgb(26, 26, 26)"
    inside = tab.locator("details:not(.screen) > :not(summary)")
    assert inside.count()
    assert inside.evaluate_all("all => all.filter(each => !each.checkVisibility()).length") == 0
    assert tab.pdf(format="A4").startswith(b"%PDF")
    tab.close()


def test_no_name_beside_an_axis_is_cut_off(opened):
    tab, *_ = opened
    cut = tab.evaluate("""() => [...document.querySelectorAll('figure svg')].flatMap(svg => {
        const {left, right} = svg.getBoundingClientRect()
        const outside = text => text.left < left - 1 || text.right > right + 1
        return [...svg.querySelectorAll('text')].filter(each => outside(each.getBoundingClientRect()))
            .map(each => each.textContent)
    })""")
    assert cut == []
