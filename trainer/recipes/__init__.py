"""Recipes that train on a dataset: what each lets people set is data, `declared.json`, which whoever offers them reads.

declared.py     the parameters of a recipe, read and checked
rows.py         the rows of a dataset: a file, checked against its digest, of which one row at a time is in memory
formats.py      a row as tokens, and which of them are trained on
marked.py       a row as the model reads it, with what is trained on marked, for people
plan.py         which rows each step trains on, from the seed and the step alone
course.py       what a run will be: its rows looked at once, its steps
records.py      what a run puts on record among its steps
schedule.py     the learning rate of each step
preferences.py  the losses of DPO and ORPO
datum.py        a sequence as the wire has it
driver.py       what every recipe asks of the trainer, with the bodies that a client would send
samples.py      what the model answers to a few prompts
tuning.py       the runs themselves
through_sdk.py  the same as a loop through the SDK
"""
