"""How a preview looks: made of its JSON, so that CI needs to run it only once.

`python -m flows.show_preview preview.json` prints what `--json` wrote.
"""

import json
import sys
from pathlib import Path
from typing import Any

from core.ci.preview import Preview
from flows.show import as_json, as_text, commands, table

DAYS = 3


@as_text.register
def _(seen: Preview) -> None:
    show(json.loads(as_json(seen)))


def show(seen: dict[str, Any]) -> None:
    """Prints a preview, or the error there is in its place, from its JSON."""
    if "error" in seen:
        print(seen["message"])
        return
    _datasets([each for each in seen["datasets"] if each["interval"]])
    _models([each for each in seen["models"] if each["day"]])
    for each in (*seen["datasets"], *seen["models"]):
        if each["note"]:
            print(f"{each.get('dataset') or each['model']}: {each['note']}; nothing to compare")
    for words in seen["exceeded"]:
        print(f"TOO MUCH  {words}")
    if not seen["failed"]:
        print("all within the tolerances; the lake was only read")
    _next(seen)


def _datasets(seen: list[dict[str, Any]]) -> None:
    if not seen:
        return
    numbers = ("rows_before", "rows_after", "added", "removed", "changed")
    table(
        "The lake's last days, and what this checkout makes of their landed bytes",
        ("dataset", "from", "days#", "contract", "rows now#", "then#", "added#", "removed#")
        + ("changed#", "refused#", "released#"),
        (
            (each["dataset"], each["interval"]["start"], each["days"], each["contract"])
            + tuple(each[name] for name in numbers)
            + (len(each["refused"]), each["released"])
            for each in seen
        ),
    )
    for each in seen:
        name = each["dataset"]
        for what in each["what"]:
            print(f"{name}: {what}")
        for day, why in each["refused"][:DAYS]:
            print(f"{name} {day} would be refused and keep its rows: {why}")
        if each["refused"][DAYS:]:
            print(f"{name}: {len(each['refused']) - DAYS} more days; --json lists them")
        if each["rules"]:
            rows = (
                (rule["rule"], rule["before"], rule["after"], rule["example"])
                for rule in each["rules"]
            )
            title = f"{name}: rows in quarantine"
            table(title, ("rule", "now#", "then#", "for example, then"), rows)
        if each["figures"]:
            figures = (
                (f["column"], f["metric"], f["day"], _number(f["before"]), _number(f["after"]))
                for f in each["figures"]
            )
            title = f"{name}: figures of a day that move most"
            table(title, ("column", "metric", "day", "now#", "then#"), figures)


def _models(seen: list[dict[str, Any]]) -> None:
    if not seen:
        return
    table(
        "Champions' last scores, and by the features of this checkout",
        ("model", "version", "as of", "entities#", "moved#", "at most#", "rank correlation#"),
        (
            (each["model"], str(each["champion"]), each["day"], each["entities"], *_moves(each))
            for each in seen
        ),
    )
    for each in seen:
        if each["features"]:
            print(
                f"{each['model']}: features: {', '.join(each['features'])}; version "
                f"{each['champion']} cannot score with them, the daily loop would train anew"
            )
        if not each["same_data"]:
            print(f"{each['model']}: the lake has other data by now than were scored then")
        if each["refits"]:
            print(f"{each['model']}: a training would fit anew: {', '.join(each['refits'])}")


def _moves(model: dict[str, Any]) -> tuple[Any, ...]:
    if model["problem"] or model["moved"] is None:
        return ("", "", "")
    return (model["moved"], _number(model["largest"]), _number(model["rank_correlation"]))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"


def _next(seen: dict[str, Any]) -> None:
    pairs = []
    if seen["failed"]:
        pairs.append(("python -m flows preview --help", "the tolerances, where it is all meant"))
    for each in seen["datasets"]:
        if each["contract"] not in ("unchanged", "breaking"):
            command = (
                f"python -m flows requeue {each['dataset']} --start {each['interval']['start']}"
            )
            pairs.append((command, "once merged: these days by the new rules"))
        if each["contract"] == "breaking":
            command = f"python -m flows etl {each['dataset']} --allow-breaking"
            pairs.append((command, "once merged, and meant: converts the table"))
    for each in seen["models"]:
        if each["features"]:
            command = f"python -m flows retrain {each['model']}"
            pairs.append((command, "once merged: a challenger on the new features"))
    if pairs:
        commands(pairs)


if __name__ == "__main__":
    show(json.loads(Path(sys.argv[1]).read_text()))
