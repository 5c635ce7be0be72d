"""Serving: the champion's predictions over HTTP."""
