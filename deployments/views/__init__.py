"""The pages of deployments: functions that parse, call one verb, and render."""
