"""The `local` provider: each attempt is a process on this machine, in a directory of its own under a small wrapper.

provider.py   the interface: what is asked of the machine, in the words of connections/providers/base.py
trainers.py, samplers.py, runs.py  what runs, each in slots of its own, and how one is started
plan.py       what a submission becomes: the wrapper's commands, the environment they see
capability.py which specs can run here
queue.py      tickets, slots, and the one place that starts wrappers and settles what died
wrapper.py    the process that outlives the worker: prepares the environment, runs the trainer, writes how it ended
observation.py  what is said of an attempt, from its files
processes.py  finding and signalling processes without ever meeting a recycled pid

The file system is the only memory: <root>/jobs/<account>/<job>/{attempts/<number>/, checkpoints/, sampler/}, and
<root>/queue/, one empty file per attempt that is not over. Of a job that was deleted its checkpoints may be kept; the
file `deleted` beside them says so. An attempt is over when its exit.json exists; it is live
while its wrapper holds the lock on its directory, which the kernel lets go when the wrapper dies in whatever way.
"""
