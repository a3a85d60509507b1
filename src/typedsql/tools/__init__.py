"""What is needed to build a project, and never by a worker: analysis, generation, migrations."""
