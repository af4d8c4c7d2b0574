"""Numbers and names as the LoRA paper (Hu et al. 2021) prints them."""

from __future__ import annotations

_TASKS = {"mnli": "MNLI-m", "wikisql": "WikiSQL", "webnlg": "WebNLG", "e2e": "E2E", "own_data": "own data"}
_METRICS = {
    "bleu": "BLEU",
    "chrf": "chrF",
    "cider": "CIDEr",
    "meteor": "METEOR",
    "nist": "NIST",
    "rouge_l": "ROUGE-L",
    "lf_accuracy": "logical-form accuracy",
    "ter": "TER",
}


def print_count(count: int) -> str:
    """Return ``1,536`` exactly under 100,000, then ``0.4 M`` or ``4.7 M``, then ``1.5B`` or ``175B``."""
    if count < 100_000:
        return f"{count:,}"
    # 999,950,000 would round to "1000.0 M".
    if count < 999_950_000:
        return f"{count / 1e6:.1f} M"
    billions = count / 1e9
    return f"{billions:.0f}B" if billions >= 99.95 else f"{billions:.1f}B"


def print_share(percent: float) -> str:
    """Return a share of the base's parameters: ``0.26%``, ``2.4%``, ``100%``."""
    return f"{percent:.0f}%" if percent >= 9.95 else f"{percent:.2g}%"


def is_percent(metric: str) -> bool:
    """Whether a metric, or a part of it such as ``bleu/seen``, is a fraction that is printed times 100."""
    whole = metric.partition("/")[0]
    return whole.endswith("accuracy") or whole in ("bleu", "exact_match")


def print_score(score: float, std: float | None, metric: str) -> str:
    """Return ``84.9`` or ``84.9 ± .3``; metrics that are not percentages have three decimals."""
    scale, digits = (100, 1) if is_percent(metric) else (1, 3)
    text = f"{scale * score:.{digits}f}"
    if std is None:
        return text
    spread = f"{scale * std:.{digits}f}"
    return f"{text} ± {spread.removeprefix('0')}"


def print_seeds(n: int, n_failed: int) -> str:
    """Return ``3``, or ``2 of 3`` where others failed."""
    return f"{n} of {n + n_failed}" if n_failed else str(n)


def print_lr(lr: float | None) -> str:
    """Return ``2e-4`` or ``3.19e-4``, and ``-`` for an unknown one."""
    if lr is None:
        return "-"
    return short_exponent(f"{lr:.2e}")


def short_exponent(number: str) -> str:
    """Return ``2e-4`` for ``2.00e-04``."""
    mantissa, exponent = number.split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def print_seconds(seconds: float | None) -> str:
    """Return ``50 s``, ``12 min``, ``3.5 h`` or ``2.1 days``; ``unknown`` for None."""
    if seconds is None:
        return "unknown"
    for unit, size, upto in (("s", 1, 99.5), ("min", 60, 99.5), ("h", 3600, 47.95)):
        if seconds < upto * size:
            number = seconds / size
            return f"{number:.1f} {unit}" if number < 9.95 else f"{number:.0f} {unit}"
    return f"{seconds / 86_400:.1f} days"


def print_tokens(tokens: int | None) -> str:
    """Return ``1.2 M`` or ``3.4 G`` tokens, for people."""
    if tokens is None:
        return "an unknown number of"
    if tokens < 1e6:
        return f"{tokens / 1e3:.0f} k"
    return f"{tokens / 1e6:.1f} M" if tokens < 1e9 else f"{tokens / 1e9:.1f} G"


def score_title(task: str, metric: str) -> str:
    """Return the heading of a score: ``MNLI-m accuracy``, ``WebNLG BLEU``."""
    return f"{_TASKS.get(task, task)} {_METRICS.get(metric, metric.replace('_', ' '))}"


def one_line(text: str) -> str:
    """Return text without line breaks and control characters, which would break a table's row."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())
