"""Disease activity from a graph of lesions with self-pruning (SP-GNN). Prabhakar et al., MICCAI 2023."""
