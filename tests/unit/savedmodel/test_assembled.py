"""Reading SavedModels that a test assembled: graphs and signatures that TensorFlow seldom writes."""

import pytest

from pytest_tfsig import protos, savedmodel
from pytest_tfsig.errors import SavedModelError
from pytest_tfsig.savedmodel import FeatureSpec
from tests.unit.savedmodel.assemble import (
    FLOAT,
    HALF,
    INT64,
    STRING,
    add_graph,
    info,
    node,
    saved_model,
    signature,
    strings,
    write,
)


def types(*numbers):
    return protos.AttrValue(list=protos.AttrValue.ListValue(type=numbers))


def shapes(*sizes):
    made = protos.AttrValue()
    for shape in sizes:
        made.list.shape.add(dim=[protos.TensorShapeProto.Dim(size=size) for size in shape])
    return made


def test_shapes_and_dtypes(tmp_path):
    inputs = {"any": info(shape=None), "scalar": info(shape=()), "ref": info(dtype=101), "new": info(dtype=99)}
    write(tmp_path, saved_model({"s": signature(inputs)}))
    found = savedmodel.read(tmp_path).signatures["s"].inputs
    assert {name: (spec.dtype, spec.shape) for name, spec in found.items()} == {
        "any": ("float32", None),
        "new": ("dtype 99", (None, 3)),
        "ref": ("float32", (None, 3)),
        "scalar": ("float32", ()),
    }


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("tensorflow/serving/predict", "predict"),
        ("tensorflow/serving/classify", "classify"),
        ("tensorflow/serving/regress", "regress"),
        ("", "predict"),
        ("mine", "mine"),
    ],
)
def test_methods(tmp_path, method, expected):
    write(tmp_path, saved_model({"s": signature(method=method)}))
    assert savedmodel.read(tmp_path).signatures["s"].method == expected


def test_internal_signatures_are_left_out(tmp_path):
    internal = {name: signature() for name in ("__saved_model_init_op", "__saved_model_train_op", "serving_default")}
    write(tmp_path, saved_model(internal))
    assert list(savedmodel.read(tmp_path).signatures) == ["serving_default"]


def test_of_several_graphs_the_one_tagged_serve_is_read(tmp_path):
    made = saved_model({"train": signature()}, tags=("train",))
    add_graph(made, {"gpu": signature()}, ("serve", "gpu"))
    add_graph(made, {"served": signature()}, ("serve",))
    write(tmp_path, made)
    assert list(savedmodel.read(tmp_path).signatures) == ["served"]


@pytest.mark.parametrize("tags", [(), ("train",), ("serve", "tpu")])
def test_no_graph_tagged_serve(tmp_path, tags):
    write(tmp_path, saved_model(tags=tags))
    with pytest.raises(SavedModelError, match=r'no graph is tagged "serve" alone, but \[.*export it with tags'):
        savedmodel.read(tmp_path)


@pytest.mark.parametrize(
    ("definition", "id_"),
    [
        (signature(outputs={"y": info(dtype=HALF)}), "no-json"),
        (signature({"x": info(dtype=8)}), "no-json"),
        (signature(outputs={"y": info(dtype=STRING)}), "raw-strings"),
        (signature(method="mine"), "unknown-method"),
        (signature({"x": protos.TensorInfo(coo_sparse={"values_tensor_name": "v:0"}, dtype=FLOAT)}), "not-dense"),
    ],
)
def test_warnings_of_a_signature(tmp_path, definition, id_):
    write(tmp_path, saved_model({"s": definition}))
    (warning,) = savedmodel.read(tmp_path).warnings
    assert (warning.id, warning.signature) == (id_, "s")
    assert '"s"' in str(warning)


@pytest.mark.parametrize(
    ("name", "method"), [("y_bytes", "tensorflow/serving/predict"), ("classes", "tensorflow/serving/classify")]
)
def test_a_bytes_output_and_a_classifier_s_labels_raise_no_warning(tmp_path, name, method):
    definition = signature({"inputs": info(dtype=STRING)}, {name: info(dtype=STRING)}, method)
    write(tmp_path, saved_model({"s": definition}))
    assert savedmodel.read(tmp_path).warnings == ()


def parse(*defaults, keys="keys", dense=("x",)):
    return node(
        "parse",
        "ParseExampleV2",
        ["in", "names", "none", keys, "none", *defaults],
        Tdense=types(*[INT64] * len(dense)),
        dense_shapes=shapes(*[(1,)] * len(dense)),
        sparse_types=types(),
        ragged_value_types=types(),
    )


