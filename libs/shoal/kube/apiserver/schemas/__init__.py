"""The schemas of the built-in kinds as one packaged file, and the program that makes it from a development package.

`kubernetes-1.37.json.z` is zlib over one JSON document {version, definitions}; `compact.py` writes it and is never imported at run time.
"""
