"""Which texts of a page are too faint: the contrast of WCAG 2.2 (success criterion 1.4.3, level AA)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


def too_faint(page: Page) -> list[str]:
    """Return a line for each text in sight with less contrast than 4.5, or 3 if large, to what is behind it.

    Behind it are the background colours of the elements that it is in; pictures and gradients are not seen.
    Raises AssertionError where the page has no text.
    """
    found = page.evaluate(_CONTRASTS)
    assert found, "no text is in sight"
    return [
        f"{each['ratio']:.2f} of {each['wanted']}: {each['text']!r}, {each['front']} on {each['back']}"
        for each in found
        if each["ratio"] < each["wanted"]
    ]


# A colour is [red, green, blue, alpha]; the canvas turns any CSS colour into such numbers.
_CONTRASTS = """() => {
  const pixel = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const known = new Map();
  const parse = (css) => {
    if (!known.has(css)) {
      pixel.clearRect(0, 0, 1, 1);
      pixel.fillStyle = "#000";
      pixel.fillStyle = css;
      pixel.fillRect(0, 0, 1, 1);
      const data = pixel.getImageData(0, 0, 1, 1).data;
      known.set(css, [data[0], data[1], data[2], data[3] / 255]);
    }
    return known.get(css);
  };
  const mix = (front, back, i) => front[i] * front[3] + back[i] * (1 - front[3]);
  const over = (front, back) => [0, 1, 2].map((i) => mix(front, back, i)).concat(1);
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const chain = (element) => {
    const found = [];
    for (let e = element; e; e = e.parentElement) found.push(e);
    return found;
  };
  const canvas = parse(getComputedStyle(document.documentElement).colorScheme.includes("dark")
    && matchMedia("(prefers-color-scheme: dark)").matches ? "#121212" : "#ffffff");
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data);
    const text = own.join(" ").trim();
    if (!text || ["SCRIPT", "STYLE", "TEMPLATE", "NOSCRIPT"].includes(element.tagName)) continue;
    if (!element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const style = getComputedStyle(element);
    const path = chain(element);
    let back = canvas;
    for (const e of [...path].reverse()) back = over(parse(getComputedStyle(e).backgroundColor), back);
    const colour = [...parse(element instanceof SVGElement ? style.fill : style.color)];
    const opaque = path.reduce((product, e) => product * parseFloat(getComputedStyle(e).opacity), 1);
    colour[3] *= opaque * (element instanceof SVGElement ? parseFloat(style.fillOpacity) : 1);
    const front = over(colour, back);
    const [low, high] = [luminance(front), luminance(back)].sort((a, b) => a - b);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);
    found.push({
      ratio: (high + 0.05) / (low + 0.05),
      wanted: large ? 3 : 4.5,
      text: text.slice(0, 60),
      front: front.slice(0, 3).map(Math.round).join(" "),
      back: back.slice(0, 3).map(Math.round).join(" "),
    });
  }
  return found;
}"""
