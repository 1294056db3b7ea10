"""The engine process: everything that touches the device.

`policy` and `loop` are plain Python; only `runner`, `kv_cache`, `sampling` and `load` import torch.
"""
