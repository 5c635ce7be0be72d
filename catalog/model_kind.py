"""What a model is: its features and label, what is tried, and what it must show to serve."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from math import inf
from re import fullmatch
from typing import TYPE_CHECKING, Any, Literal

from catalog.dataset_kind import Dataset
from catalog.declaring import NAME, require, require_name, require_time, require_types

if TYPE_CHECKING:
    import pandas as pd

MAX_HORIZON_DAYS = 3650
METRICS = ("roc_auc", "average_precision", "brier")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to fit the model.

    Attributes:
        name: how runs, cards and messages call it.
        estimator: takes the seed, returns an unfitted scikit-learn classifier. Import
            scikit-learn inside: it costs two seconds that an ETL run should not pay.
        search: parameters to be searched, each with its values or a scipy distribution, by
            successive halving on the training rows; empty for none.
        tries: combinations that the search begins with.
    """

    name: str
    estimator: Callable[[int], Any]
    search: Mapping[str, Any] = field(default_factory=dict)
    tries: int = 30

    def __post_init__(self) -> None:
        require_types(self, "candidates.")
        require(bool(fullmatch(NAME, self.name)), "candidates", f"bad name {self.name!r}")
        require(callable(self.estimator), "candidates", f"{self.name}: must be a function")
        for name, values in self.search.items():
            found = hasattr(values, "rvs") or (isinstance(values, (list, tuple)) and bool(values))
            said = f"{self.name}: search: '{name}' must be values or a distribution"
            require(found, "candidates", said)
        require(self.tries >= 2, "candidates", f"{self.name}: tries must be 2 or more")


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What a challenger must show before it serves.

    Attributes:
        floor: the metric it must reach on the holdout (a ceiling where less is better).
        margin: how much worse than the champion still counts as "no worse".
        confidence: of the bootstrap interval that must exclude a larger loss.
        min_positives: fewer of either class in the holdout is "not enough data to say".
        slice_margin: how much worse than the champion it may be in each of the model's slices;
            more, shown by the bootstrap interval, keeps the champion.
        max_calibration_error: how far its probabilities may be off on the holdout, on average.
        max_latency_ms: that scoring one row may take, the median.
        max_size_mb: of the stored model.
        suspicious_auc: a feature that alone predicts as well as this has a person asked: it
            may know the answer.
        mode: `enabled` promotes by itself, `manual` asks a person, `dry_run` only says what
            it would do.
    """

    floor: float
    margin: float = 0.005
    confidence: float = 0.95
    min_positives: int = 50
    slice_margin: float = 0.03
    max_calibration_error: float = 0.1
    max_latency_ms: float = 250.0
    max_size_mb: float = 256.0
    suspicious_auc: float = 0.98
    mode: Literal["enabled", "manual", "dry_run"] = "enabled"

    def __post_init__(self) -> None:
        require_types(self, "gate.")
        require(0 <= self.floor <= 1, "gate.floor", f"must be within 0 and 1, not {self.floor}")
        require(0 <= self.margin < 1, "gate.margin", f"must be within 0 and 1, not {self.margin}")
        require(
            0.5 < self.confidence < 1,
            "gate.confidence",
            f"must be above 0.5 and below 1, not {self.confidence}",
        )
        require(
            self.min_positives >= 2,
            "gate.min_positives",
            f"must be 2 or more, not {self.min_positives}",
        )
        for name in ("slice_margin", "max_calibration_error", "suspicious_auc"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"gate.{name}", f"must be within 0 and 1, not {value}")
        for name in ("max_latency_ms", "max_size_mb"):
            require(getattr(self, name) > 0, f"gate.{name}", "must be above 0")
        require(
            self.mode in ("enabled", "manual", "dry_run"),
            "gate.mode",
            f"'{self.mode}' is none of enabled, manual, dry_run",
        )


@dataclass(frozen=True, kw_only=True)
class Retrain:
    """When the daily loop fits again by itself. 0 or False: not for this reason.

    Attributes:
        every_days: at the latest after so many days.
        on_drifted: when so many features have drifted that had not when it was last trained.
        on_decay: when the metric of matured predictions breaks what was promised.
        on_estimated_drop: when the metric that is estimated before labels are known does.
        on_new_rows: when so many rows have come to its inputs since.
        cooldown_days: but never sooner than this after the last training.
    """

    every_days: int = 30
    on_drifted: int = 1
    on_decay: bool = True
    on_estimated_drop: bool = True
    on_new_rows: int = 0
    cooldown_days: int = 7

    def __post_init__(self) -> None:
        require_types(self, "retrain.")
        for name in ("every_days", "on_drifted", "on_new_rows"):
            value = getattr(self, name)
            require(value >= 0, f"retrain.{name}", f"must not be negative, not {value}")
        days = self.cooldown_days
        require(days >= 1, "retrain.cooldown_days", f"must be 1 or more, not {days}")


@dataclass(frozen=True, kw_only=True)
class Drift:
    """When a distribution counts as moved away from the training reference.

    A shift must be above one of the limits, and a test must agree that it is not chance.

    Attributes:
        psi: limit of the population stability index (the field calls 0.1 a moderate shift and
            0.25 a major one).
        jensen_shannon: limit of the distance of the histograms, 0 to 1; 1 is none.
        wasserstein: limit of the mean move in standard deviations of the reference.
        auc: limit of the ROC AUC of the classifier that tells the day's rows from the
            reference's, all features together.
        alpha: how often a day without any shift may alarm, over all that is tested of the
            model: features, score, slices and requests.
        min_rows: fewer rows than this on either side say nothing.
    """

    psi: float = 0.1
    jensen_shannon: float = 1.0
    wasserstein: float = inf
    auc: float = 0.65
    alpha: float = 0.001
    min_rows: int = 100

    def __post_init__(self) -> None:
        require_types(self, "drift.")
        for name in ("psi", "jensen_shannon", "wasserstein", "auc"):
            value = getattr(self, name)
            require(value > 0, f"drift.{name}", f"must be above 0, not {value}")
        require(0 < self.alpha < 1, "drift.alpha", f"must be within 0 and 1, not {self.alpha}")
        require(self.min_rows >= 10, "drift.min_rows", f"must be 10 or more, not {self.min_rows}")


@dataclass(frozen=True, kw_only=True)
class Model:
    """A binary classifier of entities, retrained, gated, scored and watched by day.

    Attributes:
        name: the model's name, and the name of its file in `catalog/models/`.
        owner: who is told about drift, promotions and failures.
        entity: the column that names what is scored, present in every input.
        inputs: the columns it reads of each dataset. The framework adds nothing to them.
        features: `features(as_of, **rows)` with a DataFrame per dataset of some
            entities' rows before `as_of`; returns one numeric row an entity, indexed by it.
        label: `label(entities, **rows)` with the rows of the horizon after the cut-off;
            returns True or False for each of the entities (a pandas Index).
        horizon_days: how far after the cut-off the label looks.
        candidates: what is tried, the simplest first: within the gate's margin the
            simpler one wins.
        gate: what a challenger must show.
        slices: segments that no challenger may ruin: `slice(features)` gets the features of
            some entities and returns True for those that belong to it.
        max_entities: to train on; more are sampled, always the same ones. 0 for all.
        max_features: to train on; the others are left out, by their importance. 0 for all.
        metric: what it is judged by, on days none of them was trained on.
        retrain: when the daily loop fits again.
        drift: when a distribution counts as moved.
        due: the time of day, UTC, by which its predictions for it must be there; else
            `late` is told.
        seed: of every random choice.
        description: one line for people.
    """

    name: str
    owner: str
    entity: str
    inputs: Mapping[str, tuple[str, ...]]
    features: "Callable[..., pd.DataFrame]"
    label: "Callable[..., pd.Series[bool]]"
    horizon_days: int
    candidates: tuple[Candidate, ...]
    gate: Gate
    slices: "Mapping[str, Callable[[pd.DataFrame], pd.Series[bool]]]" = field(default_factory=dict)
    max_entities: int = 0
    max_features: int = 0
    metric: str = "roc_auc"
    retrain: Retrain = field(default_factory=Retrain)
    drift: Drift = field(default_factory=Drift)
    due: str = "12:00"
    seed: int = 0
    description: str = ""

    def __post_init__(self) -> None:
        require_types(self)
        require_name(self.name)
        require(bool(self.owner), "owner", "must name who is told about this model")
        require(
            1 <= self.horizon_days <= MAX_HORIZON_DAYS,
            "horizon_days",
            f"must be within 1 and {MAX_HORIZON_DAYS}, not {self.horizon_days}",
        )
        require(
            self.metric in METRICS, "metric", f"'{self.metric}' is none of {', '.join(METRICS)}"
        )
        require_time(self.due)
        for name in ("max_entities", "max_features"):
            require(getattr(self, name) >= 0, name, "must not be negative; 0 is for all")
        for name, function in self.slices.items():
            require(callable(function), "slices", f"'{name}' must be a function of the features")
        require(bool(self.inputs), "inputs", "must name at least one dataset")
        for dataset, columns in self.inputs.items():
            require(
                isinstance(columns, (tuple, list)),
                "inputs",
                f"the columns of '{dataset}' must be a tuple of names, not {columns!r}",
            )
            require(
                self.entity in columns,
                "inputs",
                f"the columns of '{dataset}' must hold the entity '{self.entity}'",
            )
        self._check_functions()
        require(
            isinstance(self.candidates, tuple)
            and all(isinstance(each, Candidate) for each in self.candidates),
            "candidates",
            "must be a tuple of Candidates; one alone needs a comma after it",
        )
        names = [candidate.name for candidate in self.candidates]
        require(bool(names), "candidates", "must hold at least one")
        require(len(set(names)) == len(names), "candidates", "must have different names")

    def _check_functions(self) -> None:
        for name, first in (("features", "as_of"), ("label", "entities")):
            function = getattr(self, name)
            require(callable(function), name, "must be a function")
            try:
                signature(function).bind(None, **dict.fromkeys(self.inputs))
            except TypeError:
                wanted = ", ".join([first, *self.inputs])
                require(False, name, f"must take ({wanted}): a frame of rows for each input")

    def check_inputs(self, datasets: Mapping[str, Dataset]) -> None:
        """Raises DeclarationError where an input is not what the datasets declare."""
        kinds = {}
        for name, columns in self.inputs.items():
            require(name in datasets, "inputs", f"no dataset '{name}'")
            for column in columns:
                require(
                    column in datasets[name].columns,
                    "inputs",
                    f"dataset '{name}' has no column '{column}'",
                )
            kinds[name] = datasets[name].columns[self.entity]
        require(
            set(kinds.values()) <= {"string"} or set(kinds.values()) <= {"int"},
            "entity",
            f"'{self.entity}' must be str or int, the same in each input, not {kinds}",
        )
