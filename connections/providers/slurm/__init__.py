"""Launches run as jobs of a Slurm cluster that is already there: it schedules, and we ask.

Everything of an attempt lies in a directory that this side and the nodes see: <shared>/slipway-<instance>/jobs/...,
as trainer_files/ describes it. `submit` writes that, looks the attempt's name up, and calls sbatch; the job's script
starts job.py there, which claims the attempt, runs the trainer and writes how it ended. What Slurm says of the job
counts where nobody could write that: then it is written down, because Slurm forgets a job minutes after its end.

config.py      what a connection says
client.py      Slurm's programs, the only place that calls for them
shells.py      where they run: on this machine
ssh.py         or on a login node
tunnels.py     connections to trainers through it
sftp.py        the shared directory over it, where it is not mounted here; sftp_paths.py, sftp_streams.py
login.py       whose address, host key and private key people write
answers.py     what they answer, read
names.py       what a job is called there
states.py      Slurm's states and reasons, in ours and in words
script.py      the options and the script of a job
release.py     our own code on the shared directory
job.py         what runs inside the job
endings.py     how an attempt ended, of its files and Slurm's word
standing.py    what is said of an attempt
capability.py  which specs can run there, by what the connection says
sizes.py       which cannot, by what Slurm says of its nodes
ground.py      what every verb stands on
sending.py     an attempt on its way there
observing.py   what is said of one right now
trying.py      what Slurm says of a job before it gets it
provider.py    the verbs
"""
