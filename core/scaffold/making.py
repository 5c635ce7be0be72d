"""Making a dataset's files from a sample: look, decide, write, prove, and only then keep."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import pyarrow.compute as pc

from catalog.kinds import Http
from core.ci import scratch
from core.errors import SourceRefused, UsageError
from core.intervals import DAY, Interval, utc_now
from core.scaffold import choosing, columns, dataset, deploying, proving, rules, samples, testing
from core.scaffold.columns import Looked
from core.scaffold.dataset import Draft
from core.scaffold.proving import Proof
from core.scaffold.rules import Rule
from core.scaffold.samples import Sample
from core.scaffold.targets import Targets
from core.scaffold.texts import Found

KEY = re.compile(r"(?i)(\b|_)(id|key|code|number|no|uuid|guid|ref)(\b|_)|(?-i:[a-z]Id)\b")


@dataclass(frozen=True)
class ColumnSeen:
    """A column as it is shown: its type, rows without a value, what stands in it, oddities."""

    name: str
    kind: str
    nulls: int
    seen: str
    oddities: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class NewDataset:
    """A dataset that was written.

    Attributes:
        origin: the sample.
        whole: False where only its first rows were looked at.
        bad: by rule, rows of the sample that would be put aside.
        other_days: columns that could have been the day.
        unique: columns of which no two rows share a value, where no key was given.
        notes: what to look after, a line each.
        files: written, relative to the project.
    """

    name: str
    origin: str
    rows: int
    whole: bool
    columns: tuple[ColumnSeen, ...]
    day: str
    other_days: tuple[str, ...]
    unique: tuple[str, ...]
    interval: Interval
    bad: dict[str, int]
    notes: tuple[str, ...]
    files: tuple[str, ...]


def new_dataset(
    name: str,
    where: str,
    *,
    key: Sequence[str] = (),
    day: str = "",
    date_format: str = "",
    token: str = "",
    today: date | None = None,
) -> NewDataset:
    """Writes a dataset's declaration, its test and its stanzas.

    Raises:
        UsageError: a file is there already, or the sample has no rows, no such column, no day.
        DayloopError: the sample cannot be had or read.
    """
    today = today or utc_now().date()
    targets = Targets.of("dataset", name)
    with tempfile.TemporaryDirectory(prefix="dayloop-") as folder, scratch.at(folder):
        sample, looked = _looked(name, where, token, date_format, day, today)
        draft, others = _draft(name, sample, looked, tuple(key), day, today)
        declared = proving.declared(dataset.code(draft), "dataset", name)
        first, last = next(each for each in draft.columns if each.name == draft.day).span
        proof = proving.prove(declared, sample, Interval(first, last + DAY))
        draft = replace(draft, proof=proof)
    targets.write(dataset.code(draft), testing.code(draft), deploying.with_dataset)
    return NewDataset(
        name=name,
        origin=draft.origin,
        rows=looked.rows,
        whole=looked.whole,
        columns=tuple(_seen(each, draft) for each in looked.columns),
        day=draft.day,
        other_days=others,
        unique=() if key else _unique(draft),
        interval=Interval(proof.first, proof.last + DAY),
        bad=proof.bad,
        notes=tuple(_notes(draft, proof)),
        files=targets.shown(),
    )


def _looked(
    name: str, where: str, token: str, date_format: str, day: str, today: date
) -> tuple[Sample, Looked]:
    sample = samples.take(name, where, token=token, today=today)
    try:
        return sample, columns.look(sample, date_format, day)
    except SourceRefused as error:
        if " is not utf-8: " not in str(error):
            raise
    sample = replace(sample, source=replace(sample.source, encoding="cp1252"))
    return sample, columns.look(sample, date_format, day)


def _draft(
    name: str, sample: Sample, looked: Looked, key: tuple[str, ...], day: str, today: date
) -> tuple[Draft, tuple[str, ...]]:
    declared = [each for each in looked.columns if each.kind]
    known = {each.name: each for each in declared}
    for column in (*key, *([day] if day else [])):
        if column not in known:
            raise UsageError(f"the sample has no column '{column}'; there is {', '.join(known)}")
    if empty := [column for column in key if known[column].nulls]:
        raise UsageError(f"--key: '{empty[0]}' is empty in some rows, so it is no key")
    chosen, others = choosing.day(declared, day, _origin(sample))
    early = choosing.early(known[chosen])
    declared = [choosing.as_day(each) if each.name == chosen else each for each in declared]
    formats = {each.name: each.date_format for each in declared if each.date_format}
    draft = Draft(
        name=name,
        source=replace(
            sample.source,
            date_formats=formats,
            decimal=looked.form[0],
            thousands=looked.form[1],
            na_values=tuple(dict.fromkeys(word for each in declared for word in each.missing)),
        ),
        origin=_origin(sample),
        day=chosen,
        key=key,
        columns=declared,
        left_out=[each for each in looked.columns if not each.kind],
        rules={each.name: rules.rule(each, early) for each in declared},
        rows=looked.rows,
        seen=today,
    )
    return draft, others


def _origin(sample: Sample) -> str:
    source = sample.source
    return source.url if isinstance(source, Http) else str(getattr(source, "path", ""))


def _unique(draft: Draft) -> tuple[str, ...]:
    return tuple(
        each.name
        for each in draft.columns
        if KEY.search(each.name)
        and each.kind in ("int", "string")
        and not each.nulls
        and len(each.values) >= rules.LEAST_ROWS
        and len(pc.unique(each.values)) == len(each.values)
    )


def _notes(draft: Draft, proof: Proof) -> Iterator[str]:
    if refused := sum(share > dataset.MOST_TOLERATED for share in proof.shares):
        yield f"{refused:,} of {len(proof.shares):,} days would be refused, for their bad rows"
    if isinstance(draft.source, Http) and draft.rows % 10 == 0:
        yield f"exactly {draft.rows:,} rows: if they are a page of several, declare source.pages"
    if draft.source.encoding != "utf-8":
        yield f"the text is not UTF-8 and was read as {draft.source.encoding}: look at it"


def _seen(found: Found, draft: Draft) -> ColumnSeen:
    rule = draft.rules.get(found.name, Rule())
    words = (said for said, names in dataset.oddities(draft).items() if found.name in names)
    odd = tuple(said for said in words if said != rule.oddity or not rule.seen)
    return ColumnSeen(found.name, found.kind, found.nulls, rule.seen, odd)
