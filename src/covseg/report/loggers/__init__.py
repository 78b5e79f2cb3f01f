"""A run on a dashboard: W&B, TensorBoard, MLflow."""
