"""Verdicts: which days are refused and why, and what is only warned of."""

from collections.abc import Mapping, Sequence
from datetime import date

from catalog.kinds import Dataset
from core.load.spool import Spool

Off = Mapping[tuple[date, str], str]  # control totals that are off, in words


def refusals(dataset: Dataset, days: Sequence[date], spool: Spool, off: Off) -> dict[date, str]:
    """The days that are refused, each with its reason."""
    reasons = ((day, _refusal(dataset, day, spool, off)) for day in days)
    return {day: reason for day, reason in reasons if reason}


def _refusal(dataset: Dataset, day: date, spool: Spool, off: Off) -> str:
    read, good, bad = spool.read[day], spool.good[day], spool.bad[day]
    if good + bad != read:
        raise AssertionError(f"{dataset.name} {day}: {good} good + {bad} bad is not {read} read")
    if day in spool.broken:
        return spool.broken[day]
    if read < dataset.min_rows:
        return f"{read} rows, at least {dataset.min_rows} are expected"
    for rule, number in spool.failed[day].items():
        taken = dataset.rules.get(rule)
        if taken and number / read > taken.share:
            return _rows(number, read, f"fail {rule}", taken.share) + _because(dataset, rule)
    if read and bad / read > dataset.max_bad_share:
        return _rows(bad, read, "are bad", dataset.max_bad_share) + _most(day, spool)
    blocking = (name for name in off if name[0] == day and _blocks(dataset, name[1]))
    return next((off[name] + _because(dataset, name[1]) for name in blocking), "")


def _rows(number: int, read: int, what: str, limit: float) -> str:
    share = f"{number / read:.1%}, {limit:.1%} are tolerated"
    return f"{number:,} of {read:,} rows {what} ({share})"


def _most(day: date, spool: Spool) -> str:
    """The rule that most of a day's bad rows fail, with a value that fails it."""
    if not (of_day := spool.failed[day]):
        return ""
    rule = max(of_day, key=lambda name: of_day[name])
    value = spool.samples.get((day, rule), "")
    return f"; {of_day[rule]:,} by {rule}{f', such as {value!r:.60}' if value else ''}"


def _because(dataset: Dataset, rule: str) -> str:
    taken = dataset.rules.get(rule)
    return f" ({taken.reason})" if taken and taken.reason else ""


def _blocks(dataset: Dataset, rule: str) -> bool:
    return rule not in dataset.rules or dataset.rules[rule].blocking


def warnings(
    dataset: Dataset, days: Sequence[date], spool: Spool, off: Off
) -> list[tuple[date, str, str]]:
    """Day, rule and words of what only warns, above the share that it tolerates."""
    found = [(day, rule, words) for (day, rule), words in off.items() if not _blocks(dataset, rule)]
    for (day, rule), number in spool.warned.items():
        if day in days and number / spool.read[day] > dataset.rules[rule].share:
            said = _rows(number, spool.read[day], f"fail {rule}", dataset.rules[rule].share)
            found.append((day, rule, said + _because(dataset, rule)))
    return sorted(found)
