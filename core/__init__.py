"""How: plain functions and dataclasses that know no Prefect."""
