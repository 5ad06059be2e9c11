"""The stand-alone trainer: one process that holds one model and is driven over HTTP by a training loop.

It imports nothing of the dashboard, has its own requirements (`trainer/requirements`) and its own environment
(`trainer/prepare.py` makes it). `python -m trainer CONFIG.json` runs it; `trainer/config.py` says what CONFIG.json
holds.
"""
