"""The check of a file of rows: one pass, bounded memory, no Django. `check.check_rows` is the door."""
