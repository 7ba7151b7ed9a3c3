"""Commands: one small file each; they parse, call and print (floor 6)."""
