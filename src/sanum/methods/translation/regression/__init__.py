"""A U-Net that predicts the target in one step."""
