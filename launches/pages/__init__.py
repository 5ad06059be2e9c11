"""What the launch pages say: forms, facts, buttons, steps and code to paste, in words. Pure but for the preview."""
