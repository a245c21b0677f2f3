"""Three writers whom the model misreads, before and after a fine-tuning on some of their digits."""
