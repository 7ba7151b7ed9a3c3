"""ADPD: findings of chest x-rays from boxes of anatomy and labels alone. Müller et al., MICCAI 2023."""
