"""What the publishing pages say: the forms, the buttons, the steps and the preview, in words."""
