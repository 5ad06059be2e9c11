"""The base models that our own trainer makes by itself."""

DEMO_MODELS = ("accounts/local/models/tiny-qwen3", "accounts/local/models/tiny-qwen3-chat")
"""The folders of their tokenizers in its package have the models' ids."""
