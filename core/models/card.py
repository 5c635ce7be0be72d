"""The model card: one self-contained page about a version, to be sent to whoever asks.

After Mitchell et al., "Model Cards for Model Reporting" (2019): what it is, on which data,
how well for whom, what it must not be used for.
"""

import io
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from catalog.kinds import Model
from core import home
from core.models import artifacts, fitting, training
from core.models.artifacts import Artifact
from core.models.gate import Decision
from core.models.importance import importance
from core.models.training import Fitted, Plan

FILE = "card.html"
WORDS = {
    "promote": "Good enough to serve:",
    "keep": "Not to serve:",
    "not enough data to say": "Not enough data to say:",
}
SIZE = (4.2, 3.4)  # inches
ACCENT, OTHER = "#1a6fb0", "#c2571a"  # told apart by colour-blind people too


def write(
    model: Model,
    version: int,
    artifact: Artifact,
    decision: Decision,
    fitted: Sequence[Fitted],
    planned: Plan,
) -> str:
    """Writes the card beside the artifact; returns its path below home."""
    from jinja2 import Environment

    estimator, manifest = artifacts.load(artifact)
    rows, labels = training.holdout(planned)
    given = rows[manifest["features"]]
    scores = training.holdout_scores(planned, artifact)
    worth = importance(model.metric, estimator, given, labels, fitting.predict, seed=model.seed)
    page = Environment(autoescape=True, trim_blocks=True).from_string(_template())
    html = page.render(
        model=model,
        version=version,
        manifest=manifest,
        decision=decision,
        words=WORDS,
        fitted=fitted,
        figures=_figures(manifest),
        plots=_plots(manifest, labels.to_numpy(), scores, worth),
        slices=_slices(model, manifest, decision, rows, labels.to_numpy()),
        facts=_facts(manifest, planned),
        limits=_limits(model, manifest, planned),
    )
    path = f"{artifact.path}/{FILE}"
    home.write_bytes(path, html.encode())
    return path


@cache
def _template() -> str:
    return Path(__file__).with_name("card.html").read_text()


def _interval(found: dict[str, Any]) -> str:
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _figures(manifest: dict[str, Any]) -> list[tuple[str, str, str]]:
    metric, rows = manifest["metric"], manifest["rows"]
    size_kb = sum(file["size_bytes"] for file in manifest["files"].values()) / 1024
    low, high = f"{metric['low']:.3f}", f"{metric['high']:.3f}"
    sure = f"{metric['confidence']:.0%} interval {low} to {high}"
    return [
        (metric["name"], f"{metric['value']:.3f}", sure),
        (
            "calibration error",
            f"{manifest['calibration_error']:.3f}",
            "scores off as probabilities",
        ),
        ("entities", f"{rows['train']:,}", f"trained on, judged on {rows['holdout']:,}"),
        ("to score one", f"{manifest['latency_ms']:.1f} ms", f"{size_kb:,.0f} KB on disk"),
    ]


def _plots(
    manifest: dict[str, Any], truth: Any, scores: Any, worths: dict[str, float]
) -> list[tuple[str, str]]:
    from sklearn.calibration import CalibrationDisplay
    from sklearn.metrics import PrecisionRecallDisplay, RocCurveDisplay

    line = {"color": ACCENT}

    def roc(axes: Any) -> None:
        RocCurveDisplay.from_predictions(
            truth, scores, ax=axes, plot_chance_level=True, curve_kwargs=line
        )
        axes.set(title="ROC", xlabel="false alarms", ylabel="found")

    def precision(axes: Any) -> None:
        PrecisionRecallDisplay.from_predictions(
            truth, scores, ax=axes, plot_chance_level=True, curve_kwargs=line
        )
        axes.set(title="Precision and recall", xlabel="recall", ylabel="precision")

    def calibration(axes: Any) -> None:
        CalibrationDisplay.from_predictions(
            truth, scores, n_bins=10, strategy="quantile", ax=axes, color=ACCENT
        )
        axes.set(title="Calibration", xlabel="mean score", ylabel="share true")

    def distribution(axes: Any) -> None:
        bins = np.linspace(0, 1, 31)
        for known, colour, filled, label in (
            (~truth, ACCENT, "stepfilled", "label false"),
            (truth, OTHER, "step", "label true"),
        ):
            share = np.full(known.sum(), 1 / max(known.sum(), 1))
            given = {"histtype": filled, "color": colour, "label": label, "linewidth": 2}
            axes.hist(scores[known], bins, weights=share, alpha=0.8, **given)
        axes.set(title="Scores", xlabel="score", ylabel="share of its class")
        axes.legend()

    def worth(axes: Any) -> None:
        found = sorted(worths.items(), key=lambda pair: pair[1])[-15:]
        axes.barh([name for name, _ in found], [value for _, value in found], color=ACCENT)
        axes.set(title="Importance", xlabel=f"{manifest['metric']['name']} lost when shuffled")

    named = min(0.5, 0.05 + 0.018 * max(map(len, worths)))  # room for the longest name
    return [
        (_drawn(roc), "How many of the true ones are found at each rate of false alarms"),
        (_drawn(precision), "How many of those named are true ones, as more are named"),
        (_drawn(calibration), "On the line, of those scored 0.8 eight in ten come true"),
        (_drawn(distribution), "How the scores of both classes lie"),
        (_drawn(worth, named), "What each feature is worth to this model, on the holdout"),
    ]


