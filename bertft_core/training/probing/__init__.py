"""How fine-tuning changed the encoder of a run, from its saved model and the encoder it started from; one file per probe.

Everything is computed in evaluation mode, in fp32, in a fixed order: the same model gives the same bits on the same machine.
"""
