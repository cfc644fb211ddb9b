"""From columns as they come to matrices that models take."""
