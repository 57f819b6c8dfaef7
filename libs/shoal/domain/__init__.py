"""What is decided: pure functions from what is known to what should be. No I/O, no clock, no chance, no async.

One package per decision; they know `api` and not each other. Whatever else a decision needs comes in as an argument.
"""
