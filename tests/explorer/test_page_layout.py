"""The explorer's page at three widths, light and dark."""

import pytest
from browsing import open_tool, opened

TOOLS = ["attributes", "units", "draws", "gallery", "map", "like", "sheet", "mix", "save"]
WIDTHS = {1280: 800, 390: 844, 320: 640}
SMALLEST_TARGET = 36  # Pixels; 44 where a finger points.

pytestmark = pytest.mark.browser
pytest_plugins = ["browser_fixtures"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_and_everything_has_a_name_and_a_size(browser, address, width, scheme):
    options = {"viewport": {"width": width, "height": WIDTHS[width]}, "color_scheme": scheme, "has_touch": width < 1000}
    with opened(browser, address, **options) as page:
        page.click("#keep")
        page.wait_for_selector("#kept li img:not([hidden])")
        for name in TOOLS:
            open_tool(page, name)
            if name == "mix":
                page.click("#mix-add")
                page.wait_for_selector("#mixed li")
            if name == "gallery":
                page.click("#filter summary")
            page.wait_for_load_state("networkidle")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            tracks = page.locator("input[type=range]:visible").evaluate_all("all => all.map(one => one.clientWidth)")
            assert min(tracks) >= 120, name
            assert unnamed(page) == [], name
            smallest = SMALLEST_TARGET if width > 1000 else 44
            assert small_targets(page, smallest) == [], name
            assert pale_texts(page) == [], name
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
        assert (max(dark) < 60) == (scheme == "dark")
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light dark"


CONTROLS = "button, select, summary, input, canvas, a, [role=tab]"


def unnamed(page):
    """The visible controls, and images with something to say, without an accessible name."""
    return page.evaluate(
        f"""() => [...document.querySelectorAll("{CONTROLS}")].filter(one => one.checkVisibility()).filter(one => {{
          const labelled = one.ariaLabel || one.textContent.trim() || [...(one.labels || [])].map(
            label => label.textContent.trim()).join("");
          return !labelled;
        }}).map(one => one.outerHTML).concat([...document.images].filter(one => one.getAttribute("alt") === null).map(
          one => one.outerHTML))"""
    )


def small_targets(page, smallest):
    """Visible controls that a finger misses; cells of the sheet, and points of the map, are as large as they can be."""
    return page.evaluate(
        f"""smallest => [...document.querySelectorAll("{CONTROLS}")].filter(one => one.checkVisibility()
          && !one.closest("#cells")).filter(one => {{
            const {{ width, height }} = one.getBoundingClientRect();
            return height < smallest - 0.5 || width < Math.min(smallest, 36) - 0.5;
        }}).map(one => `${{one.outerHTML.slice(0, 90)}} ${{one.clientWidth}} x ${{one.clientHeight}}`)""",
        smallest,
    )


def pale_texts(page):
    """Visible texts whose contrast to their background is below 4.5 to 1 (WCAG AA); disabled controls may be."""
    return page.evaluate(
        """() => {
          const light = ([r, g, b]) => [r, g, b].map(value => value / 255).map(value =>
            value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
            .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
          const color = text => text.match(/[0-9.]+/g).map(Number);
          const ground = node => {
            for (let at = node; at; at = at.parentElement) {
              const [r, g, b, a = 1] = color(getComputedStyle(at).backgroundColor);
              if (a > 0) return [r, g, b];
            }
            return [255, 255, 255];
          };
          return [...document.querySelectorAll("body *")].filter(node => node.checkVisibility() && !node.disabled
            && [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim())).filter(node => {
              const [one, other] = [light(color(getComputedStyle(node).color)), light(ground(node))];
              return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) < 4.5;
            }).map(node => node.outerHTML.slice(0, 120));
        }"""
    )
