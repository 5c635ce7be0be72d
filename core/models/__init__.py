"""Models: features, fitting, the gate, the registry, scores, and where each came from."""
