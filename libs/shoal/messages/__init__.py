"""What services tell each other: the catalogue of entries and messages, and the subjects they travel under.

Nothing here sends, decides or waits.
"""
