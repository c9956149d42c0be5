"""The terminal interface of `review`: `app` draws it with textual, and `plan` knows no terminal."""
