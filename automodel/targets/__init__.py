"""What y is: how it is checked, learned, predicted and given back."""
