"""What keeps open pages and workers in touch over the broker: hints, wake-ups, the event stream."""