def _drawn(draw: Callable[[Any], None], left: float = 0.13) -> str:
    """A plot as SVG to be put into a page."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE)
    figure.patch.set_alpha(0)
    # A layout that is found by measuring every text costs as much as all the drawing.
    axes = figure.add_axes((left, 0.14, 0.97 - left, 0.76), facecolor="none")
    draw(axes)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    if legend := axes.get_legend():
        for text in legend.get_texts():
            text.set_fontsize(8)
    buffer = io.StringIO()
    # Not by savefig: that draws everything twice.
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})  # type: ignore[no-untyped-call]
    svg = buffer.getvalue()
    # Ids are the page's, so that two plots must not share one.
    name = axes.get_title().split()[0].lower()
    svg = re.sub(r'(id="|#)([a-zA-Z])', rf"\g<1>{name}-\g<2>", svg[svg.index("<svg") :])
    return re.sub(r"(:\s*)#" + name + "-", r"\g<1>#", svg)  # but colours are no ids


def _slices(
    model: Model, manifest: dict[str, Any], decision: Decision, rows: pd.DataFrame, truth: Any
) -> list[dict[str, Any]]:
    found = []
    for name, belongs in model.slices.items():
        within = belongs(rows).to_numpy(dtype=bool)
        known = truth[within]
        each = {"name": name, "rows": len(known), "share": known.mean() if len(known) else 0.0}
        metric = gain = "too few to say"
        if name in manifest["promised_slices"]:
            metric = _interval(manifest["promised_slices"][name])
            gain = f"{decision.slices[name]:+}" if name in decision.slices else "no champion yet"
        found.append({**each, "metric": metric, "gain": gain})
    return found


def _facts(manifest: dict[str, Any], planned: Plan) -> list[tuple[str, str]]:
    libraries = ", ".join(f"{name} {version}" for name, version in manifest["libraries"].items())
    versions = ", ".join(f"{name} version {v}" for name, v in planned.table_versions.items())
    return [
        ("as of", str(planned.as_of)),
        ("trained on", f"features of {planned.train_day}, labels of the days after it"),
        ("judged on", f"features of {planned.holdout_day}, labels of the days after it"),
        ("tables", versions),
        ("data version", manifest["plan"]["data_version"]),
        ("code version", manifest["code_version"]),
        ("features", ", ".join(manifest["features"])),
        ("left out", ", ".join(manifest["dropped"]) or "none"),
        ("seed", str(manifest["seed"])),
        ("libraries", libraries),
        ("fingerprint", manifest["fingerprint"]),
    ]


def _limits(model: Model, manifest: dict[str, Any], planned: Plan) -> list[str]:
    rows = manifest["rows"]
    found = [
        f"A score is the probability of the label within {model.horizon_days} days of its day, "
        "not later.",
        f"It knows entities with rows before {planned.holdout_day}; of others it says nothing.",
        "It was judged on one later day. Watch the realised metric: python -m flows monitor "
        f"{model.name}.",
    ]
    if rows["train"] < rows["of"]:
        found.append(f"It was trained on a sample: {rows['train']:,} of {rows['of']:,} entities.")
    suspects = {n: v for n, v in manifest["alone"].items() if v >= model.gate.suspicious_auc}
    found += [f"{n} alone predicts with a ROC AUC of {v:.3f}." for n, v in suspects.items()]
    return found
