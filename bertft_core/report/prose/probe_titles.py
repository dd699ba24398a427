"""Title and explanation of each probe."""

TITLES = {
    "masked_lm": ("Masked language modelling", "The encoder under the pre-trained masked-LM head, with fixed masks, and with its "
    "top layers reset to the pre-trained ones (Mosbach et al. 2021). The embeddings stay fine-tuned."),
    "drift": ("Drift of the weights", "‖W − W₀‖ / ‖W₀‖ of each layer: how far its weights moved from the pre-trained ones."),
    "similarity": ("Similarity of hidden states", "Unbiased linear CKA of each layer's states before and after, over the tokens "
    "of validation examples: 1 is identical up to rotation and scale."),
    "gradients": ("Gradients in the first steps", "L2 norm of each layer's gradient before clipping, mean of the watched steps."),
    "calibration": ("Calibration", "Expected calibration error in 15 right-closed bins; scaled: after dividing the logits by the "
    "temperature with the lowest validation loss."),
    "out_of_domain": ("Out-of-domain scores", "How much worse each seed scores out of the domain than in it."),
    "overfitting": ("Validation loss", "Loss per validation target over the epochs; one line per run."),
}  # fmt: skip
