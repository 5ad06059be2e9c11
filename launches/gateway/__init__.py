"""The trainer gateway: passes what lies below a job's prefix to the job's own trainer, for whoever may control it."""
