"""The pages of connections: functions that parse, call one verb, and render."""
