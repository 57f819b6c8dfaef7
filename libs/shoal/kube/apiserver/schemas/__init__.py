"""The schemas of the built-in kinds as packaged files, and the programs that make them from development packages.

`kubernetes-1.37.json.z` is zlib over one JSON document {version, definitions}, made by `compact.py`; `protobuf-1.36.json.z` the numbers of
protobuf fields, made by `wire_numbers.py`. The programs are never imported at run time.
"""
