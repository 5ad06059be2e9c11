"""How Django writes dates and times, in its administration above all; FORMAT_MODULE_PATH names it."""
