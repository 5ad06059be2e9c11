"""Training shapes and versions on the wire, to write as well as to read."""
