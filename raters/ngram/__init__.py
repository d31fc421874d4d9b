"""Perplexity by n-gram language models, on the processor."""
