"""What methods share: recipes, training, memory planning, the predictor of a regression network (floor 4)."""
