"""WikiSQL (Zhong et al. 2017): a question about a table, of which the header is given, becomes SQL."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as short
from typing import Any, ClassVar

from methods.errors import FrontuneError
from sweeps.metrics.scores import Scores
from sweeps.metrics.sql import (
    AGGREGATES,
    OPERATORS,
    Condition,
    Query,
    column_names,
    plain,
    same_logical_form,
    write_sql,
)
from sweeps.metrics.sql_engine import run_queries
from sweeps.metrics.sql_parser import parse_sql, writing_statement
from sweeps.tasks.base import Example, Split, Task
from sweeps.tasks.reading import SUFFIXES, Rows, read_rows, text_of
from sweeps.training.decoding import Decoding

HUB = "hf://datasets/Salesforce/wikisql@refs/convert/parquet/default/{split}/*.parquet"
"""The hub's own conversion: the data set itself is a script, which `datasets` no longer runs."""


class WikiSQL(Task):
    """Reads the hub's columns, or the release's layout, where tables are a file of their own."""

    name: ClassVar[str] = "wikisql"
    metric = "lf_accuracy"
    summary: ClassVar[str] = "question and header -> SQL; logical-form accuracy, also execution accuracy"
    train_rows: ClassVar[int] = 56_355
    row_tokens: ClassVar[int] = 65
    prompt = "columns: {columns}\nquestion: {question}\nSQL:"
    decoding = Decoding(beams=1, max_new_tokens=96)

    def answer(self, text: str) -> str:
        """A query is one line; what a model goes on to say is not part of it."""
        return super().answer(text.strip().split("\n")[0])

    def examples(self, split: Split) -> list[Example]:
        return [self._example(found, with_rows=split != "train") for found in self._found(split)]

    def _found(self, split: Split) -> Iterator[_Found]:
        """The rows of a split with their tables; the release calls the validation split dev."""
        names = ("validation", "dev") if split == "validation" else (split,)
        released = [name for name in names if self._file(f"{name}.tables")]
        if not released:
            rows = read_rows(self.data, HUB, split, {"question", "table", "sql"})
            for where, row in self._placed(rows, split):
                yield _Found(where, row, row["table"])
            return
        (name, *_) = released
        listed = read_rows(self.data, HUB, f"{name}.tables", {"id", "header", "types", "rows"})
        tables = {str(table["id"]): table for table in listed}
        rows = read_rows(self.data, HUB, name, {"question", "table_id", "sql"})
        for where, row in self._placed(rows, name):
            table_id = str(row["table_id"])
            if table_id not in tables:
                file = self._file(f"{name}.tables")
                raise FrontuneError(f"{where}: table_id {table_id!r} is not in '{file}'")
            yield _Found(where, row, tables[table_id])

    def _placed(self, rows: Rows, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each row with its place for error messages."""
        source = self._file(name) or HUB.format(split=name)
        for number, row in enumerate(rows):
            yield f"task {self.name}: '{source}', row {number + 1}", row

    def _file(self, name: str) -> Path | None:
        files = [Path(self.data).expanduser() / f"{name}{suffix}" for suffix in SUFFIXES] if self.data else []
        return next((file for file in files if file.exists()), None)

    def _example(self, found: _Found, with_rows: bool) -> Example:
        row, table, where = found.row, found.table, found.where
        if not isinstance(table, dict):
            raise FrontuneError(f"{where}: table must be an object, got {short(table)}")
        header = _texts(table, "header", where)
        if not header:
            raise FrontuneError(f"{where}: table.header must name a column at least, got []")
        query = _query(row["sql"], len(header), where)
        sql = write_sql(query, header)
        prompt = self.prompt.format(
            columns=" | ".join(column_names(header)), question=plain(text_of(row, "question", where))
        )
        gold: dict[str, Any] = {"header": header, "types": _texts(table, "types", where), "rows": []}
        if with_rows:
            gold["rows"] = _rows(table, len(header), len(gold["types"]), where)
        gold |= {"sel": query.sel, "agg": query.agg, "conds": [list(cond) for cond in query.conds]}
        return Example(prompt, f" {sql}", references=(sql,), gold=gold)

    def objection(self, example: Example, text: str) -> str:
        """What parses is a query, whatever its values say; what would write is refused."""
        keyword = writing_statement(text)
        if not keyword or parse_sql(text, example.gold["header"]):
            return ""
        return f"wanted a SELECT query, got {short(text)}; {keyword} would write, and nothing was run"

    def score(self, examples: Sequence[Example], texts: Sequence[str]) -> Scores:
        """Logical-form accuracy over all rows, execution accuracy over those whose gold query can be run."""
        if not examples:
            raise FrontuneError(f"task {self.name}: nothing to score")
        hits: list[bool] = []
        executed: list[bool] = []
        for example, text in zip(examples, texts, strict=True):
            gold = example.gold
            wanted = Query(gold["sel"], gold["agg"], tuple((c, o, v) for c, o, v in gold["conds"]))
            got = parse_sql(text, gold["header"])
            hits.append(got is not None and same_logical_form(wanted, got))
            if gold["rows"]:
                right, *other = run_queries([wanted, got] if got else [wanted], gold["types"], gold["rows"])
                if right is not None:
                    executed.append(other == [right])
        metrics, outcomes = {self.metric: sum(hits) / len(hits)}, tuple(map(float, hits))
        if executed:
            metrics["execution_accuracy"] = sum(executed) / len(executed)
            return Scores(metrics, outcomes=outcomes)
        reason = f"none of the {len(hits)} scored rows has a table with rows to run its gold query on"
        return Scores(metrics, {"execution_accuracy": reason}, outcomes)


@dataclass(frozen=True)
class _Found:
    """A row of a split as it was read, its table, and its place for error messages."""

    where: str
    row: dict[str, Any]
    table: Any


def _query(sql: Any, columns: int, where: str) -> Query:
    if not isinstance(sql, dict):
        raise FrontuneError(f"{where}: sql must be an object, got {short(sql)}")
    sel = _index(sql.get("sel"), columns, "sql.sel", where)
    agg = _index(sql.get("agg"), len(AGGREGATES), "sql.agg", where)
    return Query(sel, agg, tuple(_condition(cond, columns, where) for cond in _triples(sql, where)))


def _triples(sql: dict[str, Any], where: str) -> list[Any]:
    """Conditions as column, operator, value: the release has such lists, the hub one list of each."""
    conds = sql.get("conds")
    if isinstance(conds, dict):
        lists = [conds.get(key) for key in ("column_index", "operator_index", "condition")]
        if all(isinstance(values, list) for values in lists) and len({len(v) for v in lists if v}) <= 1:
            return list(zip(*(values or () for values in lists), strict=False))
    elif isinstance(conds, list):
        return conds
    raise FrontuneError(
        f"{where}: sql.conds must list a column, an operator and a value each, got {short(conds)}"
    )


def _condition(cond: Any, columns: int, where: str) -> Condition:
    if not (isinstance(cond, list | tuple) and len(cond) == 3):
        raise FrontuneError(
            f"{where}: a condition must be a column, an operator and a value, got {short(cond)}"
        )
    column = _index(cond[0], columns, "a condition's column", where)
    operator = _index(cond[1], len(OPERATORS), "a condition's operator", where)
    return column, operator, str(_cell(cond[2], "a condition's value", where))


def _index(value: Any, count: int, what: str, where: str) -> int:
    if type(value) is int and 0 <= value < count:
        return value
    raise FrontuneError(f"{where}: {what} must be a number from 0 to {count - 1}, got {short(value)}")


def _texts(table: dict[str, Any], key: str, where: str) -> list[str]:
    texts = table.get(key)
    if not isinstance(texts, list):
        raise FrontuneError(f"{where}: table.{key} must be a list of texts, got {short(texts)}")
    return [text_of({f"table.{key}": text}, f"table.{key}", where) for text in texts]


def _rows(table: dict[str, Any], columns: int, types: int, where: str) -> list[list[Any]]:
    """The table's rows; the list itself, so that the examples of a table share it."""
    rows = table.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == columns for row in rows):
        raise FrontuneError(f"{where}: table.rows must be lists of {columns} cells, as the header has")
    if rows and types != columns:
        raise FrontuneError(f"{where}: table.types must be {columns}, as the header has, got {types}")
    for row in rows:
        for cell in row:
            if cell is not None:
                _cell(cell, "a cell", where)
    return rows


def _cell(cell: Any, what: str, where: str) -> str | float:
    if isinstance(cell, str):
        return text_of({what: cell}, what, where)
    if type(cell) is int or (type(cell) is float and math.isfinite(cell)):
        return cell
    raise FrontuneError(f"{where}: {what} must be a text or a number, got {short(cell)}")
