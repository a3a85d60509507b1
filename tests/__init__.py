"""The project's tests; `python -m tests.servers` runs them on another PostgreSQL release."""
