"""The picture of a replay: one a team can decide by, policy under policy on one time axis."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from catalog.kinds import Model
from core.models.metrics import less_is_better
from core.watch.replay_outcome import Outcome, headline

COLOURS = ("#5b6770", "#1a6fb0", "#c2571a", "#2a8c6a", "#8a5fb0", "#a08a1a")
BROKEN, QUIET, PROMISE = "#c8102e", "#8b949c", "#dfe6ec"
ALARMS = {  # a filled disc mattered, an empty one did not
    "mattered": {"color": BROKEN, "facecolor": BROKEN},
    "false": {"color": QUIET, "facecolor": "white"},
    "open": {"color": QUIET, "facecolor": "white", "linestyle": ":"},
}
WIDTH, ROW, TOP, BOTTOM = 12.8, 1.75, 1.3, 2.2  # inches


def write(model: Model, outcomes: Sequence[Outcome], to: Path) -> None:
    """Draws the policies, the first one as what the others are held against.

    Args:
        model: that was replayed.
        outcomes: of each policy.
        to: an .svg or .png file.
    """
    import matplotlib
    from matplotlib.figure import Figure

    settings: Any = {"font.size": 9, "svg.hashsalt": "dayloop", "font.family": "DejaVu Sans"}
    with matplotlib.rc_context(settings):
        height = TOP + ROW * len(outcomes) + BOTTOM
        figure = Figure(figsize=(WIDTH, height))
        grid = figure.add_gridspec(
            len(outcomes) + 1,
            2,
            width_ratios=(4, 1),
            height_ratios=[ROW] * len(outcomes) + [1.35],
            left=0.06,
            right=0.985,
            top=1 - TOP / height,
            bottom=0.62 / height,
            hspace=0.16,
            wspace=0.03,
        )
        axes: list[Any] = []
        for row, (each, colour) in enumerate(_coloured(outcomes)):
            shared = axes[0] if axes else None
            axes.append(figure.add_subplot(grid[row, 0], sharex=shared, sharey=shared))
            _policy(axes[-1], each, colour)
            _figures(figure.add_subplot(grid[row, 1]), each, outcomes[0], colour)
        axes[0].set_ylim(*_limits(outcomes))
        gains = figure.add_subplot(grid[-1, 0], sharex=axes[0])
        _gains(gains, model, outcomes)
        _legend(figure.add_subplot(grid[-1, 1]))
        for each in axes:
            each.tick_params(labelbottom=False)
        _head(figure, model, outcomes, height)
        figure.savefig(to, dpi=160, metadata={"Date": None} if to.suffix == ".svg" else None)


def _coloured(outcomes: Sequence[Outcome]) -> list[tuple[Outcome, str]]:
    return [(each, COLOURS[place % len(COLOURS)]) for place, each in enumerate(outcomes)]


def _head(figure: Any, model: Model, outcomes: Sequence[Outcome], height: float) -> None:
    first, last = outcomes[0].mornings.start, outcomes[0].mornings.end - timedelta(days=1)
    figure.text(
        0.06,
        1 - 0.36 / height,
        f"{model.name}: {headline(outcomes)}",
        fontsize=15,
        fontweight="bold",
        va="center",
    )
    figure.text(
        0.06,
        1 - 0.72 / height,
        f"{model.metric} of each day's predictions, measured {model.horizon_days} days later; "
        f"every morning from {first} to {last} replayed with what was known on it.",
        color=COLOURS[0],
        fontsize=10.5,
        va="center",
    )


def _limits(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """Of the metric's axis, with room for alarms above and retrainings below."""
    found = [bound for o in outcomes for m in o.measured for bound in (m.value, m.promised)]
    if not found:
        return 0, 1
    low, high = min(each.low for each in found), max(each.high for each in found)
    return low - 0.28 * (high - low), high + 0.28 * (high - low)


