"""Reports: the model, and one file per format. Renderers read a Report and nothing else."""
