"""The option `--figure`: one of the kinds that there are, looked up when it is needed."""

from __future__ import annotations

import click


class FigureKind(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has it without one
    """A kind of figure; not `click.Choice`, which would import `dashboards` before it is known to be ours."""

    name = "figure"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """All kinds, for the help."""
        from dashboards.figures import figure_names

        return f"[{'|'.join(figure_names())}]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the kind; an unknown one is a usage error that names the known ones."""
        from dashboards.figures import figure_names
        from methods.errors import unknown_name

        if value not in figure_names():
            self.fail(unknown_name("figure", value, figure_names()), param, ctx)
        return value
