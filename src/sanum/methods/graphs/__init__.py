"""Patients as graphs: what the things in a scan, and how they lie to each other, say of a patient."""
