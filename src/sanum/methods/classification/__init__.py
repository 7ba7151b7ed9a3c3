"""Methods that tell normal from abnormal 2-D images by examples of both; one folder each."""
