"""Plan: what would be loaded, trained and scored, and how much. Reads only; not a flow."""

from datetime import date

import catalog
from core import planning
from core.errors import UsageError
from core.intervals import DAY, Interval, yesterday
from core.planning import DatasetPlan, ModelPlan


def plan(
    name: str | None = None, *, start: date | None = None, end: date | None = None
) -> list[DatasetPlan | ModelPlan]:
    """Shows what a backfill of an interval, or a retraining at its end, would do.

    Args:
        name: a dataset or a model; all of them when left out.
        start: the first day, UTC; the day before `end` when left out.
        end: the day after the last one, UTC; today when left out.
    """
    last = end or Interval.of_day(yesterday()).end
    interval = Interval(start, last) if start else Interval.of_day(last - DAY)
    datasets, models = catalog.dataset_names(), catalog.model_names()
    if name and name not in (*datasets, *models):
        raise UsageError(f"no dataset or model '{name}'; there is {', '.join(datasets + models)}")
    plans: list[DatasetPlan | ModelPlan] = [
        planning.plan_dataset(catalog.dataset(each), interval)
        for each in datasets
        if name in (None, each)
    ]
    for each in models:
        if name in (None, each):
            model = catalog.model(each)
            inputs = {dataset: catalog.dataset(dataset) for dataset in model.inputs}
            plans.append(planning.plan_model(model, inputs, interval))
    return plans
