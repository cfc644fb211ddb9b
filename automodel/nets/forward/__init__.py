"""The nets for tables in NumPy: forward passes of fitted weights, without torch.

Each computes what the torch module of its architecture does in float64, so that no
output depends on the other rows. It takes `dense` and `codes` of at most `rows_at_once`
rows, which keeps the arrays of a layer in the cache of a processor.
"""
