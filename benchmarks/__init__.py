"""Measurements against a running Slipway: every figure beside its floor, taken in the same run, as a ratio.

`./run bench` starts a Slipway of its own and runs them all; `./run bench pages` runs one. Nothing here is a test.
"""
