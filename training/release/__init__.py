"""From a trained model to a published version."""
