"""The configuration: TOML files in, a frozen Config out."""
