"""Search for better settings: asks for trials and is told of them; what trains them is a flow's business."""
