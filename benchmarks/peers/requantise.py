"""The example model's GGUF file with 8-bit weights (Q8_0), for peers that read GGUF.

    python benchmarks/peers/requantise.py <from.gguf> <to.gguf>

The file is published with 4-bit weights; peers that compute in 8 bits shall read 8-bit weights of the same model.
"""

import sys

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType, quants

_ARCHITECTURE, _FILE_TYPE = "general.architecture", "general.file_type"


def main(source: str, target: str) -> int:
    reader = GGUFReader(source)
    writer = GGUFWriter(target, reader.fields[_ARCHITECTURE].contents())
    for name, field in reader.fields.items():
        if name == _ARCHITECTURE or name.startswith("GGUF."):
            continue  # the writer's own
        value = int(LlamaFileType.MOSTLY_Q8_0) if name == _FILE_TYPE else field.contents()
        inner = field.types[-1] if field.types[0] is GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        exact = quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if exact.ndim == 1:
            writer.add_tensor(tensor.name, exact)
        else:
            eight = quants.quantize(exact, GGMLQuantizationType.Q8_0)
            writer.add_tensor(tensor.name, eight, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
