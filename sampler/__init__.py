"""The stand-alone sampler: one process that serves one model over HTTP, and takes newer weights while it does.

Like the trainer it imports nothing of the dashboard; of the trainer it uses a few modules that both stand on
(pyproject.toml names the others, which it may not) and the environment. `python -m sampler CONFIG.json` runs it;
`sampler/config.py` says what CONFIG.json holds, docs/SAMPLER.md what the process speaks.
"""
