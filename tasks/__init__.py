"""How each stage is done. `README.md` beside this file maps stages to files."""
