"""From what a scanner measures to images that move: transforms, sampling, coils, encoding, solvers (floor 1).

Tensors in, tensors out, complex64 or complex128. Axes, in this order, where they are there: C coils, T
frames, Y phase encoding, X readout. Transforms are centred and orthonormal everywhere. The readout is always
fully sampled, so it is transformed once, and what solvers call k-space has lines ky and pixels x.
"""
