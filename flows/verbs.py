"""Every flow as a command, its signature the command line; read from its text, not imported."""

from typing import Any

from cyclopts import App, Parameter

import catalog

VERBS = {
    "etl": "Load one day of a dataset.",
    "backfill": "Load an interval of a dataset's history.",
    "retrain": "Fit the candidates and let the gate decide.",
    "score": "Write the champion's predictions for a day.",
    "serve": "Answer requests with the champion's predictions; needs no Prefect.",
    "monitor": "Measure drift, and the metric of matured predictions.",
    "daily": "The whole loop for one day.",
    "approve": "Vouch for a version.",
    "reject": "Turn a version down for good.",
    "promote": "Make a version the champion.",
    "rollback": "Let the earlier champion serve again.",
    "retire": "Take a version out of service for good.",
    "models": "A model's versions, their states, who decided and why.",
    "runs": "Every candidate that was fitted, listed or compared.",
    "why": "Where a prediction comes from, and what came true.",
    "reproduce": "Make versions again from what is on record, and compare.",
    "deliver": "Send the alerts that wait.",
    "alerts": "What was told, what waits and what is dead.",
    "alert-test": "One alert of each kind to each receiver, and what it answers.",
    "heartbeat": "Tell what has not come in time; for cron, needs no Prefect.",
    "diagnose": "Whose problem is it: one verdict, its evidence, the next command.",
    "report": "Everything on one page, to look at.",
    "replay": "What other retraining policies would have brought, over history.",
    "plan": "What would be loaded, trained and scored.",
    "quarantine": "Bad rows by rule, with samples.",
    "requeue": "Replay landed bytes through today's rules.",
    "history": "A dataset's versions.",
    "diff": "What differs between two versions of a dataset.",
    "preview": "What this checkout would make of the last days; CI for data.",
    "maintain": "Compact, checkpoint and clean the lake.",
    "verify": "Read everything and find damage.",
    "new": "A dataset's file, test and stanzas from a sample of its data.",
    "new-model": "A model's file, test and stanzas on a dataset.",
    "completion": "What the Tab key needs, in bash, zsh and fish.",
    "demo": "The loop on the sample data, from nothing to its first days.",
}

app = App(
    name="python -m flows",
    help="A small team's daily data-to-model loop. Without a verb: what there is.",
    help_epilogue="Every verb takes --help, and --json for one JSON document on standard output.",
    default_parameter=Parameter(negative=()),
    version_flags=[],
)
for verb, words in VERBS.items():
    app.command(f"flows.signatures:{verb.replace('-', '_')}", name=verb, help=words)


@app.default
def overview() -> Any:
    """What there is: datasets, models, alerts waiting."""
    from core import overview

    return overview.overview(catalog.dataset_names(), catalog.model_names())
