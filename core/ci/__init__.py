"""CI for data: what a checkout would make of the lake's last days."""
