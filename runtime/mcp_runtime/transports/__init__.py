"""How calls come in. Rule: a transport frames and delivers; what a message means is the dispatcher's business."""
