"""How fast the layer is beside its peers: see README.md in this folder."""

import sys
from pathlib import Path

PROJECT_FOLDER = Path(__file__).parent / "project"

# The measured functions are a project of their own, which nobody installs.
sys.path.insert(0, str(PROJECT_FOLDER / "src"))
