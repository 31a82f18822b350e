"""What the tests do with the explorer's page in a browser."""

import contextlib


@contextlib.contextmanager
def opened(browser, address, **options):
    """The page in a browser of its own, without what other pages have stored; no error of its own may come up."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.elsewhere, failures = [], []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("request", lambda request: page.elsewhere.append(request.url))
    page.goto(address)
    settle(page)
    yield page
    context.close()
    assert failures == []


def settle(page):
    page.wait_for_selector("body[data-ready]")
    page.wait_for_selector("#picture[data-milliseconds]")


def shown(page, selector="#picture"):
    """The pixels of an image, by default of the one in the middle."""
    return page.evaluate(
        """async selector => {
          const picture = document.querySelector(selector), canvas = document.createElement("canvas");
          await picture.decode();
          [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
          canvas.getContext("2d").drawImage(picture, 0, 0);
          return canvas.toDataURL();
        }""",
        selector,
    )


def changed_by(page, action):
    """Whether the picture is another one when the answer to what the action requests has come."""
    before, source = shown(page), page.get_attribute("#picture", "src")
    action()
    page.wait_for_function("source => document.querySelector('#picture').src !== source", arg=source)
    return shown(page) != before


def slide(page, selector, value):
    page.evaluate(
        """([selector, value]) => {
          const input = document.querySelector(selector);
          input.value = value;
          input.dispatchEvent(new Event("input"));
        }""",
        [selector, value],
    )


def open_tool(page, name):
    page.click(f"#tab-{name}")
    page.wait_for_selector(f"#panel-{name}:not([hidden])")


def in_address(page, name, value):
    """Waits until the address has a field of this value."""
    page.wait_for_function(
        "([name, value]) => new URLSearchParams(location.hash.slice(1)).get(name) === value", arg=[name, value]
    )


def errors(page):
    """The errors on the page: the id, or the end, of the part that each is in, and its words."""
    return dict(
        page.evaluate(
            """() => [...document.querySelectorAll(".error:not([hidden])")].map(error => {
              const part = error.closest("[data-end], [id]");
              return [part.dataset.end || part.id, error.textContent];
            })"""
        )
    )


def snapshot(page):
    """What the page shows of all that its address holds."""
    page.wait_for_function("() => [...document.querySelectorAll('#kept img, #mixed img')].every(image => image.src)")
    page.wait_for_load_state("networkidle")
    return {
        "picture": shown(page),
        "ends": page.locator(".end .original").evaluate_all("all => all.map(one => one.src)"),
        "kept": page.locator("#kept img").evaluate_all("all => all.map(one => one.src)"),
        "controls": page.locator("input:not([type=file], [type=radio]), select:not(#mix-choice, .corner select)"
                                 ).evaluate_all("all => all.map(one => one.value)"),
        "tool": page.inner_text("[role=tab][aria-selected=true]"),
    }  # fmt: skip
