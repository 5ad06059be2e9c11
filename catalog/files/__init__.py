"""The catalog as a file: reading, writing, and the plan between a file and what the account offers."""
