"""A connection's catalog brought to the one here: read, compared, and what differs said. Pure."""
