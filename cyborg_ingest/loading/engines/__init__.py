"""What sends the batches of a load: one file an engine.

Start with `base`, which says what an engine promises and what it tells. An engine knows batches and how to send one;
it knows nothing of journals, counts or people, who learn from what it yields.
"""
