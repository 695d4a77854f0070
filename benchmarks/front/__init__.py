"""The front page's figures: the picture of the demo and the measured table, both made of benchmarks/results/."""
