"""The report's main table for a paper."""

from __future__ import annotations

import math

import pandas as pd

SHOWN = (
    "average_performance",
    "forgetting",
    "backward_transfer",
    "forward_transfer",
    "min_acc",
    "wc_acc",
    "plasticity_slope",
)
"""Metrics of the table, as far as they were measured."""


def latex_table(metrics: pd.DataFrame, stream: str, score: str) -> str:
    r"""Return a table of metrics with intervals, for the package booktabs.

    Args:
        metrics: from `metric_rows`.
        stream: its name.
        score: what the metrics are of.

    Example:
        >>> rows = pd.DataFrame([{"agent": "a_b", "metric": "forgetting", "value": 0.25,
        ...                       "low": 0.2, "high": 0.3, "n": 5, "of": 5}])
        >>> print(latex_table(rows, "S", "success").splitlines()[6])
        a\_b & $0.25$ {\scriptsize $[0.2, 0.3]$} \\
    """
    known = metrics[metrics["metric"].isin(SHOWN) & metrics["value"].notna()]
    names = [name for name in SHOWN if name in set(known["metric"])]
    head = " & ".join(["agent", *(name.replace("_", " ") for name in names)])
    lines = [
        r"\begin{table}",
        rf"  \caption{{{_caption(known, stream, score)}}}",
        rf"  \begin{{tabular}}{{l{'r' * len(names)}}}",
        r"    \toprule",
        f"    {head} \\\\",
        r"    \midrule",
    ]
    for agent, rows in known.groupby("agent", sort=False):
        cells = rows.set_index("metric")
        values = [_cell(cells.loc[name]) if name in cells.index else "--" for name in names]
        lines.append(" & ".join([escape(str(agent)), *values]) + r" \\")
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", r"\end{table}", ""])


def escape(text: str) -> str:
    r"""Return text that LaTeX prints as it is.

    Args:
        text: anything.

    Example:
        >>> escape("50 % of a_b")
        '50 \\% of a\\_b'
    """
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(one, f"\\{one}" if one in "&%$#_{}" else one) for one in text)


def _caption(known: pd.DataFrame, stream: str, score: str) -> str:
    counts = sorted({int(n) for n in known["n"]})
    runs = " to ".join(str(n) for n in sorted({counts[0], counts[-1]})) if counts else "0"
    return (
        f"{escape(stream)}: means over runs ($n = {runs}$) of metrics of {escape(score)}, with "
        r"95\,\% percentile bootstrap intervals over runs."
    )


def _cell(row: pd.Series) -> str:
    value = f"${row['value']:.3g}$"
    if math.isnan(row["low"]):
        return value
    return rf"{value} {{\scriptsize $[{row['low']:.3g}, {row['high']:.3g}]$}}"
