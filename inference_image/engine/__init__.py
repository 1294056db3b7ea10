"""The engine process: everything that touches the device.

`blocks`, `policy`, `device` and `loop` are plain Python; `runner`, `sampling`, `guide`, `load` and `model` import
torch.
"""
