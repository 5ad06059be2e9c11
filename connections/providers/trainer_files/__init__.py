"""What Slipway's own trainer reads and writes on a file system: every kind of connection that runs it reads it here.

files.py       the names of an attempt's files, and writes that are whole or absent
far.py         what is asked of a path of another machine
config.py      the trainer's configuration, made of a spec
job_folders.py what lies of jobs under one root
demo_models.py the models that it makes by itself
recipes.py     what may drive a trainer
reading.py     opening what a trainer may have written
values.py      numbers, times and words that it wrote
records.py     log, metrics and progress
checkpoints.py the checkpoints of a job
liveness.py    where a trainer listens, and whether it answers
outcome.py     what an ending means
tokenizers.py  the tokenizer in a model's directory
"""
