"""A small program that keeps the trainer's contract as a process and trains nothing.

For tests of what a provider does with processes: exit codes, signals, races. A test tells it what to do through files
under `behaviour/` of its working directory:
<job>.json    {"ignore_term", "child", "stray", "metrics", "log", "checkpoints": {name: step}, "spy": [path, ...],
              "sampler": {name: step}, "writing": {name: step}, "memory_mb", "files_mb", "files": what it uses}
<job>.loading while it exists, the model is being loaded
<job>.exit    the code to end with, as soon as it exists
prepare.json  {"fail": message}, {"hang": true}, or {"outlast_term": true}: done as soon as SIGTERM comes
It notes the pid of every start in <job>.starts, and of its child in <job>.child.
"""
