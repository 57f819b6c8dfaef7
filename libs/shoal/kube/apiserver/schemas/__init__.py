"""The schemas of the built-in kinds as packaged files, and the programs that make them from development packages.

`kubernetes-1.37.json.z` is zlib over one JSON document {version, definitions}, made by `compact.py`; `protobuf-1.37.json.z` describes the
protobuf messages of the same kinds, made by `protobuf_fields.py`. The programs are never imported at run time.
"""
