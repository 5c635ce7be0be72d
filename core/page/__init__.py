"""The page: everything the loop knows, drawn for people on one self-contained page."""
