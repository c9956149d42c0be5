"""The one place where the project's values become JSON, and JSON becomes values again.

One module a document.  Nothing behind it handles the objects of a JSON library: what is read is checked here,
field by field, and leaves as frozen values or as a ServiceError of one line.  `docs/report.schema.json`
describes every document for others.
"""
