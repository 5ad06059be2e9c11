"""Views: parse, one domain call, render."""
