"""Deep autoencoding Gaussian mixture: codes and errors of normals as a few Gaussians (Zong et al., 2018)."""
