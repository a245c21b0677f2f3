"""Three writers whose digits the model misreads, before and after fine-tuning on some of them."""
