"""Where trainers run: connections, and the providers that are the code of their kinds."""
