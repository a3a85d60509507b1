"""Alerts: which of them new rows fire, and whether what fired still stands."""
