"""The tables of the loop: Delta tables below home, read and replaced by typed conditions.

Every write is one atomic commit and, on a local disk, synced before it is reported done
(delta-rs leaves that to the file system: with the newest commit file emptied by a power cut
a table opened short without an error).
"""

from core.lake.commits import append, change, create, replace, replace_small, rewrite
from core.lake.conditions import Condition, Where, days, equal, moments
from core.lake.tables import holds, in_words, open_table, read, scan, version

__all__ = [
    "Condition",
    "Where",
    "append",
    "change",
    "create",
    "days",
    "equal",
    "holds",
    "in_words",
    "moments",
    "open_table",
    "read",
    "replace",
    "replace_small",
    "rewrite",
    "scan",
    "version",
]
