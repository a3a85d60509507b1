"""The Python form of what a database holds: types, and the Structs of its rows."""
