"""The report's figures: each registered kind that has data, as plotly's JSON and in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dashboards.figure_source import Source
from dashboards.figures import draw_figure, figure_in_words, figure_names, figure_title
from dashboards.plot_page import in_script
from dashboards.report.tables import Table, table
from dashboards.text_alternative import TextAlternative

ORDER = ("tradeoff", "budget", "size", "curves", "hypervolume", "importance", "parallel", "effort")
"""Of a report; a kind that is not here comes last."""
HEIGHT_PX = 480
"""Of a figure that does not say its own; `figures.js` knows it as the usual one."""
TOP_PX = 34


@dataclass(frozen=True)
class DrawnFigure:
    """A figure for the page: `json` is safe inside a script element; `panels` stand beside each other."""

    kind: str
    heading: str
    words: TextAlternative
    json: str
    panels: int
    height_px: int

    @property
    def table(self) -> Table | None:
        """Its data, where there are any beside the sentence."""
        if not self.words.rows:
            return None
        return table(f"{self.heading}: the data", self.words.headings, self.words.rows)


def drawn_figures(source: Source) -> Iterator[DrawnFigure]:
    """Draw every kind of figure of one sweep that has data."""
    kinds = [kind for kind in figure_names() if kind != "low_data"]
    for kind in sorted(kinds, key=lambda k: (ORDER.index(k) if k in ORDER else len(ORDER), k)):
        if found := drawn_figure(kind, source):
            yield found


def drawn_figure(kind: str, source: Source) -> DrawnFigure | None:
    """Draw a figure; None where it would only say that there is no data."""
    figure = draw_figure(kind, source)
    if not figure.data:
        return None
    # The page's heading is its title, and what it stands on is the page's.
    figure.update_layout(
        title=None, margin_t=TOP_PX, height=figure.layout.height or HEIGHT_PX, paper_bgcolor="rgba(0,0,0,0)"
    )
    figure.update_layout(plot_bgcolor="rgba(0,0,0,0)", meta=None)
    columns = {axis for axis in figure.layout if axis.startswith("xaxis")}
    text: str = figure.to_json()
    return DrawnFigure(
        kind=kind,
        heading=figure_title(kind),
        words=figure_in_words(kind, source),
        json=in_script(text),
        panels=len(columns),
        height_px=figure.layout.height,
    )
