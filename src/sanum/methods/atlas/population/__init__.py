"""Population: unbiased atlases of groups. After Starck et al., Communications Medicine 2024."""
