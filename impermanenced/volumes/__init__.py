"""The machine's ephemeral volumes, and what each was made from."""
