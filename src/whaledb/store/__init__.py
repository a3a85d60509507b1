"""Work on stored rows that takes more than one statement: candles, prices, scores."""
