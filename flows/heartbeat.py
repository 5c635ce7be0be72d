"""Heartbeat: has everything come that is due by now? Not a flow.

For cron, beside the deployment `heartbeat`: it also looks where Prefect is what died, and so
uses nothing of it. Needs `DAYLOOP_WEBHOOKS` in its environment to tell anybody.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import catalog
from catalog.kinds import DeclarationError
from core.alerting import deadman, receivers
from core.alerting import heartbeat as watch
from core.alerting.heartbeat import Heartbeat
from core.alerting.receivers import Receiver

T = TypeVar("T")


def heartbeat() -> Heartbeat:
    """Tells what is late, sends what waits, and gives the dead-man service a sign of life."""
    return look(receivers.from_environment(), deadman.from_environment())


def look(told: Sequence[Receiver], url: str) -> Heartbeat:
    """The same with these receivers, and this address of the dead-man service."""
    broken: dict[str, str] = {}
    datasets = _loaded(catalog.dataset_names(), catalog.dataset, "{}", broken)
    models = _loaded(catalog.model_names(), catalog.model, "{} predictions", broken)
    return watch.beat(datasets, models, told, broken=broken, url=url)


def _loaded(
    names: Sequence[str], load: Callable[[str], T], subject: str, broken: dict[str, str]
) -> list[T]:
    found = []
    for name in names:
        try:
            found.append(load(name))
        except DeclarationError as error:  # one file with a mistake must not silence the rest
            broken[subject.format(name)] = str(error)
    return found
