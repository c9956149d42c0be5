"""The documents of the project: the only place where values become JSON, and JSON becomes values.

Each document has its module.  No other code handles the objects of a JSON library: what is read is checked
here, field by field, and leaves as frozen values or as a ServiceError of one line. `docs/report.schema.json`
describes every document.
"""