def _policy(axes: Any, seen: Outcome, colour: str) -> None:
    _plain(axes)
    days = [each.day for each in seen.measured]
    if days:
        promised = [(each.promised.low, each.promised.high) for each in seen.measured]
        low, high = zip(*promised, strict=True)
        axes.fill_between(days, low, high, step="post", color=PROMISE, linewidth=0)
        low, high = zip(*((m.value.low, m.value.high) for m in seen.measured), strict=True)
        axes.fill_between(days, low, high, color=colour, alpha=0.22, linewidth=0)
        axes.plot(days, [m.value.value for m in seen.measured], color=colour, linewidth=1.8)
    broken = [each for each in seen.measured if not each.kept]
    axes.plot([m.day for m in broken], [m.value.value for m in broken], ".", color=BROKEN, ms=5)
    from_axis = axes.get_xaxis_transform()
    for each in seen.retrained:
        axes.plot(
            [each.as_of],
            [0.09],
            "^",
            transform=from_axis,
            color=colour,
            markerfacecolor=colour if each.promoted else "white",
            ms=7,
            clip_on=False,
        )
    for alarm in seen.alarms:
        axes.scatter(
            [alarm.day],
            [0.91],
            s=34,
            transform=from_axis,
            zorder=3,
            clip_on=False,
            **ALARMS[alarm.verdict],
        )
    if days and days[-1] < seen.mornings.end:
        begun = days[-1] + timedelta(days=1)
        axes.axvspan(begun, seen.mornings.end, facecolor="#f6f6f4", zorder=0)
        middle = begun + (seen.mornings.end - begun) / 2
        words = "labels not known yet"
        axes.text(middle, 0.5, words, transform=from_axis, color=QUIET, ha="center", va="center")
    axes.set_xlim(seen.mornings.start, seen.mornings.end)


def _figures(axes: Any, seen: Outcome, first: Outcome, colour: str) -> None:
    """The row's numbers, the policy's name above them."""
    axes.set_axis_off()
    axes.text(0.04, 0.88, seen.policy, color=colour, fontsize=14, fontweight="bold", va="center")
    value = "no labels yet" if seen.metric is None else f"{seen.metric:.3f}"
    if seen is not first and seen.metric is not None and first.metric is not None:
        value += f"  ({seen.metric - first.metric:+.3f})"
    alarms = ", ".join(f"{seen.count(v)} {v}" for v in ALARMS if seen.count(v)) or "none"
    rows = (
        ("mean", value),
        ("broken", f"{seen.broken:,} of {len(seen.measured):,} days"),
        ("retrained", f"{len(seen.retrained)}, promoted {seen.promoted}"),
        ("fits took", f"{seen.seconds:,.0f} s"),
        ("alarms", alarms),
    )
    for place, (name, words) in enumerate(rows):
        height = 0.68 - 0.155 * place
        axes.text(0.04, height, name, color=QUIET, va="center")
        axes.text(0.36, height, words, va="center")


def _gains(axes: Any, model: Model, outcomes: Sequence[Outcome]) -> None:
    """How much better than the first policy each other one was, by day."""
    _plain(axes)
    sign = -1 if less_is_better(model.metric) else 1
    base = {each.day: each.value.value for each in outcomes[0].measured}
    axes.axhline(0, color=COLOURS[0], linewidth=1)
    for seen, colour in _coloured(outcomes)[1:]:
        both = [each for each in seen.measured if each.day in base]
        gains = [sign * (each.value.value - base[each.day]) for each in both]
        axes.plot([each.day for each in both], gains, color=colour, linewidth=1.8)
    axes.set_title(
        f"gain over {outcomes[0].policy}", loc="left", fontsize=9, color=COLOURS[0], pad=3
    )
    from matplotlib import dates

    locator: Any = dates.AutoDateLocator(minticks=6, maxticks=14)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.margins(y=0.2)


def _legend(axes: Any) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    def disc(colour: str, face: str) -> Any:
        return Line2D([], [], marker="o", linestyle="", color=colour, markerfacecolor=face)

    def triangle(face: str) -> Any:
        return Line2D([], [], marker="^", linestyle="", color="black", markerfacecolor=face)

    axes.set_axis_off()
    axes.legend(
        [
            Patch(color=PROMISE),
            Line2D([], [], marker=".", linestyle="", color=BROKEN),
            triangle("black"),
            triangle("white"),
            disc(BROKEN, BROKEN),
            disc(QUIET, "white"),
        ],
        [
            "promised when it was trained",
            "below the promise",
            "retrained and promoted",
            "retrained, champion kept",
            "drift alarm that mattered",
            "false alarm (dotted: open)",
        ],
        loc="upper left",
        bbox_to_anchor=(0, 1.08),
        frameon=False,
        fontsize=8.5,
        labelspacing=0.35,
        borderpad=0,
    )


def _plain(axes: Any) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#c9d0d6")
    axes.grid(axis="y", color="#eceff1", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=COLOURS[0])
