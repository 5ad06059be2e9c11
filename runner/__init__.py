"""Runs a recipe of a checkout as a client of Slipway's API, in an environment of its own; it stands alone."""
