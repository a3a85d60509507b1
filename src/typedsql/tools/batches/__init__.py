"""The statements that concurrent calls of others become, with @batch."""
