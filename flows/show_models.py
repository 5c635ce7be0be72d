"""How a model's versions, experiments, lineage and reproductions look."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from core.models.lineage import Lineage
from core.models.provenance import Source
from flows.models import Models, VersionNow
from flows.reproduce import Reproductions
from flows.runs import Runs
from flows.show import as_text, commands, table

CHECKS, FILES = 6, 5  # shown; --json has all of them


@as_text.register
def _(seen: Models) -> None:
    if not seen.versions:
        print(f"{seen.model} has no versions; python -m flows retrain {seen.model}")
        return
    table(
        f"{seen.model}, gate {seen.mode}",
        ("version#", "state", "what", "as of", "who and why"),
        (
            (each.number, each.state, _what(each), each.as_of or "", _who_and_why(each))
            for each in seen.versions
        ),
    )
    if seen.left_out:
        print(f"{seen.left_out:,} older ones: --limit {len(seen.versions) + seen.left_out}")
    who, newest = '--by NAME --reason "..."', seen.versions[0].number
    back = f"python -m flows rollback {seen.model} {who}"
    waiting = [each for each in seen.versions if each.state in ("registered", "approved")][:1]
    commands(
        [
            *((f"python -m flows {_ask(seen, v)} {who}", "or reject, retire") for v in waiting),
            *([(back, "the champion before serves again")] if seen.versions[1:] else []),
            (f"python -m flows reproduce {seen.model} {newest}", "fit it again and compare"),
            (f"python -m flows runs {seen.model}", "every candidate that was fitted"),
        ]
    )


def _ask(seen: Models, version: VersionNow) -> str:
    first = seen.mode == "manual" and version.state == "registered"
    return f"{'approve' if first else 'promote'} {seen.model} {version.number}"


def _what(version: VersionNow) -> str:
    if version.problem:
        return version.problem
    return f"{version.candidate}\n{version.metric} {version.estimate}"


def _who_and_why(version: VersionNow) -> str:
    given = ((d.event, d.by, d.reason, d.at) for d in version.decisions)
    return "\n".join(f"{events} {words}" for events, words in _decisions(given))


def _decisions(given: Iterable[tuple[str, str, str, datetime]]) -> list[tuple[str, str]]:
    """Events, and by whom, when and why; those of one decision together."""
    said: dict[str, list[str]] = {}
    for event, by, reason, at in given:
        said.setdefault(f"by {by}, {at:%Y-%m-%d %H:%M}: {reason}", []).append(event)
    return [(", ".join(events), words) for words, events in said.items()]


@as_text.register
def _(seen: Runs) -> None:
    if not seen.runs:
        print(f"{seen.model} was never fitted; python -m flows retrain {seen.model}")
        return
    ids = [run.fingerprint[:8] for run in seen.runs]
    if seen.compared:
        columns = ("", *(f"{run.candidate} {one}" for run, one in zip(seen.runs, ids, strict=True)))
        rows = [(name, *map(_short, each)) for name, each in seen.differences.items()]
        table(f"{seen.model}: what differs", columns, rows)
        return
    table(
        f"{seen.model}: candidates fitted",
        ("id", "as of", "candidate", seen.runs[0].metric, "rows#", "seconds#", "MB#", "version#"),
        (
            (
                run.fingerprint[:8],
                run.as_of,
                run.candidate,
                run.estimate,
                run.rows,
                f"{run.seconds:.1f}",
                f"{run.peak_mb or 0:.0f}",
                run.version or "",
            )
            for run in seen.runs
        ),
    )
    if seen.left_out:
        print(f"{seen.left_out:,} older ones: --limit {len(seen.runs) + seen.left_out}")
    commands(
        (
            (f"python -m flows runs {seen.model} {' '.join(ids[:2])}", "in what they differ"),
            (f"python -m flows runs {seen.model} --json", "data and code versions, parameters"),
        )
    )


def _short(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:37]}..."


@as_text.register
def _(done: Reproductions) -> None:
    for each in done.versions:
        table(
            f"{each.model} version {each.version} {each.candidate}: {each.outcome}",
            ("", "same", ""),
            ((check.what, "yes" if check.same else "NO", check.detail) for check in each.checks),
        )
        for difference in each.differences:
            print(f"  {difference}")
    if not done.versions:
        print(f"{done.model} has no versions")


@as_text.register
def _(seen: Lineage) -> None:
    trained = seen.trained
    again = "" if seen.again is None else f", scored again {seen.again:.6f}"
    note = f" ({seen.note})" if seen.note else ""
    print(f"\n{seen.model} of {seen.entity} on {seen.day}: {seen.score:.6f}{again}{note}")
    versions = ", ".join(f"{name} version {n}" for name, n in seen.table_versions.items())
    print(f"from {versions or 'tables that are not known any more'}; data {seen.data_version}")
    table("", ("feature", "value#"), ((n, f"{v:,.6g}") for n, v in seen.features.items()))
    rows = [
        ("model", f"version {trained.version}, {trained.candidate}, {trained.state}"),
        ("artifact", f"{trained.path}, sha256 {trained.sha256}"),
        ("features", f"rows {trained.first_day} to {trained.train_day}, {trained.rows:,} entities"),
        ("judged", f"features at {trained.holdout_day}, labels to {trained.as_of}"),
        ("data", _data(seen)),
        ("code", trained.code_version),
        *_decisions(trained.decisions),
    ]
    table("Trained on", ("", ""), rows)
    table("Rows from", ("", ""), (row for each in seen.sources[-FILES:] for row in _source(each)))
    if len(seen.sources) > FILES:
        print(f"{len(seen.sources) - FILES} earlier files: --json")
    known = f"not known: {seen.label_note}" if seen.label is None else str(seen.label)
    print(f"label, known from {seen.label_day}: {known}")
    commands(
        (
            (f"python -m flows reproduce {seen.model} {trained.version}", "fit it again, compare"),
            (f"python -m flows models {seen.model}", "the other versions"),
        )
    )


def _data(seen: Lineage) -> str:
    kept = [
        f"{name} version {number}, {len(seen.trained.files[name])} landed files"
        for name, number in seen.trained.table_versions.items()
    ]
    same = "the same today" if seen.trained.unchanged else "loaded again since"
    return f"{'; '.join(kept)}; {same}; data {seen.trained.data_version}"


def _source(source: Source) -> Iterator[tuple[str, str]]:
    more = len(source.checks) - CHECKS
    checks = [*source.checks[:CHECKS], *([f"and {more} more"] if more > 0 else [])]
    yield "file", source.path or f"{source.sha256}, which is gone"
    yield (
        "rows",
        f"{source.rows:,} of {source.rows_good:,} on days from {source.first_day} to "
        f"{source.last_day}; {source.rows_bad:,} of others in quarantine",
    )
    yield f"contract {source.contract}", "passed: " + "; ".join(checks)
