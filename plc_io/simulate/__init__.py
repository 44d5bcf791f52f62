"""The machine, simulated: a PLC with belt, rejecter and sensors that knows the truth about every part."""
