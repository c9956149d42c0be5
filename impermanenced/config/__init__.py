"""The configuration: TOML files become one frozen `Config`."""
