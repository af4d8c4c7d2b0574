"""From generated text to a WikiSQL query: quoted SQL, or the data set's own text without quotes.

The data set's `human_readable` has no quotes, so that names and values are told apart by the table's header:
`SELECT COUNT Notes FROM table WHERE Current slogan = SOUTH AUSTRALIA AND Format = x and y`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sweeps.metrics.sql import AGGREGATES, OPERATORS, Condition, Query, column_names, plain

LONGEST = 20_000
"""Characters of the longest text that is parsed; the time taken grows with their square at the worst."""

SELECT = re.compile(r"SELECT\b\s*", re.IGNORECASE)
FROM = re.compile(r"\s*\bFROM\s*(?:table\b|\"table\"|'table'|`table`)\s*", re.IGNORECASE)
WHERE = re.compile(r"WHERE\b\s*", re.IGNORECASE)
AND = re.compile(r"(?:\s|(?<=[\"'`]))AND(?=[\s\"'`])\s*", re.IGNORECASE)
AGGREGATE = re.compile(rf"({'|'.join(AGGREGATES[1:])})(?=[\s(\"'`])\s*(.*)", re.IGNORECASE)
OPERATOR = re.compile(r"\s*([=<>])(?![=<>])\s*")
STATEMENT = re.compile(
    r";\s*(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|DROP|CREATE|ALTER|ATTACH|DETACH|PRAGMA|VACUUM|WITH)\b",
    re.IGNORECASE,
)
WRITING = re.compile(
    r"(?:^|;)\s*((?:INSERT|UPDATE|DELETE|REPLACE|DROP|CREATE|ALTER|TRUNCATE|ATTACH|DETACH|PRAGMA|VACUUM)\b)",
    re.IGNORECASE,
)
QUOTES = "\"'`"
QUOTED = {quote: re.compile(f"{quote}[^{quote}]*(?:{quote}{quote}[^{quote}]*)*{quote}") for quote in QUOTES}


def parse_sql(text: str, header: Sequence[str]) -> Query | None:
    """Return the query on the text's first line, or None if it is none over this header.

    The case of keywords and names, white space and a final semicolon do not matter.
    """
    line = plain(text.strip().split("\n", 1)[0]).removesuffix(";").rstrip()
    start = SELECT.match(line)
    if len(line) > LONGEST or start is None:
        return None
    columns = _Columns(header)
    # A column's name may hold "from table" itself: every place is tried.
    for split in FROM.finditer(line, start.end()):
        selected = columns.selected(line[start.end() : split.start()])
        where = WHERE.match(line, split.end())
        if selected and (where or split.end() == len(line)):
            conditions = columns.conditions(line, where.end()) if where else ()
            if conditions is not None:
                return Query(*selected, conditions)
    return None


def writing_statement(text: str) -> str:
    """Return the keyword of a statement in the text that would change a database; empty without one."""
    found = WRITING.search(text)
    return found[1].upper() if found else ""


class _Columns:
    """The header's names as they are looked for: as they are written first, then in any letter case."""

    def __init__(self, header: Sequence[str]) -> None:
        names = list(enumerate(column_names(header)))
        # Longest first: where one name begins with another, the longer is meant.
        self.exact = {name: number for number, name in sorted(names, key=lambda it: -len(it[1]))}
        self.folded = {name.casefold(): number for number, name in reversed(names)}

    def selected(self, text: str) -> tuple[int, int] | None:
        """Numbers of column and aggregate of `Notes`, `COUNT Notes`, `COUNT(Notes)` or these with quotes.

        A column may be named `Max speed`: what is written exactly as in the header goes first.
        """
        readings = [(0, text)]
        if found := AGGREGATE.fullmatch(text):
            aggregate, name = AGGREGATES.index(found[1].upper()), found[2]
            if name.startswith("(") and name.endswith(")"):
                readings.append((aggregate, name[1:-1].strip()))
            readings.append((aggregate, name))
        for exact in (True, False):
            for aggregate, name in readings:
                column = self._number(name, exact)
                if column is not None:
                    return column, aggregate
        return None

    def conditions(self, text: str, position: int) -> tuple[Condition, ...] | None:
        """The conditions from a position of the text to its end; None if something else stands there."""
        found: list[Condition] = []
        while head := self._head(text, position):
            column, operator, quotes, start = head
            value = self._quoted_value(text, start, quotes) or self._bare_value(text, start, quotes)
            if value is None:
                return None
            found.append((column, operator, value[0]))
            position = value[1]
            if position == len(text):
                return tuple(found)
        return None

    def _head(self, text: str, position: int) -> tuple[int, int, str, int] | None:
        """What a condition begins with: column, operator, the quotes its value may have, and its place."""
        if token := _token(text, position, QUOTES):
            column = self._number(token, True)
            column = self._number(token, False) if column is None else column
            operator = OPERATOR.match(text, position + len(token))
            if column is not None and operator:
                return column, OPERATORS.index(operator[1]), QUOTES, operator.end()
        for fold in (str, str.casefold):
            for name, column in self.exact.items():
                end = position + len(name)
                if fold(text[position:end]) == fold(name) and (operator := OPERATOR.match(text, end)):
                    # Titles have double quotes of their own: 3% of the data set's values.
                    return column, OPERATORS.index(operator[1]), "'", operator.end()
        return None

    def _quoted_value(self, text: str, start: int, quotes: str) -> tuple[str, int] | None:
        """A value in quotes, and where the next condition begins."""
        token = _token(text, start, quotes)
        end = start + len(token)
        if token and end == len(text):
            return _unquoted(token), end
        found = AND.match(text, end) if token else None
        return (_unquoted(token), found.end()) if found and self._head(text, found.end()) else None

    def _bare_value(self, text: str, start: int, quotes: str) -> tuple[str, int] | None:
        """A value up to the first AND before a condition, and where that begins: values may hold AND."""
        value, end = text[start:], len(text)
        for found in AND.finditer(text, start - 1):
            if self._head(text, found.end()):
                value, end = text[start : found.start()], found.end()
                break
        if STATEMENT.search(value):
            return None
        # A quote within quotes that is not doubled: 'O'Neal'.
        within = len(value) > 1 and value[0] == value[-1] and value[0] in quotes
        return (value[1:-1] if within else value), end

    def _number(self, name: str, exact: bool) -> int | None:
        numbers = self.exact if exact else self.folded
        readings = [_unquoted(name), name] if _token(name, 0, QUOTES) == name else [name]
        for reading in readings:
            number = numbers.get(reading if exact else reading.casefold())
            if number is not None:
                return number
        return None


def _token(text: str, position: int, quotes: str) -> str:
    """The quoted text at a position, with its quotes; empty if there is none."""
    quote = text[position : position + 1]
    found = QUOTED[quote].match(text, position) if quote and quote in quotes else None
    return found[0] if found else ""


def _unquoted(token: str) -> str:
    quote = token[0]
    return token[1:-1].replace(quote * 2, quote)
