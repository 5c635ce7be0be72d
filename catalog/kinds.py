"""The words of the catalog: what a dataset, a source, a rule, a model and a gate are.

Every declaration is frozen and checks itself when it is made, so a mistake is found
when the catalog is loaded and not at 3 a.m. in the middle of a load.
"""

from catalog.dataset_kind import Dataset
from catalog.declaring import DeclarationError
from catalog.model_kind import Candidate, Drift, Gate, Model, Retrain
from catalog.rules import Limits, Reference, Tolerance, Total
from catalog.sources import Arrival, Cursor, File, Http, LinkHeader, PageNumber, Source, Sql

__all__ = [
    "Arrival",
    "Candidate",
    "Cursor",
    "Dataset",
    "DeclarationError",
    "Drift",
    "File",
    "Gate",
    "Http",
    "Limits",
    "LinkHeader",
    "Model",
    "PageNumber",
    "Reference",
    "Retrain",
    "Source",
    "Sql",
    "Tolerance",
    "Total",
]
