"""What a run did to its encoder, from its saved model and the encoder it started from; one file for each probe.

All of it is computed in evaluation mode, in fp32, in a fixed order: the same model gives the same bits on the same machine.
"""
