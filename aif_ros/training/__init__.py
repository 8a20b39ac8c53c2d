"""One trainer for all networks; recipes, data, losses and model cards."""
