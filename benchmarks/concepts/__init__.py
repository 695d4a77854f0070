"""The plots of the concept pages: what each concept does, measured on a synthetic newsroom whose true rates are known."""