def read_features(tmp_path, nodes, functions=()):
    definition = signature({"examples": info("in:0", STRING, (-1,))})
    write(tmp_path, saved_model({"s": definition}, nodes=nodes, functions=functions))
    return savedmodel.read(tmp_path).signatures["s"].features


def test_a_default_computed_in_the_graph_still_makes_the_feature_optional(tmp_path):
    nodes = [node("in", "Placeholder"), strings("names"), strings("none"), strings("keys", "x")]
    found = read_features(tmp_path, [*nodes, node("computed", "Mul", ["a", "b"]), parse("computed")])
    assert found == {"x": FeatureSpec("x", "int64", (1,), "fixed", ())}
    assert not found["x"].required


def test_keys_that_are_a_functions_arguments_are_found_where_it_is_called(tmp_path):
    arguments = ["in", "names", "none", "keys", "fill"]
    body = protos.FunctionDef(signature={"name": "f"})
    body.signature.input_arg.extend(protos.OpDef.ArgDef(name=name) for name in arguments)
    body.node_def.append(parse("fill"))
    fill = protos.TensorProto(dtype=INT64, int64_val=[3])
    fill.tensor_shape.dim.add(size=1)
    call = node("call", "PartitionedCall", [*arguments, "^in"])
    call.attr["f"].func.name = "f"
    nodes = [
        node("in", "Placeholder"),
        *(strings("names"), strings("none"), strings("key_const", "x"), node("keys", "Identity", ["key_const:0"])),
        node("fill", "Const", value=protos.AttrValue(tensor=fill)),
        call,
    ]
    assert read_features(tmp_path, nodes, [body]) == {"x": FeatureSpec("x", "int64", (1,), "fixed", (3,))}


def test_a_function_that_calls_itself_ends(tmp_path):
    body = protos.FunctionDef(signature={"name": "f"})
    body.signature.input_arg.add(name="a")
    body.node_def.append(node("again", "f", ["a"]))
    assert read_features(tmp_path, [node("in", "Placeholder"), node("call", "f", ["in"])], [body]) is None


def test_identities_in_a_circle_end(tmp_path):
    nodes = [node("in", "Placeholder"), strings("names"), strings("none")]
    circle = [node("a", "Identity", ["b"]), node("b", "Identity", ["a"])]
    assert read_features(tmp_path, [*nodes, *circle, parse(keys="a", dense=())]) == {}


@pytest.mark.parametrize(
    ("op", "inputs"),
    [
        ("LookupTableFindV2", ["table", "x"]),
        ("LookupTableFindV2", ["half", "x"]),
        ("Equal", ["x"]),
        ("GatherV2", ["x", "x"]),
        ("OneHot", ["x"]),
        ("ParseExampleV2", ["x", "x"]),
        ("ParseSingleExample", ["x"]),
    ],
)
@pytest.mark.parametrize("dtype", [STRING, INT64])
def test_nodes_that_lack_inputs_tell_nothing(tmp_path, op, inputs, dtype):
    nodes = [
        node("x", "Placeholder"),
        node("table", "HashTableV2"),
        node("half", "HashTableV2"),
        node("import", "LookupTableImportV2", ["half"]),
        node("use", op, inputs),
    ]
    write(tmp_path, saved_model({"s": signature({"x": info(dtype=dtype, shape=(-1,))})}, nodes=nodes))
    assert savedmodel.read(tmp_path).signatures["s"].inputs["x"].meaning is None


def test_a_table_that_is_asked_often_is_read_once_and_a_run_of_words_is_one(tmp_path):
    keys = strings("keys", "a", "b")
    keys.attr["value"].tensor.tensor_shape.dim[0].size = 2**40
    many = 2000
    nodes = [
        node("x", "Placeholder"),
        node("table", "HashTableV2"),
        keys,
        node("import", "LookupTableImportV2", ["table", "keys", "keys"]),
        *(node(f"find{number}", "LookupTableFindV2", ["table", "x", "keys"]) for number in range(many)),
        *(node(f"equal{number}", "Equal", ["x", "keys"]) for number in range(many)),
    ]
    write(tmp_path, saved_model({"s": signature({"x": info(dtype=STRING, shape=(-1,))})}, nodes=nodes))
    meaning = savedmodel.read(tmp_path).signatures["s"].inputs["x"].meaning
    assert meaning.vocabulary == (b"a", b"b")
    assert meaning.source == 'looks it up in "table", of 2 keys, and compares it with 2 strings'
