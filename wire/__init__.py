"""What goes over the wire and belongs to no app: resource names and errors. No models, no Django."""
