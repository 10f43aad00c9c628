"""SavedModels assembled in a test, message by message."""

from pytest_tfsig import protos

FLOAT, STRING, INT64, HALF = 1, 7, 9, 19


def info(name="x:0", dtype=FLOAT, shape=(-1, 3)):
    made = protos.TensorInfo(name=name, dtype=dtype)
    if shape is None:
        made.tensor_shape.unknown_rank = True
    else:
        made.tensor_shape.dim.extend(protos.TensorShapeProto.Dim(size=size) for size in shape)
    return made


def signature(inputs=None, outputs=None, method="tensorflow/serving/predict"):
    made = protos.SignatureDef(method_name=method)
    for side, tensors in ((made.inputs, inputs or {"x": info()}), (made.outputs, outputs or {"y": info("y:0")})):
        for name, tensor in tensors.items():
            side[name].CopyFrom(tensor)
    return made


def saved_model(signatures=None, tags=("serve",), nodes=(), functions=()):
    made = protos.SavedModel(saved_model_schema_version=1)
    add_graph(made, signatures, tags, nodes, functions)
    return made


def add_graph(made, signatures=None, tags=("serve",), nodes=(), functions=()):
    graph = made.meta_graphs.add()
    graph.meta_info_def.tags.extend(tags)
    graph.graph_def.node.extend(nodes)
    graph.graph_def.library.function.extend(functions)
    for name, definition in (signatures or {"serving_default": signature()}).items():
        graph.signature_def[name].CopyFrom(definition)


def node(name, op, inputs=(), **attributes):
    made = protos.NodeDef(name=name, op=op, input=inputs)
    for key, value in attributes.items():
        made.attr[key].CopyFrom(value)
    return made


def strings(name, *values):
    tensor = protos.TensorProto(dtype=STRING, string_val=[value.encode() for value in values])
    tensor.tensor_shape.dim.add(size=len(values))
    return node(name, "Const", value=protos.AttrValue(tensor=tensor))


def write(base, made, version="1"):
    directory = base / version
    directory.mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(made.SerializeToString())
    return directory
